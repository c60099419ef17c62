//! The units of packaging/systemd as text for one machine: which program, for whom, for which state directories.

use std::path::{Path, PathBuf};

use anyhow::bail;

/// The first line of each file that setup writes: what bears it is setup's to take away.
pub const MARK: &str = "# Written by `lockdoctor setup`; `lockdoctor setup --remove` takes it away.";
const PACKAGED: &str = "/usr/bin/lockdoctor";
/// Where a package puts its units, and where an administrator's are.
const OF_PACKAGES: &str = "/usr/lib/systemd";

const SYSTEM: [(&str, &str); 3] = [
    ("lockdoctor@.service", include_str!("../../packaging/systemd/system/lockdoctor@.service")),
    (
        "lockdoctor-reclaim@.service",
        include_str!("../../packaging/systemd/system/lockdoctor-reclaim@.service"),
    ),
    ("lockdoctor-reclaim@.timer", include_str!("../../packaging/systemd/system/lockdoctor-reclaim@.timer")),
];
const USER: [(&str, &str); 3] = [
    ("lockdoctor.service", include_str!("../../packaging/systemd/user/lockdoctor.service")),
    ("lockdoctor-reclaim.service", include_str!("../../packaging/systemd/user/lockdoctor-reclaim.service")),
    ("lockdoctor-reclaim.timer", include_str!("../../packaging/systemd/user/lockdoctor-reclaim.timer")),
];

/// Whose systemd starts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manager {
    System,
    /// The units' directory below the user's configuration.
    User(PathBuf),
}

impl Manager {
    pub fn directory(&self) -> &Path {
        match self {
            Self::System => Path::new("/etc/systemd/system"),
            Self::User(directory) => directory,
        }
    }

    fn units(&self) -> &'static [(&'static str, &'static str); 3] {
        match self {
            Self::System => &SYSTEM,
            Self::User(_) => &USER,
        }
    }

    /// The names of all the files that setup may have written, but for drop-ins.
    pub fn unit_files(&self) -> impl Iterator<Item = PathBuf> {
        self.units().iter().map(|(name, _)| self.directory().join(name))
    }
}

/// How lockdoctor learns of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// From the kernel, at once.
    Daemon,
    /// By a look every two minutes.
    Timer,
}

/// One service: a user, and that user's installs.
#[derive(Debug)]
pub struct Service {
    pub manager: Manager,
    pub form: Form,
    pub user: String,
    pub state_dirs: Vec<PathBuf>,
    pub program: PathBuf,
}

impl Service {
    fn named(&self, stem: &str, suffix: &str) -> String {
        match self.manager {
            Manager::System => format!("{stem}@{}.{suffix}", self.user),
            Manager::User(_) => format!("{stem}.{suffix}"),
        }
    }

    /// What is enabled.
    pub fn enabled(&self) -> String {
        match self.form {
            Form::Daemon => self.named("lockdoctor", "service"),
            Form::Timer => self.named("lockdoctor-reclaim", "timer"),
        }
    }

    /// What must not run beside it.
    pub fn other(&self) -> String {
        match self.form {
            Form::Daemon => self.named("lockdoctor-reclaim", "timer"),
            Form::Timer => self.named("lockdoctor", "service"),
        }
    }

    /// What runs the program.
    pub fn runs(&self) -> String {
        match self.form {
            Form::Daemon => self.named("lockdoctor", "service"),
            Form::Timer => self.named("lockdoctor-reclaim", "service"),
        }
    }

    /// The files to write. A package's own units are left as they are, and added to by a drop-in.
    pub fn files(&self) -> anyhow::Result<Vec<(PathBuf, String)>> {
        let manager = if self.manager == Manager::System { "system" } else { "user" };
        let packaged = |name: &str| {
            self.program == Path::new(PACKAGED) && Path::new(OF_PACKAGES).join(manager).join(name).exists()
        };
        let program = word(&self.program)?;
        let wanted = |name: &str| name.starts_with("lockdoctor-reclaim") == (self.form == Form::Timer);
        let units = self.manager.units().iter().filter(|(name, _)| wanted(name) && !packaged(name));
        let mut files: Vec<(PathBuf, String)> = units
            .map(|(name, text)| {
                let text = format!("{MARK}\n{}", text.replace(PACKAGED, &program.replace('$', "$$")));
                (self.manager.directory().join(name), text)
            })
            .collect();
        let drop_in = self.manager.directory().join(format!("{}.d", self.runs())).join("setup.conf");
        files.push((drop_in, self.drop_in()?));
        Ok(files)
    }

    fn drop_in(&self) -> anyhow::Result<String> {
        let mut joined = PathBuf::from(&self.state_dirs[0]).into_os_string();
        for directory in &self.state_dirs[1..] {
            joined.push(":");
            joined.push(directory);
        }
        let variable = PathBuf::from(format!("LOCKDOCTOR_STATE_DIR={}", Path::new(&joined).display()));
        let mut text = format!("{MARK}\n[Service]\nEnvironment={}\n", word(&variable)?);
        if self.manager == Manager::System {
            for directory in &self.state_dirs {
                text.push_str(&format!("ReadWritePaths={}\n", word(directory)?));
            }
        }
        Ok(text)
    }
}

/// A path as one word of a unit file (systemd.syntax(7)): quoted if it has to be, `%` never a specifier.
fn word(path: &Path) -> anyhow::Result<String> {
    let Some(text) = path.to_str().filter(|text| !text.contains(char::is_control)) else {
        bail!("{} cannot stand in a unit file", crate::words::path(path));
    };
    let text = text.replace('%', "%%");
    let plain = text.chars().all(|c| c.is_alphanumeric() || "/._-+@:=,%".contains(c));
    Ok(if plain { text } else { format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(manager: Manager, form: Form, program: &str, state_dirs: &[&str]) -> Service {
        let state_dirs = state_dirs.iter().map(PathBuf::from).collect();
        Service { manager, form, user: "node".to_owned(), state_dirs, program: program.into() }
    }

    #[test]
    fn the_program_that_was_found_stands_in_every_unit() {
        for form in [Form::Daemon, Form::Timer] {
            let service = service(Manager::System, form, "/opt/lock doctor/50%/lockdoctor", &["/srv/a"]);
            let files = service.files().expect("files");
            assert!(files.iter().all(|(_, text)| text.starts_with(MARK) && !text.contains(PACKAGED)));
            let runs = files.iter().find(|(path, _)| path.ends_with(service.runs().replace("@node", "@")));
            let (_, text) = runs.expect("the unit that runs it");
            assert!(text.contains("\nExecStart=\"/opt/lock doctor/50%%/lockdoctor\" "), "{text}");
        }
    }

    #[test]
    fn the_drop_in_names_the_installs_and_permits_them() {
        let service = service(Manager::System, Form::Daemon, "/usr/bin/x", &["/srv/a", "/srv/b c"]);
        let expected = format!(
            "{MARK}\n[Service]\nEnvironment=\"LOCKDOCTOR_STATE_DIR=/srv/a:/srv/b c\"\nReadWritePaths=/srv/a\n\
             ReadWritePaths=\"/srv/b c\"\n"
        );
        assert_eq!(service.drop_in().expect("text"), expected);
    }

    #[test]
    fn a_path_that_would_end_the_line_is_refused() {
        assert!(word(Path::new("/srv/a\nExecStart=/bin/sh")).is_err());
    }
}
