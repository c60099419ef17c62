//! `lockdoctor man`: the manual pages, made from the same definitions as `--help`.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Arg, ArgAction, Args, Command};
use clap_mangen::Man;

use super::{CliError, output};
use crate::exit::Exit;
use crate::settings::TYPED_ALONE;
use crate::words;

const FILE: &str = "lockdoctor.toml.5";

const FILE_IN_SHORT: &str = "\
Description:
lockdoctor needs no configuration. Options that you use often can go in a TOML file: each key is the long flag of a \
command, without the dashes, in the table of its command. What setup does is typed alone.
A flag wins over a variable (LOCKDOCTOR_SAFETY_SCAN), a variable over the file, the file over the default.
An unknown key, or a value that cannot be used, is an error, whichever command is running.
The file must belong to root or to the user who runs lockdoctor, and nobody else may be able to write it.
Files:
  /etc/lockdoctor/config.toml
  $XDG_CONFIG_HOME/lockdoctor/config.toml    (~/.config), wins over the first
  --config FILE                              in place of both
Examples:
  state-dir = [\"/home/node/.openclaw\"]

  [watch]
  reclaim = true
  listen = \"127.0.0.1:9418\"
  on-finding = \"/usr/local/bin/tell-me --channel ops\"

  [check]
  warning = [\"stale=0\"]";

/// Stands in the pages; set at a release, so that the same source gives the same bytes.
const DATE: &str = "2026-11-22";

const EXAMPLES: &str = "\
Examples:
  lockdoctor man scan | man -l -             read the page of scan
  lockdoctor man --out man                   write every page into ./man";

/// Print a manual page, or write them all into a directory.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct ManArgs {
    /// The command whose page is printed, as it is typed: `quarantine list`. Default: the page of lockdoctor
    /// itself.
    #[arg(value_name = "COMMAND", conflicts_with = "out")]
    pub command: Vec<String>,
    /// Write every page into this directory.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

pub fn run(args: &ManArgs, command: &Command) -> anyhow::Result<Exit> {
    let pages = pages(command);
    if let Some(directory) = &args.out {
        return write_all(&pages, directory);
    }
    let names = std::iter::once("lockdoctor").chain(args.command.iter().map(String::as_str));
    let wanted = names.collect::<Vec<_>>().join("-");
    let wanted = if wanted == "lockdoctor-lockdoctor.toml" { FILE.to_owned() } else { wanted + ".1" };
    let page = pages.iter().find(|page| page.file == wanted);
    let Some(page) = page else {
        let error = CliError::usage(format!("there is no page {wanted}"));
        return Err(error.with_hint("`lockdoctor --help` lists the commands").into());
    };
    output::columns().write_all(&page.roff)?;
    Ok(Exit::Clean)
}

fn write_all(pages: &[Page], directory: &Path) -> anyhow::Result<Exit> {
    std::fs::create_dir_all(directory).with_context(|| words::path(directory))?;
    for page in pages {
        let path = directory.join(&page.file);
        std::fs::write(&path, &page.roff).with_context(|| words::path(&path))?;
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
    // The pager wraps the lines.
    let mut program = program.clone().disable_help_subcommand(true).term_width(0);
    program.build();
    let mut pages = Vec::new();
    collect(&program, &mut pages);
    pages.push(Page { file: FILE.to_owned(), roff: tidied(file(&program).as_bytes()) });
    pages
}

/// The page of the configuration file: every key, made from the same options.
fn file(program: &Command) -> String {
    let source = concat!("lockdoctor ", env!("CARGO_PKG_VERSION"));
    let mut roff = format!(
        ".TH LOCKDOCTOR.TOML 5 \"{DATE}\" \"{source}\" \"lockdoctor manual\"\n.SH NAME\nlockdoctor.toml \\- \
         configuration file of lockdoctor(1)\n"
    );
    roff.push_str(&sections(FILE_IN_SHORT));
    roff.push_str(".SH \"COMMON KEYS\"\nThey stand at the top of the file, above the first table.\n");
    keys(program, &mut roff);
    tables(program, "", &mut roff);
    roff + ".SH \"SEE ALSO\"\n.BR lockdoctor (1)\n"
}

/// A table for each command below this one that has options of its own; `[quarantine.purge]` is that of one below it.
fn tables(parent: &Command, before: &str, roff: &mut String) {
    let typed_alone = |sub: &&Command| sub.is_hide_set() || sub.get_name() == TYPED_ALONE;
    for command in parent.get_subcommands().filter(|sub| !typed_alone(sub)) {
        let name = format!("{before}{}", command.get_name());
        if settable(command).any(|arg| !arg.is_global_set()) {
            roff.push_str(&format!(".SH \"[{}]\"\n", escaped(&name)));
            keys(command, roff);
        }
        tables(command, &format!("{name}."), roff);
    }
}

/// Options that may stand in a file.
fn settable(command: &Command) -> impl Iterator<Item = &Arg> {
    let is_about_files = |arg: &&Arg| matches!(arg.get_id().as_str(), "config" | "help" | "version");
    command.get_arguments().filter(move |arg| arg.get_long().is_some() && !is_about_files(arg))
}

fn keys(command: &Command, roff: &mut String) {
    let is_program = command.get_name() == "lockdoctor";
    for arg in settable(command).filter(|arg| is_program || !arg.is_global_set()) {
        let name = arg.get_long().unwrap_or_default();
        let value = match arg.get_action() {
            ArgAction::SetTrue => "true or false".to_owned(),
            ArgAction::Append => "list".to_owned(),
            _ => arg.get_value_names().map_or_else(String::new, |names| names.join(" ")),
        };
        let help = arg.get_help().map_or_else(String::new, ToString::to_string);
        roff.push_str(&format!(".TP\n\\fB{}\\fR = \\fI{}\\fR\n", escaped(name), escaped(&value)));
        roff.push_str(&format!("{}\n", escaped(&help)));
        let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        if !defaults.is_empty() && arg.get_action().takes_values() {
            roff.push_str(&format!("[default: {}]\n", escaped(&defaults.join(", "))));
        }
    }
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
    let _ = render(&man, command, &name, &mut roff);
    Page { file: format!("{name}.1"), roff: tidied(&roff) }
}

fn render(man: &Man, command: &Command, name: &str, roff: &mut Vec<u8>) -> std::io::Result<()> {
    man.render_title(roff)?;
    man.render_name_section(roff)?;
    synopsis(command, roff)?;
    man.render_description_section(roff)?;
    man.render_options_section(roff)?;
    if command.get_subcommands().any(|sub| !sub.is_hide_set()) {
        man.render_subcommands_section(roff)?;
    }
    let more = command.get_after_long_help().or(command.get_after_help());
    write!(roff, "{}", more.map_or_else(String::new, |more| sections(&more.to_string())))?;
    let others =
        if name == "lockdoctor" { "lockdoctor.toml (5)" } else { "lockdoctor (1), .BR lockdoctor.toml (5)" };
    writeln!(roff, ".SH \"SEE ALSO\"\n.BR {}", others.replace(", .BR", ",\n.BR"))
}

/// As `--help` has it: which options there are is told below.
fn synopsis(command: &Command, roff: &mut Vec<u8>) -> std::io::Result<()> {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim();
    writeln!(roff, ".SH SYNOPSIS\n{}", escaped(usage))
}

/// The text below the options: a line that ends in a colon begins a section, an indented one stays as it is.
fn sections(text: &str) -> String {
    let mut out = String::new();
    let mut verbatim = false;
    for line in text.lines() {
        let indented = line.starts_with("  ");
        if indented != verbatim {
            out.push_str(if indented { ".nf\n" } else { ".fi\n" });
            verbatim = indented;
        }
        match line.strip_suffix(':') {
            Some(title) if !indented => {
                let (heading, rest) = title.split_once(", ").unwrap_or((title, ""));
                out.push_str(&format!(".SH \"{}\"\n", heading.to_uppercase()));
                if !rest.is_empty() {
                    out.push_str(&format!("{}:\n.PP\n", escaped(&words::capitalised(rest))));
                }
            }
            _ if line.is_empty() => out.push_str(".PP\n"),
            _ => out.push_str(&format!("{}\n", escaped(line))),
        }
    }
    if verbatim { out + ".fi\n" } else { out }
}

/// A line of text as roff takes it.
fn escaped(line: &str) -> String {
    let line = line.replace('\\', "\\e").replace('-', "\\-");
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
}

/// Without the blanks and double breaks that clap_mangen leaves, which mandoc(1) warns of.
fn tidied(roff: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(roff);
    let mut out = String::with_capacity(text.len());
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    for (at, line) in lines.iter().enumerate() {
        let beside_break = |other: Option<&&str>| other.is_some_and(|other| *other == ".br");
        if line.is_empty() && (at > 0 && beside_break(lines.get(at - 1)) || beside_break(lines.get(at + 1))) {
            continue;
        }
        if *line == ".br" && lines.get(at + 1).is_some_and(|next| next.is_empty()) {
            continue;
        }
        out.push_str(line);
        out.push('\n');
    }
    out.into_bytes()
}
