//! Lanes, locks and environment: numbers in columns.

use std::cmp::Reverse;

use chrono::{DateTime, Utc};

use super::markup::Html;
use super::model::{Fact, Lane, LaneStatistics, Lock, Quantiles};
use super::quantity::{count, duration, grouped};
use super::strip::severity_class;

/// Lanes shown at once; every session has one of its own.
const LANES_SHOWN: usize = 20;
const LANES_MAX: usize = 500;

/// Of more, those in good order are folded, and so are the sick beyond this many.
const FEW_LOCKS: usize = 8;
const LOCKS_SHOWN: usize = 40;

/// A week of hours in one sparkline.
const SPARK_MAX: usize = 168;
const SPARK_HEIGHT: u64 = 16;

/// Lane by hour, in the table that has them one by one.
const HOURS_MAX: usize = 500;

pub(super) fn lanes(out: &mut Html, lanes: &[Lane]) {
    out.raw(r#"<section id="lanes" aria-labelledby="h-lanes"><h2 id="h-lanes">Lanes</h2>"#);
    if lanes.is_empty() {
        out.raw(r#"<p class="quiet-note">No log told of lanes.</p></section>"#);
        return;
    }
    let mut lanes: Vec<&Lane> = lanes.iter().collect();
    lanes.sort_by_cached_key(|lane| Reverse(weight(lane)));
    let (shown, rest) = lanes.split_at(lanes.len().min(LANES_SHOWN));
    lane_table(out, shown, r#"aria-label="Lane statistics""#);
    if !rest.is_empty() {
        out.raw(r#"<details class="as-table"><summary>"#).text(&count(rest.len() as u64, "quieter lane"));
        out.raw("</summary>");
        lane_table(out, &rest[..rest.len().min(LANES_MAX)], r#"aria-label="Statistics of quieter lanes""#);
        if rest.len() > LANES_MAX {
            out.raw("<p>The first ").integer(LANES_MAX as u64).raw(" of them.</p>");
        }
        out.raw("</details>");
    }
    by_the_hour(out, shown);
    out.raw("</section>");
}

/// The lanes that all sessions share first; then those that made somebody wait or failed, then the busy ones.
fn weight(lane: &Lane) -> (bool, u64, u64, u64) {
    let whole = &lane.whole;
    (!lane.lane.starts_with("session:"), whole.wait_ms.map_or(0, |wait| wait.max), whole.errors, whole.tasks)
}

fn lane_table(out: &mut Html, lanes: &[&Lane], name: &'static str) {
    out.raw(r#"<div class="scroll" role="region" tabindex="0" "#).raw(name).raw("><table><thead>");
    lane_head(
        out,
        r#"<th scope="col" rowspan="2">Lane</th>"#,
        r#"<th scope="col" rowspan="2">Runs by the hour</th>"#,
    );
    for lane in lanes {
        out.raw(r#"<tr><th scope="row" class="k">"#).clipped(&lane.lane, 200).raw("</th>");
        statistics(out, &lane.whole);
        out.raw("<td>");
        sparkline(out, lane);
        out.raw("</td></tr>");
    }
    out.raw("</tbody></table></div>");
}

fn lane_head(out: &mut Html, before: &'static str, after: &'static str) {
    out.raw("<tr>").raw(before);
    out.raw(
        r#"<th scope="col" rowspan="2" class="n">Runs</th><th scope="col" rowspan="2" class="n">Errors</th>
<th scope="colgroup" colspan="3">Run time</th><th scope="col" rowspan="2" class="n">Waits</th>
<th scope="colgroup" colspan="3">Wait time</th>
<th scope="col" rowspan="2" class="n">Queue max</th>"#,
    );
    out.raw(after);
    out.raw("</tr><tr>");
    for _ in 0..2 {
        out.raw(r#"<th scope="col" class="n">p50</th><th scope="col" class="n">p95</th><th scope="col" class="n">max</th>"#);
    }
    out.raw("</tr></thead><tbody>");
}

fn statistics(out: &mut Html, statistics: &LaneStatistics) {
    number(out, Some(statistics.tasks));
    number(out, Some(statistics.errors));
    quantiles(out, statistics.run_ms);
    number(out, Some(statistics.waits));
    quantiles(out, statistics.wait_ms);
    number(out, statistics.queue_max);
}

fn number(out: &mut Html, number: Option<u64>) {
    cell(out, number.map(grouped));
}

fn quantiles(out: &mut Html, quantiles: Option<Quantiles>) {
    for value in [quantiles.map(|q| q.p50), quantiles.map(|q| q.p95), quantiles.map(|q| q.max)] {
        cell(out, value.map(duration));
    }
}

fn cell(out: &mut Html, text: Option<String>) {
    match text {
        Some(text) => out.raw(r#"<td class="n">"#).text(&text).raw("</td>"),
        None => out.raw(
            r#"<td class="n none"><span aria-hidden="true">–</span><span class="sr">not known</span></td>"#,
        ),
    };
}

/// One bar an hour, from the first hour on; hours without a run are gaps.
fn sparkline(out: &mut Html, lane: &Lane) {
    let hours = &lane.per_hour;
    let (Some(first), Some(busiest)) =
        (hours.iter().map(|hour| hour.hour).min(), hours.iter().max_by_key(|hour| hour.statistics.tasks))
    else {
        return;
    };
    let slot = |hour: DateTime<Utc>| usize::try_from((hour - first).num_hours()).unwrap_or(usize::MAX);
    let slots = hours.iter().map(|hour| slot(hour.hour)).max().unwrap_or(0).min(SPARK_MAX - 1) + 1;
    let most = busiest.statistics.tasks.max(1);
    out.raw(r#"<svg class="spark" role="img" height="16" width=""#).integer(slots as u64 * 4);
    out.raw(r#"" aria-label="at most "#).text(&count(busiest.statistics.tasks, "run"));
    out.raw(" in the hour from ").text(&busiest.hour.format("%H:%M UTC").to_string()).raw(r#"">"#);
    for hour in hours.iter().filter(|hour| slot(hour.hour) < slots && hour.statistics.tasks > 0) {
        let height = (hour.statistics.tasks * SPARK_HEIGHT / most).max(1);
        out.raw(r#"<rect width="3" x=""#).integer(slot(hour.hour) as u64 * 4);
        out.raw(r#"" y=""#).integer(SPARK_HEIGHT - height).raw(r#"" height=""#).integer(height).raw(r#""/>"#);
    }
    out.raw("</svg>");
}

fn by_the_hour(out: &mut Html, lanes: &[&Lane]) {
    let mut hours: Vec<_> =
        lanes.iter().flat_map(|lane| lane.per_hour.iter().map(move |hour| (lane, hour))).collect();
    if hours.is_empty() {
        return;
    }
    hours.sort_by_key(|(_, hour)| hour.hour);
    out.raw(r#"<details class="as-table"><summary>By the hour</summary><div class="scroll" role="region" "#);
    out.raw(r#"aria-label="Lanes by the hour" tabindex="0"><table><thead>"#);
    lane_head(
        out,
        r#"<th scope="col" rowspan="2">Hour (<span class="zone">UTC</span>)</th><th scope="col" rowspan="2">Lane</th>"#,
        "",
    );
    for (lane, hour) in hours.iter().take(HOURS_MAX) {
        out.raw(r#"<tr><td class="t">"#);
        out.time(hour.hour, "%m-%d %H:%M").raw(r#"</td><th scope="row" class="k">"#);
        out.clipped(&lane.lane, 200).raw("</th>");
        statistics(out, &hour.statistics);
        out.raw("</tr>");
    }
    out.raw("</tbody></table></div>");
    if hours.len() > HOURS_MAX {
        out.raw("<p>The first ")
            .integer(HOURS_MAX as u64)
            .raw(" of ")
            .text(&grouped(hours.len() as u64))
            .raw(" lines.</p>");
    }
    out.raw("</details>");
}

pub(super) fn locks(out: &mut Html, locks: &[Lock]) {
    out.raw(r#"<section id="locks" aria-labelledby="h-locks"><h2 id="h-locks">Locks</h2>"#);
    if locks.is_empty() {
        out.raw(r#"<p class="quiet-note">No lock was found.</p></section>"#);
        return;
    }
    let mut sorted: Vec<&Lock> = locks.iter().collect();
    sorted.sort_by_key(|lock| Reverse(lock.severity));
    let sick = locks.iter().filter(|lock| lock.severity.is_some()).count();
    let shown = if locks.len() <= FEW_LOCKS { locks.len() } else { sick.min(LOCKS_SHOWN) };
    let (shown, rest) = sorted.split_at(shown);
    if !shown.is_empty() {
        lock_table(out, shown, r#"aria-label="Judged locks""#);
    }
    if !rest.is_empty() {
        out.raw(r#"<details class="as-table"><summary>"#).text(&count(rest.len() as u64, "other lock"));
        out.raw("</summary>");
        lock_table(out, rest, r#"aria-label="Other locks""#);
        out.raw("</details>");
    }
    out.raw("</section>");
}

fn lock_table(out: &mut Html, locks: &[&Lock], name: &'static str) {
    out.raw(r#"<div class="scroll" role="region" tabindex="0" "#).raw(name).raw("><table><thead><tr>");
    out.raw(
        r#"<th scope="col">Verdict</th><th scope="col">Reasons</th><th scope="col">Session and file</th>"#,
    );
    out.raw(
        r#"<th scope="col">Owner</th><th scope="col" class="n">Age</th><th scope="col" class="n">Limit</th>"#,
    );
    out.raw("</tr></thead><tbody>");
    for lock in locks {
        out.raw(r#"<tr class=""#)
            .raw(lock.severity.map_or("ok", severity_class))
            .raw(r#""><th scope="row">"#);
        out.raw(r#"<span class="badge">"#).clipped(&lock.verdict, 40).raw(r#"</span></th><td class="w">"#);
        out.clipped(&lock.reasons.join(", "), 60).raw(r#"</td><td class="k">"#);
        if let Some(session) = &lock.session {
            out.clipped(session, 200).raw("<br>");
        }
        out.raw(r#"<span class="path">"#).clipped(&lock.path, 500).raw("</span></td><td>");
        out.clipped(lock.owner.as_deref().unwrap_or("–"), 200).raw("</td>");
        cell(out, lock.age_ms.map(duration));
        cell(out, lock.limit_ms.map(duration));
        out.raw("</tr>");
    }
    out.raw("</tbody></table></div>");
}

pub(super) fn environment(out: &mut Html, facts: &[Fact]) {
    if facts.is_empty() {
        return;
    }
    out.raw(r#"<section id="environment" aria-labelledby="h-environment"><h2 id="h-environment">Environment</h2>"#);
    out.raw(r#"<dl class="environment">"#);
    for fact in facts {
        out.raw("<div><dt>")
            .clipped(&fact.key, 100)
            .raw("</dt><dd>")
            .clipped(&fact.value, 1_000)
            .raw("</dd></div>");
    }
    out.raw("</dl></section>");
}
