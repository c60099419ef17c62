//! `lockdoctor completions`: the completion script of a shell, made from the same definitions as `--help`; what only
//! this machine knows (checks, quarantine ids, sessions) is asked of lockdoctor when somebody presses Tab.

use clap::{Args, Command};
use clap_complete::Shell;

use super::output;
use crate::exit::Exit;

const EXAMPLES: &str = "\
Examples:
  lockdoctor completions bash > ~/.local/share/bash-completion/completions/lockdoctor
  lockdoctor completions zsh > ~/.zfunc/_lockdoctor      a directory of $fpath
  lockdoctor completions fish > ~/.config/fish/completions/lockdoctor.fish";

/// Print the completion script for a shell.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct CompletionsArgs {
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

pub fn run(args: &CompletionsArgs, command: &Command) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut public(command), "lockdoctor", &mut script);
    let script = String::from_utf8_lossy(&script);
    let script = match args.shell {
        Shell::Bash => format!("{script}{IN_BASH}"),
        // The last lines of the script call the function; ours stands around it.
        Shell::Zsh => script
            .replace("    _lockdoctor \"$@\"\n", "    _lockdoctor_here \"$@\"\n")
            .replace("compdef _lockdoctor lockdoctor", "compdef _lockdoctor_here lockdoctor")
            .replacen("if [ \"$funcstack[1]\"", &format!("{IN_ZSH}if [ \"$funcstack[1]\""), 1),
        Shell::Fish => format!("{script}{IN_FISH}"),
        _ => script.into_owned(),
    };
    std::io::Write::write_all(&mut output::columns(), script.as_bytes())?;
    Ok(Exit::Clean)
}

/// Without commands that nobody types.
fn public(command: &Command) -> Command {
    let visible = command.get_subcommands().filter(|sub| !sub.is_hide_set()).cloned();
    let mut public = Command::new("lockdoctor").args(command.get_arguments().cloned()).subcommands(visible);
    if let Some(version) = command.get_version() {
        public = public.version(version.to_owned());
    }
    public
}

const IN_BASH: &str = r#"
_lockdoctor_here() {
    local words=
    _lockdoctor "$@"
    case "${COMP_WORDS[1]} ${COMP_WORDS[2]}" in
        doctor\ *) words=$(lockdoctor doctor --list 2>/dev/null | cut -d' ' -f1) ;;
        quarantine\ restore) words=$(lockdoctor quarantine list --format plain 2>/dev/null | cut -f1) ;;
        explain\ *) words=$(lockdoctor scan --format plain 2>/dev/null | sed -n 's|.*/\(.*\)\.jsonl\.lock$|\1|p') ;;
    esac
    if [[ -n $words && $2 != -* ]]; then
        COMPREPLY+=($(compgen -W "$words" -- "$2"))
    fi
}
complete -F _lockdoctor_here -o bashdefault -o default lockdoctor
"#;

const IN_ZSH: &str = r#"_lockdoctor_here() {
    case "$words[2] $words[3]" in
        doctor\ *) compadd -- ${(f)"$(lockdoctor doctor --list 2>/dev/null | cut -d' ' -f1)"} ;;
        quarantine\ restore) compadd -- ${(f)"$(lockdoctor quarantine list --format plain 2>/dev/null | cut -f1)"} ;;
        explain\ *) compadd -- ${(f)"$(lockdoctor scan --format plain 2>/dev/null | sed -n 's|.*/\(.*\)\.jsonl\.lock$|\1|p')"} ;;
    esac
    _lockdoctor "$@"
}

"#;

const IN_FISH: &str = r#"
complete -c lockdoctor -n "__fish_seen_subcommand_from doctor" -a "(lockdoctor doctor --list 2>/dev/null | string split -f 1 ' ')"
complete -c lockdoctor -n "__fish_seen_subcommand_from quarantine; and __fish_seen_subcommand_from restore" -f -a "(lockdoctor quarantine list --format plain 2>/dev/null | string split -f 1 \t)"
complete -c lockdoctor -n "__fish_seen_subcommand_from explain" -a "(lockdoctor scan --format plain 2>/dev/null | string replace -rf '.*/(.*)\.jsonl\.lock\$' '\$1')"
"#;
