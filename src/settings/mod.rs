//! Where an option's value comes from: the flag, else its variable, else the configuration file, else the
//! default. The options themselves are declared in `cli` alone; variables and keys are made from their names,
//! so that none can be forgotten, and clap parses all of them the same way.

pub mod bounds;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::builder::BoolishValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, CommandFactory, Parser};
use rustix::fs::{FileType, Mode, OFlags, Stat};
use toml::{Table, Value};

use crate::words;
use bounds::bounded;

const PREFIX: &str = "LOCKDOCTOR_";
const MAX_FILE_BYTES: u64 = 1024 * 1024;
/// Options that say where the others come from, or ask for help.
const NOT_IN_A_FILE: [&str; 3] = ["config", "help", "version"];
/// Changes the machine, so it must be typed each time.
pub const TYPED_ALONE: &str = "setup";

#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// What was typed; clap prints it, help and version included.
    #[error("{0}")]
    Usage(#[from] clap::Error),
    #[error("{}: {error}", words::path(path))]
    Read { path: PathBuf, error: io::Error },
    #[error("{}: {why}", words::path(path))]
    Untrusted { path: PathBuf, why: String },
    #[error("{}:{line}: {what}", words::path(path))]
    Syntax { path: PathBuf, line: usize, what: String },
    #[error("{}: {key}: {what}", words::path(path))]
    Key { path: PathBuf, key: String, what: String },
}

/// The commands with their options, each with its variable.
pub fn command<C: CommandFactory>() -> clap::Command {
    with_variables(with_bounds(C::command()))
}

fn with_bounds(command: clap::Command) -> clap::Command {
    command.mut_args(bounded).mut_subcommands(with_bounds)
}

/// What was typed, completed by variables and the configuration file.
pub fn parse<C: Parser>(arguments: &[OsString]) -> Result<C, SettingsError> {
    let mut command = command::<C>();
    // Wrong usage is said before any file is looked at.
    let typed =
        command.clone().try_get_matches_from(arguments).map_err(|error| blamed::<C>(error, arguments))?;
    for (path, table) in layers(typed.get_one::<PathBuf>("config").map(PathBuf::as_path))? {
        command = with_file(command, &table, &path, "")?;
    }
    let matches = command.try_get_matches_from(arguments)?;
    Ok(C::from_arg_matches(&matches)?)
}

/// Whether `name` is the command of this line, even if the line cannot be parsed.
pub fn names_command<C: CommandFactory>(name: &str, arguments: &[OsString]) -> bool {
    let command = command::<C>();
    let mut words = arguments.iter().skip(1);
    while let Some(word) = words.next() {
        if command.find_subcommand(word).is_some() {
            return word == name;
        }
        let long = word.to_str().and_then(|word| word.strip_prefix("--"));
        let takes_next = |arg: &Arg| arg.get_long() == long && arg.get_action().takes_values();
        if long.is_some() && command.get_arguments().any(takes_next) {
            words.next();
        }
    }
    false
}

/// Names the variable in the place of the option if it was the variable that held the bad value.
fn blamed<C: CommandFactory>(mut error: clap::Error, arguments: &[OsString]) -> clap::Error {
    let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg) else { return error };
    let is_bad_value = matches!(error.kind(), ErrorKind::InvalidValue | ErrorKind::ValueValidation);
    let typed_alone = without_variables(with_bounds(C::command()));
    let same = |other: clap::Error| other.get(ContextKind::InvalidArg) == error.get(ContextKind::InvalidArg);
    if is_bad_value && !typed_alone.try_get_matches_from(arguments).is_err_and(same) {
        let name = option.trim_start_matches('-').split(' ').next().unwrap_or_default();
        let variable = ContextValue::String(variable(name));
        error.insert(ContextKind::InvalidArg, variable);
        // A web hook's address in the wrong variable need not stand in a log.
        error.insert(ContextKind::InvalidValue, ContextValue::String("…".to_owned()));
    }
    error
}

fn without_variables(command: clap::Command) -> clap::Command {
    command.mut_args(without_variable).mut_subcommands(without_variables)
}

fn without_variable(arg: Arg) -> Arg {
    arg.env(None::<&'static str>)
}

/// The variable of the option with this name.
fn variable(option: &str) -> String {
    format!("{PREFIX}{}", option.replace('-', "_").to_uppercase())
}

fn with_variables(command: clap::Command) -> clap::Command {
    if command.get_name() == TYPED_ALONE {
        return command;
    }
    let command = command.mut_args(|arg| {
        let Some(name) = arg.get_long().filter(|name| !["help", "version"].contains(name)) else {
            return arg;
        };
        let variable = variable(name);
        // A web hook's address may hold a token; `--help` need not show it.
        let arg = arg.env(variable).hide_env_values(true);
        // 1 and 0, yes and no as well: an option that a file switches on can be switched off by its variable.
        if is_flag(&arg) { arg.value_parser(BoolishValueParser::new()) } else { arg }
    });
    command.mut_subcommands(with_variables)
}

fn is_flag(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue)
}

/// The files, the weakest first: `--config` alone, or the machine's and the user's.
fn layers(named: Option<&Path>) -> Result<Vec<(PathBuf, Table)>, SettingsError> {
    if let Some(path) = named {
        return Ok(vec![(path.to_owned(), read(path)?)]);
    }
    let mut found = Vec::new();
    for path in usual_places() {
        match read(&path) {
            Ok(table) => found.push((path, table)),
            Err(SettingsError::Read { error, .. }) if is_out_of_sight(&path, &error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Not there; or in a home that may not be entered, which is another user's. With the wrong user that must not be the
/// error that ends the program: what follows names the right one.
fn is_out_of_sight(path: &Path, error: &io::Error) -> bool {
    let hidden = |error: io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    error.kind() == io::ErrorKind::NotFound || path.symlink_metadata().is_err_and(hidden)
}

fn usual_places() -> Vec<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let user = variable("XDG_CONFIG_HOME").or_else(|| variable("HOME").map(|home| home.join(".config")));
    let bases = [Some(PathBuf::from("/etc")), user];
    bases.into_iter().flatten().map(|base| base.join("lockdoctor").join("config.toml")).collect()
}

fn read(path: &Path) -> Result<Table, SettingsError> {
    let failed = |error: io::Error| SettingsError::Read { path: path.to_owned(), error };
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| failed(error.into()))?;
    let stat = rustix::fs::fstat(&fd).map_err(|error| failed(error.into()))?;
    if let Some(why) = distrust(&stat, Us::of_this_process()) {
        return Err(SettingsError::Untrusted { path: path.to_owned(), why });
    }
    let mut text = String::new();
    File::from(fd).take(MAX_FILE_BYTES).read_to_string(&mut text).map_err(failed)?;
    text.parse().map_err(|error: toml::de::Error| SettingsError::Syntax {
        path: path.to_owned(),
        line: 1 + error.span().map_or(0, |span| text[..span.start].matches('\n').count()),
        // Without the line itself, which may hold a token.
        what: error.message().to_owned(),
    })
}

/// Whom this process acts as.
#[derive(Debug, Clone, Copy)]
struct Us {
    uid: u32,
    gid: u32,
}

impl Us {
    fn of_this_process() -> Self {
        Self { uid: rustix::process::geteuid().as_raw(), gid: rustix::process::getegid().as_raw() }
    }
}

/// Why a file may not decide what lockdoctor does: its commands are run, and its paths acted on, with our rights.
fn distrust(stat: &Stat, us: Us) -> Option<String> {
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || stat.st_size as u64 >= MAX_FILE_BYTES
    {
        return Some("is not a regular file of less than 1 MiB".to_owned());
    }
    if stat.st_uid != us.uid && stat.st_uid != 0 {
        return Some(format!(
            "belongs to uid {}, and lockdoctor runs as uid {}: another user's file does not decide what it does; \
             take it over with chown, or name another with --config",
            stat.st_uid, us.uid
        ));
    }
    let mode = Mode::from_raw_mode(stat.st_mode);
    let by_group = mode.contains(Mode::WGRP) && stat.st_gid != us.gid;
    (by_group || mode.contains(Mode::WOTH))
        .then(|| "can be written by other users; `chmod go-w` it first".to_owned())
}

/// Puts a file's values in the place of the defaults. Top-level keys are the common options; a table is a
/// command's.
fn with_file(
    mut command: clap::Command,
    table: &Table,
    path: &Path,
    above: &str,
) -> Result<clap::Command, SettingsError> {
    for (name, value) in table {
        let key = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
        let refuse = |what: String| SettingsError::Key { path: path.to_owned(), key: key.clone(), what };
        if let (Value::Table(below), Some(_)) = (value, command.find_subcommand(name)) {
            let mut result = Ok(());
            command = command.mut_subcommand(name, |sub| match with_file(sub.clone(), below, path, &key) {
                Ok(sub) => sub,
                Err(error) => {
                    result = Err(error);
                    sub
                }
            });
            result?;
            continue;
        }
        let Some(arg) = option_called(&command, name) else {
            return Err(refuse(unknown(&command, name)));
        };
        let values = texts(arg, value).map_err(&refuse)?;
        let arg = arg.clone().default_values(values);
        check(&arg).map_err(&refuse)?;
        command = command.mut_arg(arg.get_id().clone(), |_| arg);
    }
    Ok(command)
}

fn option_called<'a>(command: &'a clap::Command, name: &str) -> Option<&'a Arg> {
    let arg = command.get_arguments().find(|arg| arg.get_long() == Some(name))?;
    (!NOT_IN_A_FILE.contains(&name) && command.get_name() != TYPED_ALONE).then_some(arg)
}

fn unknown(command: &clap::Command, name: &str) -> String {
    if command.get_name() == TYPED_ALONE {
        return "cannot stand in a file: what setup does is typed".to_owned();
    }
    let spelled = name.replace('_', "-").to_lowercase();
    if option_called(command, &spelled).is_some() && spelled != name {
        return format!("unknown; did you mean {spelled}?");
    }
    let mut with_it = command.get_subcommands().filter(|sub| option_called(sub, &spelled).is_some());
    match with_it.next() {
        Some(sub) => format!("unknown here; it belongs into [{}]", sub.get_name()),
        None if NOT_IN_A_FILE.contains(&name) => "cannot stand in a file".to_owned(),
        None => "unknown; keys are the long options of the command".to_owned(),
    }
}

/// A value as somebody would have typed it.
fn texts(arg: &Arg, value: &Value) -> Result<Vec<String>, String> {
    let one = |value: &Value| match value {
        Value::Boolean(on) if is_flag(arg) => Ok(on.to_string()),
        _ if is_flag(arg) => Err("expects true or false".to_owned()),
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        Value::Boolean(_) => Err("expects a value, not true or false".to_owned()),
        Value::Datetime(_) | Value::Table(_) | Value::Array(_) => Err("expects one plain value".to_owned()),
    };
    match value {
        Value::Array(items) if matches!(arg.get_action(), ArgAction::Append) => {
            items.iter().map(one).collect()
        }
        value => Ok(vec![one(value)?]),
    }
}

/// Parses the value, whichever command is going to run.
fn check(arg: &Arg) -> Result<(), String> {
    // Alone, so that nothing else can be wrong.
    let alone = Arg::new("value")
        .long("value")
        .action(arg.get_action().clone())
        .value_parser(arg.get_value_parser().clone())
        .default_values(arg.get_default_values().to_vec());
    match clap::Command::new("check").arg(alone).try_get_matches_from(["check"]) {
        Ok(_) => Ok(()),
        Err(error) => Err(why(&error)),
    }
}

/// What was expected. The value itself is not quoted: it may be a secret in the wrong place.
fn why(error: &clap::Error) -> String {
    let expected = match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(words)) if !words.is_empty() => format!("one of {}", words.join(", ")),
        _ => std::error::Error::source(error).map(ToString::to_string).unwrap_or_default(),
    };
    if expected.is_empty() { "is not usable".to_owned() } else { format!("is not usable: {expected}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::FromArgMatches;

    fn applied(toml: &str, arguments: &[&str]) -> Result<Cli, SettingsError> {
        let table = toml.parse().expect("TOML");
        let command = with_file(command::<Cli>(), &table, Path::new("lockdoctor.toml"), "")?;
        Ok(Cli::from_arg_matches(&command.try_get_matches_from(arguments)?)?)
    }

    fn refused(toml: &str) -> String {
        applied(toml, &["lockdoctor", "scan"]).expect_err("refused").to_string()
    }

    #[test]
    fn the_file_stands_in_for_the_default_and_a_flag_wins() {
        let toml = "state-dir = ['/a', '/b']\nno-redact = true\n[watch]\nreclaim = true\nsettle = '7s'\nrestarts-per-day = 1";
        let cli = applied(toml, &["lockdoctor", "watch", "--settle", "9s"]).expect("usable");
        assert_eq!(cli.common.state_dir, [PathBuf::from("/a"), PathBuf::from("/b")]);
        assert!(cli.common.no_redact);
        let Command::Watch(args) = cli.command else { panic!("watch") };
        assert!(args.reclaim);
        assert_eq!(args.policy.settle, Some(std::time::Duration::from_secs(9)));
        assert_eq!(args.restart.restarts_per_day, 1);
        let cli = applied(toml, &["lockdoctor", "--state-dir", "/c", "watch"]).expect("usable");
        assert_eq!(cli.common.state_dir, [PathBuf::from("/c")]);
    }

    #[test]
    fn what_is_not_understood_is_an_error_that_names_the_key() {
        assert_eq!(
            refused("colour = 'never'"),
            "lockdoctor.toml: colour: unknown; keys are the long options of the command"
        );
        assert_eq!(
            refused("state_dir = '/a'"),
            "lockdoctor.toml: state_dir: unknown; did you mean state-dir?"
        );
        assert_eq!(
            refused("listen = '127.0.0.1:1'"),
            "lockdoctor.toml: listen: unknown here; it belongs into [watch]"
        );
        assert_eq!(refused("config = '/x'"), "lockdoctor.toml: config: cannot stand in a file");
        assert!(refused("[watch]\nreclam = true").contains("watch.reclam: unknown"));
        assert_eq!(
            refused("[watch]\nreclaim = 'yes'"),
            "lockdoctor.toml: watch.reclaim: expects true or false"
        );
        // Also in the table of a command that is not running.
        assert!(
            refused("[watch]\nsettle = 'soon'")
                .ends_with("watch.settle: is not usable: a duration such as 30s, 5m or 2h is expected"),
            "{}",
            refused("[watch]\nsettle = 'soon'")
        );
        assert!(
            refused("format = 'xml'").contains("is not usable: one of table, plain"),
            "{}",
            refused("format = 'xml'")
        );
        assert!(refused("[nonsense]\nx = 1").contains("nonsense: unknown"));
        assert!(refused("[setup]\nyes = true").contains("setup.yes: cannot stand in a file"));
    }

    #[test]
    fn every_option_has_a_variable_and_may_stand_in_a_file() {
        fn visit(command: &clap::Command) {
            if command.get_name() == TYPED_ALONE {
                return assert!(command.get_arguments().all(|arg| arg.get_env().is_none()));
            }
            for arg in command.get_arguments() {
                let Some(name) = arg.get_long().filter(|name| !["help", "version"].contains(name)) else {
                    continue;
                };
                let variable = arg.get_env().and_then(|name| name.to_str()).unwrap_or_default();
                assert_eq!(variable, format!("LOCKDOCTOR_{}", name.replace('-', "_").to_uppercase()));
                assert!(name == "config" || option_called(command, name).is_some(), "{name}");
            }
            command.get_subcommands().for_each(visit);
        }
        visit(&command::<Cli>());
    }
}
