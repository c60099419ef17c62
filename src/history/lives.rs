//! Process lives: from one gateway start to its end. Lanes are in memory, so nothing of them outlives a life; and in
//! the first minutes of one the event loop is busy with loading modules, which is no finding.

use crate::gatewaylog::Event;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

/// For so long after `ready` slowness is start-up (5.22 on two busy cores: 14 to 119 s of blocked loop).
const GRACE: TimeDelta = TimeDelta::seconds(180);

/// Between the two `gateway ready` of one start, on a busy machine. A start after it has other marks besides.
const TWICE: TimeDelta = TimeDelta::seconds(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// A signal or a shutdown line was logged.
    Stopped,
    /// The next start came without one.
    Vanished,
    /// The log ends first.
    Open,
}

/// One run of the gateway process.
#[derive(Debug, Clone, Serialize)]
pub struct Life {
    pub start: DateTime<Utc>,
    pub ready: Option<DateTime<Utc>>,
    pub pid: Option<u32>,
    pub end: Option<DateTime<Utc>>,
    pub ended: End,
    #[serde(skip)]
    marks: Marks,
}

/// Which start marks have been seen: each occurs once in a life.
#[derive(Debug, Clone, Copy, Default)]
struct Marks {
    listening: bool,
    http: bool,
    ready: bool,
    file: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Lives {
    lives: Vec<Life>,
}

impl Lives {
    pub(crate) fn push(&mut self, at: DateTime<Utc>, event: &Event) {
        match event {
            Event::GatewayListening { pid: Some(pid), .. } => {
                let life = self.mark(at, |marks| &mut marks.listening);
                life.pid = Some(*pid);
            }
            Event::HttpListening { .. } => {
                self.mark(at, |marks| &mut marks.http);
            }
            Event::LogFile { .. } => {
                self.mark(at, |marks| &mut marks.file);
            }
            // 2026.8 says so twice: before its channels start, and after.
            Event::GatewayReady if self.has_just_said_so(at) => {}
            Event::GatewayReady => {
                let life = self.mark(at, |marks| &mut marks.ready);
                life.ready = Some(at);
            }
            // A signal may still be ignored; a shutdown is one. What follows a stop is the same life draining.
            Event::Signal { .. } | Event::Shutdown { .. } | Event::ShutdownDone { .. } => {
                if let Some(life) = self.lives.last_mut() {
                    life.end = Some(at);
                    life.ended = End::Stopped;
                }
            }
            _ => {}
        }
    }

    fn has_just_said_so(&self, at: DateTime<Utc>) -> bool {
        let open = self.lives.last().filter(|life| life.ended == End::Open);
        open.and_then(|life| life.ready).is_some_and(|ready| at - ready < TWICE)
    }

    fn mark(&mut self, at: DateTime<Utc>, which: fn(&mut Marks) -> &mut bool) -> &mut Life {
        let fresh = match self.lives.last_mut() {
            None => true,
            Some(life) => life.ended == End::Stopped || *which(&mut life.marks),
        };
        if fresh {
            if let Some(life) = self.lives.last_mut()
                && life.ended == End::Open
            {
                life.ended = End::Vanished;
                life.end = Some(at);
            }
            let life = Life {
                start: at,
                ready: None,
                pid: None,
                end: None,
                ended: End::Open,
                marks: Marks::default(),
            };
            self.lives.push(life);
        }
        let last = self.lives.len() - 1;
        let life = &mut self.lives[last];
        *which(&mut life.marks) = true;
        life
    }

    pub(crate) fn all(&self) -> &[Life] {
        &self.lives
    }

    /// The life that was on at that time.
    pub(crate) fn at(&self, at: DateTime<Utc>) -> Option<&Life> {
        self.lives.iter().rev().find(|life| life.start <= at)
    }

    /// Is that time within the start-up of a life? (A start mark may come after the work has begun.)
    pub(crate) fn starting(&self, at: DateTime<Utc>) -> bool {
        self.lives.iter().any(|life| {
            let until = life.ready.unwrap_or(life.start) + GRACE;
            (life.start - TimeDelta::seconds(60)..until).contains(&at)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_000_000 + second, 0).unwrap()
    }

    fn listening(pid: u32) -> Event {
        Event::GatewayListening { pid: Some(pid), port: None }
    }

    /// A 2026.8.2, killed once and started again 26 s later.
    #[test]
    fn a_gateway_that_says_twice_that_it_is_ready_has_started_once() {
        let mut lives = Lives::default();
        for start in [0, 27] {
            lives.push(at(start + 4), &Event::GatewayReady);
            lives.push(at(start + 4), &Event::HttpListening { plugins: Some(0), took_ms: Some(4_100) });
            lives.push(at(start + 4), &Event::LogFile { path: "x".into() });
            lives.push(at(start + 5), &Event::GatewayReady);
        }
        let seen: Vec<_> = lives.all().iter().map(|life| life.ended).collect();
        assert_eq!(seen, [End::Vanished, End::Open]);
    }

    #[test]
    fn marks_of_one_start_are_one_life_and_a_repeated_mark_is_the_next() {
        let mut lives = Lives::default();
        lives.push(at(0), &listening(10));
        lives.push(at(0), &Event::GatewayListening { pid: None, port: None });
        lives.push(at(1), &Event::LogFile { path: "x".into() });
        lives.push(at(90), &Event::GatewayReady);
        // Killed: no stop mark.
        lives.push(at(500), &listening(11));
        lives.push(at(501), &Event::LogFile { path: "x".into() });
        lives.push(at(600), &Event::Shutdown { signal: "SIGTERM".into() });
        lives.push(at(610), &Event::LogFile { path: "x".into() });
        let seen: Vec<_> = lives.all().iter().map(|life| (life.pid, life.ended)).collect();
        assert_eq!(seen, [(Some(10), End::Vanished), (Some(11), End::Stopped), (None, End::Open)]);
        assert!(lives.starting(at(200)) && !lives.starting(at(300)));
        assert_eq!(lives.at(at(550)).and_then(|life| life.pid), Some(11));
    }
}
