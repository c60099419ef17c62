//! What a number from the command line, a variable or a file may be. One table: `--help` shows it, and a value
//! outside is refused where it is read, not days later where it overflows.

use std::time::Duration;

use clap::Arg;
use clap::builder::{RangedU64ValueParser, ValueParser};

/// The least and the most of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bounds {
    Duration(Duration, Duration),
    Number(u64, u64),
}

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// By the option's name, which means the same in every command.
const BOUNDS: [(&str, Bounds); 13] = [
    ("command-timeout", Bounds::Duration(MILLISECOND.saturating_mul(100), DAY)),
    ("cool-down", Bounds::Duration(Duration::ZERO, DAY.saturating_mul(30))),
    ("log-window", Bounds::Duration(MINUTE, DAY.saturating_mul(30))),
    ("max", Bounds::Number(0, 1_000_000)),
    ("older-than", Bounds::Duration(Duration::ZERO, DAY.saturating_mul(36_500))),
    ("poll-interval", Bounds::Duration(MILLISECOND.saturating_mul(100), HOUR)),
    ("restart-cool-down", Bounds::Duration(Duration::ZERO, DAY.saturating_mul(30))),
    ("restart-grace", Bounds::Duration(Duration::ZERO, DAY)),
    ("restart-min-uptime", Bounds::Duration(Duration::ZERO, DAY.saturating_mul(30))),
    ("restarts-per-day", Bounds::Number(0, 1000)),
    ("safety-scan", Bounds::Duration(SECOND, DAY)),
    // Nothing is freed before it has passed: longer is a typo.
    ("settle", Bounds::Duration(Duration::ZERO, HOUR)),
    ("timeout", Bounds::Duration(MILLISECOND.saturating_mul(100), HOUR)),
];

/// A duration as people write it. What was written is not quoted: it may have come from a file.
pub fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| "a duration such as 30s, 5m or 2h is expected".to_owned())
}

/// The option with its bounds, in its parser and in its help.
pub fn bounded(arg: Arg) -> Arg {
    let Some(bounds) = arg.get_long().and_then(of) else { return arg };
    let text = bounds.to_string();
    let help = |help: &clap::builder::StyledStr| format!("{help} [{text}]");
    let (short, long) = (arg.get_help().map(help), arg.get_long_help().map(help));
    let parser = match bounds {
        Bounds::Duration(least, most) => ValueParser::from(move |given: &str| {
            let given = duration(given)?;
            if (least..=most).contains(&given) { Ok(given) } else { Err(format!("{text} is expected")) }
        }),
        Bounds::Number(least, most) => RangedU64ValueParser::<usize>::new().range(least..=most).into(),
    };
    let arg = arg.value_parser(parser);
    let arg = if let Some(short) = short { arg.help(short) } else { arg };
    if let Some(long) = long { arg.long_help(long) } else { arg }
}

fn of(option: &str) -> Option<Bounds> {
    BOUNDS.iter().find(|(name, _)| *name == option).map(|(_, bounds)| *bounds)
}

impl std::fmt::Display for Bounds {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |duration: &Duration| humantime::format_duration(*duration).to_string();
        match self {
            Self::Duration(least, most) if least.is_zero() => write!(out, "at most {}", text(most)),
            Self::Duration(least, most) => write!(out, "at least {}, at most {}", text(least), text(most)),
            Self::Number(0, most) => write!(out, "at most {most}"),
            Self::Number(least, most) => write!(out, "at least {least}, at most {most}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_the_command_line_has_its_bounds_and_its_default_is_within() {
        fn visit(command: &clap::Command, seen: &mut Vec<String>) {
            for arg in command.get_arguments() {
                let number = |name: &clap::builder::Str| ["DUR", "N"].contains(&name.as_str());
                if !arg.get_value_names().unwrap_or_default().iter().any(number) {
                    continue;
                }
                let name = arg.get_long().unwrap_or_default();
                let bounds = of(name).unwrap_or_else(|| panic!("--{name} has no bounds"));
                let help =
                    arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
                assert!(help.contains(&bounds.to_string()), "--{name}: {help}");
                seen.push(name.to_owned());
            }
            command.get_subcommands().for_each(|sub| visit(sub, seen));
        }
        let mut seen = Vec::new();
        visit(&crate::settings::command::<crate::cli::Cli>(), &mut seen);
        assert!(BOUNDS.iter().all(|(name, _)| seen.iter().any(|seen| seen == name)), "{seen:?}");
        let watch = |arguments: &[&str]| {
            let typed = ["lockdoctor", "watch"].iter().chain(arguments).copied().map(str::to_owned);
            crate::settings::command::<crate::cli::Cli>().try_get_matches_from(typed)
        };
        assert!(watch(&[]).is_ok());
        for option in
            ["--cool-down", "--command-timeout", "--log-window", "--poll-interval", "--restart-grace"]
        {
            assert!(watch(&[option, "18446744073709551615s"]).is_err(), "{option}");
        }
        assert!(watch(&["--restarts-per-day", "18446744073709551615"]).is_err());
        assert!(watch(&["--safety-scan", "1ms"]).is_err());
    }
}
