//! The service manager: readiness, a line of status, the watchdog. Silent where nobody listens.

use std::time::Duration;

use sd_notify::NotifyState;

#[derive(Debug)]
pub(crate) struct Service {
    /// How often the watchdog is to be told that the loop turns: half of what systemd allows.
    pub(crate) watchdog: Option<Duration>,
    said: String,
}

#[expect(
    clippy::unused_self,
    reason = "that sd_notify finds its socket in the environment is no caller's concern"
)]
impl Service {
    pub(crate) fn new() -> Self {
        Self { watchdog: sd_notify::watchdog_enabled().map(|limit| limit / 2), said: String::new() }
    }

    pub(crate) fn ready(&self) {
        tell(&[NotifyState::Ready]);
    }

    pub(crate) fn alive(&self) {
        tell(&[NotifyState::Watchdog]);
    }

    pub(crate) fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }

    /// `Type=notify-reload` wants the time of the reload too (sd_notify(3)).
    pub(crate) fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(_) => tell(&[NotifyState::Reloading]),
        }
    }

    /// The line that `systemctl status` shows; sent when it has changed.
    pub(crate) fn status(&mut self, line: String) {
        if line != self.said {
            tell(&[NotifyState::Status(&line)]);
            self.said = line;
        }
    }
}

/// Without a service manager, or when it does not listen, nothing is lost.
fn tell(state: &[NotifyState<'_>]) {
    let _ = sd_notify::notify(state);
}
