//! The processes of the demo, as the one that started them sees them.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, bail};

use super::actor::Order;

/// One actor that plays. Dropped, it is told to end and is collected.
#[derive(Debug)]
pub struct Actor {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Actor {
    pub fn start(title: &str) -> anyhow::Result<Self> {
        Self::spawn(Command::new(std::env::current_exe()?), title)
    }

    /// An actor that is pid 1 of a PID namespace of its own, as in a container. Without root it takes a user
    /// namespace, which not every system permits.
    pub fn start_in_container(title: &str) -> anyhow::Result<Self> {
        let mut command = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(["--pid", "--fork"]).arg(std::env::current_exe()?);
        Self::spawn(command, title)
    }

    fn spawn(mut command: Command, title: &str) -> anyhow::Result<Self> {
        // Without HOME and the variables of OpenClaw nobody takes it for a gateway of a real install.
        command.env_clear().args(["demo-actor", "--title", title]).current_dir("/");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let orders = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().context("a pipe to the child")?);
        Ok(Self { child, orders, answers })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the order is carried out; the answer is the pid that counts, or the thread's number.
    pub fn tell(&mut self, order: &Order) -> anyhow::Result<u32> {
        let Some(orders) = &mut self.orders else { bail!("it has ended") };
        writeln!(orders, "{}", serde_json::to_string(order)?)?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        answer.trim().parse().context("a process of the demo could not be started")
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        drop(self.orders.take());
        self.child.wait().ok();
    }
}

/// A process that has ended, and that nobody collects until this is dropped.
#[derive(Debug)]
pub struct Zombie(Child);

impl Zombie {
    pub fn start() -> anyhow::Result<Self> {
        let mut actor = Command::new(std::env::current_exe()?);
        actor.env_clear().args(["demo-actor", "--title", "openclaw"]);
        let mut child = actor.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        // Its end of the pipe closes when it ends, before it becomes a zombie.
        if let Some(mut out) = child.stdout.take() {
            std::io::copy(&mut out, &mut std::io::sink())?;
        }
        Ok(Self(child))
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Zombie {
    fn drop(&mut self) {
        self.0.wait().ok();
    }
}

/// A pid that belonged to a process and does not any more.
pub fn dead_pid() -> anyhow::Result<u32> {
    Ok(Zombie::start()?.pid())
}

/// Runs `lockdoctor` with these words, as somebody would type them in the demo's directory.
pub fn lockdoctor(words: &[&str], temporary: &Path) -> anyhow::Result<()> {
    // Gateways put their lock into the temporary directory; the demo's has one of its own.
    Command::new(std::env::current_exe()?)
        .args(words)
        .env("TMPDIR", temporary)
        .env_remove("LOCKDOCTOR_STATE_DIR")
        .env_remove("LOCKDOCTOR_FORMAT")
        .stdin(Stdio::null())
        .status()?;
    Ok(())
}
