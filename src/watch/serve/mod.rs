//! What the listener answers: the status page, its facts as JSON, metrics, and whether all is well.

mod http;
pub(crate) mod metrics;
mod outcome;
mod page;
mod picture;
mod status;
mod stock;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use tracing::warn;

use super::notify::delivery::Deliveries;
use super::options::{Listen, Ready};
use crate::clock::Now;
use crate::door::{Door, Form};
use crate::wakeups::poller::Poller;
use crate::wakeups::{Due, Wakeups};
use http::{Request, Response, Server, Status, Turn};
use metrics::Metrics;
pub(crate) use picture::Picture;

/// How long the listener rests when descriptors run out.
const REST: Duration = Duration::from_millis(250);
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const CLASSIC_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) metrics: Metrics,
    /// Everything that was there at the start has been looked at.
    pub(crate) watching: bool,
    server: Option<Server>,
    short_of_descriptors: bool,
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
        let mut serving = Self {
            metrics: Metrics::new(deliveries),
            watching: false,
            server: None,
            short_of_descriptors: false,
            started: now.boot,
        };
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

    /// Takes in new clients.
    pub(crate) fn accept(&mut self, now: Duration, wakeups: &mut Wakeups) {
        let Some(server) = &mut self.server else { return };
        let accepted = server.accept(&wakeups.poller);
        for id in accepted.dropped {
            wakeups.deadlines.cancel(Due::Connection(id));
        }
        self.short_of_descriptors &= accepted.new.is_empty();
        for id in accepted.new {
            wakeups.deadlines.set(Due::Connection(id), now + http::HEAD_LIMIT);
        }
        if accepted.paused {
            if !std::mem::replace(&mut self.short_of_descriptors, true) {
                warn!("no descriptor is left for another client; the listener rests");
            }
            wakeups.deadlines.set(Due::Listener, now + REST);
        }
    }

    /// Descriptors may be had again.
    pub(crate) fn resume(&mut self, poller: &Poller) {
        if let Some(server) = &mut self.server {
            server.resume(poller);
        }
    }

    /// Nobody is being answered.
    pub(crate) fn is_idle(&self) -> bool {
        self.server.as_ref().is_none_or(Server::is_idle)
    }

    pub(crate) fn cut_off(&mut self, id: u32) {
        if let Some(server) = &mut self.server {
            server.cut_off(id);
        }
    }

    /// A client can be read from, or written to. Returns the change of its time limit.
    pub(crate) fn turn(&mut self, id: u32, poller: &Poller, picture: &Picture<'_>) -> TimeLimit {
        let Self { server, metrics, watching, started, .. } = self;
        let Some(server) = server else { return TimeLimit::Over };
        let up = picture.now.boot.saturating_sub(*started);
        match server.turn(id, poller, |request| answer(request, metrics, *watching, up, picture)) {
            Turn::GoesOn => TimeLimit::Stays,
            Turn::Answering => TimeLimit::Until(picture.now.boot + http::ANSWER_LIMIT),
            Turn::Ended => TimeLimit::Over,
        }
    }
}

/// Of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeLimit {
    Stays,
    Until(Duration),
    /// It has ended.
    Over,
}

/// What `/status.json` answers: it leaves the machine.
fn status_document(picture: &Picture<'_>, up: Duration, metrics: &Metrics) -> serde_json::Result<Vec<u8>> {
    let outcome = picture.outcome();
    let mut body = Vec::new();
    let door = Door::new(&mut body, Form::Json, false);
    picture.options.redaction.json(&status::of(picture, &outcome, up, metrics), door)?;
    Ok(body)
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
        "/status.json" => match status_document(picture, up, metrics) {
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
