//! `lockdoctor man`: the manual pages, made from the same definitions as `--help`.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Command, CommandFactory};
use clap_mangen::Man;

use super::Cli;
use crate::exit::Exit;

/// Stands in the pages; set at a release, so that the same source gives the same bytes.
const DATE: &str = "2026-11-22";

/// Prints a manual page, or writes them all into a directory.
///
/// To read one where it is not installed: `lockdoctor man scan | man -l -`.
#[derive(Debug, Clone, Args)]
pub struct ManArgs {
    /// The command whose page is printed. Default: the page of lockdoctor itself.
    #[arg(value_name = "COMMAND", conflicts_with = "out")]
    pub command: Option<String>,
    /// Write every page into this directory.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

pub fn run(args: &ManArgs) -> anyhow::Result<Exit> {
    let pages = pages(&Cli::command());
    if let Some(directory) = &args.out {
        return write_all(&pages, directory);
    }
    let wanted = match &args.command {
        Some(command) => format!("lockdoctor-{command}.1"),
        None => "lockdoctor.1".to_owned(),
    };
    let page = pages.iter().find(|page| page.file == wanted);
    let page =
        page.with_context(|| format!("there is no page {wanted}; `lockdoctor --help` lists the commands"))?;
    std::io::stdout().lock().write_all(&page.roff)?;
    Ok(Exit::Clean)
}

fn write_all(pages: &[Page], directory: &Path) -> anyhow::Result<Exit> {
    std::fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    for page in pages {
        let path = directory.join(&page.file);
        std::fs::write(&path, &page.roff).with_context(|| path.display().to_string())?;
    }
    Ok(Exit::Clean)
}

/// One manual page.
#[derive(Debug)]
pub struct Page {
    pub file: String,
    pub roff: Vec<u8>,
}

/// The page of the program, and one for each command below it.
pub fn pages(program: &Command) -> Vec<Page> {
    // Lines are wrapped by whoever shows the page.
    let mut program = program.clone().disable_help_subcommand(true).term_width(0);
    program.build();
    let mut pages = Vec::new();
    collect(&program, &mut pages);
    pages
}

fn collect(command: &Command, pages: &mut Vec<Page>) {
    pages.push(page(command));
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        collect(sub, pages);
    }
}

fn page(command: &Command) -> Page {
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    let source = concat!("lockdoctor ", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.clone()).title(name.to_uppercase()).section("1").date(DATE);
    let man = man.source(source).manual("lockdoctor manual");
    let mut roff = Vec::new();
    // A Vec takes whatever is written to it.
    let _ = man.render(&mut roff);
    Page { file: format!("{name}.1"), roff }
}
