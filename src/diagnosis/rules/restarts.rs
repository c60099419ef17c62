//! A gateway that something ends soon after each of its starts. Nobody is answered while it starts.

use super::super::finding::{Code, Finding};
use super::remedy;
use super::view::View;
use crate::history::lives::{End, Life};
use crate::verdict::severity::Effect;
use chrono::TimeDelta;

/// A life that ends sooner was not meant to end.
const SHORT: TimeDelta = TimeDelta::seconds(60);
/// So many in a row are no accident.
const IN_A_ROW: usize = 3;
/// Longer ago, it is over.
const RECENT: TimeDelta = TimeDelta::minutes(10);

pub(super) fn judge(view: &View<'_>) -> Option<Finding> {
    let lives = view.lives.all();
    let is_short =
        |life: &&Life| life.ended != End::Open && life.end.is_some_and(|end| end - life.start <= SHORT);
    // One that has just begun may go the same way.
    let latest = lives.iter().rev().skip_while(|life| life.ended == End::Open);
    let short: Vec<&Life> = latest.take_while(is_short).collect();
    let last = short.first()?.end?;
    if short.len() < IN_A_ROW || view.last.is_some_and(|end| end - last > RECENT) {
        return None;
    }
    let text = format!(
        "The gateway ended {} times in a row within a minute of its start: something stops it again and again. While it starts, no message is answered.",
        short.len()
    );
    let finding = Finding::new(Code::GatewayDown, Effect::WaitsPastLimit, text).helps(Some(false));
    let finding = finding.seen(short.last().map(|life| life.start), Some(last), short.len() as u64);
    Some(finding.act(remedy::gateway_status()).act(remedy::say(
        "Look for two services of one gateway, for a program that changes its configuration, and for a health check that gives up too soon.",
    )))
}

#[cfg(test)]
mod tests {
    use super::super::super::Model;
    use super::super::super::input::Facts;
    use super::super::tests::entries;
    use crate::redact::Redactor;

    #[test]
    fn three_short_lives_in_a_row_are_a_loop() {
        let told = |lines: &[(&str, &str)]| {
            let mut model = Model::default();
            entries(lines).iter().for_each(|entry| model.push(0, entry));
            let now = "2026-11-22T23:59:00Z".parse().unwrap();
            let findings = model.findings(&Facts::default(), now, Redactor::On);
            findings.iter().any(|finding| finding.explanation.contains("again and again"))
        };
        let life = |minute: u8| {
            [
                (minute, "00", "[gateway] http server listening (3 plugins, 1.0s)"),
                (minute, "20", "[gateway] received SIGTERM; shutting down"),
            ]
        };
        let log = |minutes: &[u8]| -> Vec<(String, &str)> {
            let lines = minutes.iter().flat_map(|minute| life(*minute));
            lines.map(|(minute, second, text)| (format!("10:{minute:02}:{second}"), text)).collect()
        };
        let told = |minutes: &[u8]| {
            let log = log(minutes);
            told(&log.iter().map(|(at, text)| (at.as_str(), *text)).collect::<Vec<_>>())
        };
        assert!(told(&[0, 1, 2]));
        assert!(!told(&[0, 1]));
    }
}
