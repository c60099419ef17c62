//! When the gateway may be restarted: opt-in, patient, seldom. Pure.

use std::collections::VecDeque;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

/// The bounds within which lockdoctor restarts a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestartPolicy {
    /// How long a finding must have stood that only a restart ends.
    pub grace: Duration,
    /// Between two restarts.
    pub cool_down: Duration,
    pub per_day: usize,
    /// A gateway that has just started is left alone.
    pub min_uptime: Duration,
}

impl RestartPolicy {
    pub const DEFAULT: Self = Self {
        grace: Duration::from_secs(5 * 60),
        cool_down: Duration::from_secs(30 * 60),
        per_day: 3,
        min_uptime: Duration::from_secs(10 * 60),
    };
}

/// What is to be done about a finding that a restart would end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    Now,
    /// Not before this time, if it still stands then.
    At(Duration),
}

/// When the gateway was restarted, on the boot clock.
#[derive(Debug, Default)]
pub(crate) struct History {
    restarts: VecDeque<Duration>,
}

impl History {
    pub(crate) fn restarted(&mut self, now: Duration) {
        self.restarts.push_back(now);
        while self.restarts.front().is_some_and(|at| *at + DAY <= now) {
            self.restarts.pop_front();
        }
    }

    /// `stands_since`: since when the finding has stood. `up`: how long the gateway has run.
    pub(crate) fn decide(
        &self,
        policy: &RestartPolicy,
        stands_since: Duration,
        up: Duration,
        now: Duration,
    ) -> Decision {
        let cooled = self.restarts.back().map_or(Duration::ZERO, |last| *last + policy.cool_down);
        let today: Vec<Duration> = self.restarts.iter().copied().filter(|at| *at + DAY > now).collect();
        let capped = match today.len().checked_sub(policy.per_day) {
            Some(excess) => today.get(excess).map_or(Duration::MAX, |at| *at + DAY),
            None => Duration::ZERO,
        };
        let grown = now + policy.min_uptime.saturating_sub(up);
        let earliest = (stands_since + policy.grace).max(cooled).max(capped).max(grown);
        if earliest <= now { Decision::Now } else { Decision::At(earliest) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RestartPolicy = RestartPolicy::DEFAULT;

    fn minutes(number: u64) -> Duration {
        Duration::from_secs(number * 60)
    }

    #[test]
    fn a_finding_has_to_stand_and_the_gateway_to_be_settled() {
        let history = History::default();
        let up = minutes(60);
        assert_eq!(history.decide(&POLICY, minutes(100), up, minutes(104)), Decision::At(minutes(105)));
        assert_eq!(history.decide(&POLICY, minutes(100), up, minutes(105)), Decision::Now);
        assert_eq!(
            history.decide(&POLICY, minutes(100), minutes(4), minutes(105)),
            Decision::At(minutes(111))
        );
    }

    #[test]
    fn restarts_cool_down_and_are_few_a_day() {
        let mut history = History::default();
        let (since, up) = (minutes(0), minutes(60));
        history.restarted(minutes(100));
        assert_eq!(history.decide(&POLICY, since, up, minutes(110)), Decision::At(minutes(130)));
        assert_eq!(history.decide(&POLICY, since, up, minutes(130)), Decision::Now);
        history.restarted(minutes(130));
        history.restarted(minutes(160));
        let tomorrow = minutes(100) + DAY;
        assert_eq!(history.decide(&POLICY, since, up, minutes(300)), Decision::At(tomorrow));
        assert_eq!(history.decide(&POLICY, since, up, tomorrow), Decision::Now);
        let never = RestartPolicy { per_day: 0, ..POLICY };
        assert_eq!(History::default().decide(&never, since, up, minutes(300)), Decision::At(Duration::MAX));
    }
}
