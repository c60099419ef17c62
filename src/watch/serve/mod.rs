//! What the listener answers: the status page, its facts as JSON, metrics, and whether all is well.

mod http;
pub(crate) mod metrics;
mod page;
mod status;
mod stock;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;

use super::directories::Directories;
use super::findings::Board;
use super::locks::Locks;
use super::notify::delivery::Deliveries;
use super::options::{Listen, Options, Ready};
use super::sources::Sources;
use super::wakeups::poller::Poller;
use crate::clock::Now;
use http::{Request, Response, Server, Status};
use metrics::Metrics;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const CLASSIC_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the daemon knows at the moment of a question.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Picture<'a> {
    pub(crate) now: Now,
    pub(crate) options: &'a Options,
    pub(crate) directories: &'a Directories,
    pub(crate) locks: &'a Locks,
    pub(crate) sources: &'a Sources,
    pub(crate) board: &'a Board,
    /// Whose end is waited for.
    pub(crate) processes: usize,
}

#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) metrics: Metrics,
    /// Everything that was there at the start has been looked at.
    pub(crate) watching: bool,
    server: Option<Server>,
    /// On the boot clock.
    started: Duration,
}

impl Serving {
    pub(crate) fn new(
        listen: Option<&Listen>,
        deliveries: &Deliveries,
        poller: &Poller,
        now: Now,
    ) -> anyhow::Result<Self> {
        let mut serving =
            Self { metrics: Metrics::new(deliveries), watching: false, server: None, started: now.boot };
        serving.listen_at(listen, poller)?;
        Ok(serving)
    }

    /// Listens there from now on.
    pub(crate) fn listen_at(&mut self, listen: Option<&Listen>, poller: &Poller) -> anyhow::Result<()> {
        if listen.map(|listen| listen.address) == self.server.as_ref().map(Server::asked_for) {
            // Two sockets cannot have one address.
            self.server = None;
        }
        let bind = |listen: &Listen| {
            Server::bind(listen, poller).with_context(|| format!("cannot listen at {}", listen.address))
        };
        self.server = listen.map(bind).transpose()?;
        Ok(())
    }

    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.server.as_ref()?.address().ok()
    }

    /// Takes in new clients: each with the time at which it is cut off.
    pub(crate) fn accept(&mut self, now: Duration, poller: &Poller) -> Vec<(u32, Duration)> {
        self.server.as_mut().map(|server| server.accept(now, poller)).unwrap_or_default()
    }

    pub(crate) fn cut_off(&mut self, id: u32) {
        if let Some(server) = &mut self.server {
            server.cut_off(id);
        }
    }

    /// A client can be read from, or written to. `true`: that was its end.
    pub(crate) fn turn(&mut self, id: u32, poller: &Poller, picture: &Picture<'_>) -> bool {
        let Self { server, metrics, watching, started } = self;
        let Some(server) = server else { return false };
        let up = picture.now.boot.saturating_sub(*started);
        server.turn(id, poller, |request| answer(request, metrics, *watching, up, picture))
    }
}

fn answer(
    request: &Request,
    metrics: &Metrics,
    watching: bool,
    up: Duration,
    picture: &Picture<'_>,
) -> Response {
    match request.path.as_str() {
        "/" => page::response(),
        "/status.json" => match serde_json::to_vec(&status::of(picture, up, metrics)) {
            Ok(body) => Response::plain(Status::Ok, "application/json", body),
            Err(error) => Response::text(Status::Unavailable, &error.to_string()),
        },
        "/metrics" => {
            stock::take(picture, metrics);
            if request.accept.contains("application/openmetrics-text") {
                Response::plain(Status::Ok, OPEN_METRICS, metrics.open_metrics())
            } else {
                Response::plain(Status::Ok, CLASSIC_TEXT, metrics.classic_text())
            }
        }
        // The loop itself answers: that it does is the health that is asked for.
        "/healthz" => Response::text(Status::Ok, "ok"),
        "/readyz" => readiness(watching, picture),
        _ => Response::text(Status::NotFound, "/, /status.json, /metrics, /healthz, /readyz"),
    }
}

fn readiness(watching: bool, picture: &Picture<'_>) -> Response {
    let stuck = picture.locks.table.iter().filter(|(_, lock)| lock.is_stuck()).count();
    let are_stuck =
        if stuck == 1 { "1 session is stuck".to_owned() } else { format!("{stuck} sessions are stuck") };
    let strict = picture.options.listen.as_ref().is_some_and(|listen| listen.ready == Ready::UnlessStuck);
    match stuck {
        _ if !watching => Response::text(Status::Unavailable, "not watching yet"),
        0 => Response::text(Status::Ok, "ready"),
        _ if strict => Response::text(Status::Unavailable, &are_stuck),
        _ => Response::text(Status::Ok, &format!("ready ({are_stuck})")),
    }
}
