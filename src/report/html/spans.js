"use strict";

// The page's data as typed arrays, and the words for times. What the Rust side wrote is in embed.rs; the words are
// those of quantity.rs.

// The order of SpanKind::ALL.
const RUN = 0, WAIT = 1, HOLD = 2, MODEL = 3, DELAY = 4, LIFE = 5, TIMEOUT = 6, RESTART = 7, NOTICE = 8;
const FIRST_INSTANT = TIMEOUT;

function readTimeline() {
  const data = JSON.parse(document.getElementById("data").textContent);
  const rows = data.rows.map(decode);
  const marks = [...data.marks];
  const stalls = [];
  // What happens to the gateway concerns all rows.
  for (const row of rows) {
    if (row.group !== "gateway") continue;
    for (let i = 0; i < row.start.length; i++) {
      if (row.kind[i] === DELAY) stalls.push([row.start[i], row.end[i]]);
      if (row.kind[i] === RESTART) marks.push({ at: row.start[i], kind: RESTART, label: data.labels[row.label[i]] });
    }
  }
  return { start: data.start, length: data.length, shape: data.shape, labels: data.labels, rows, marks, stalls };
}

function decode(row, index) {
  const n = row.starts.length;
  const start = new Float64Array(n), end = new Float64Array(n), reach = new Float64Array(n);
  const kind = new Uint8Array(n), severity = new Uint8Array(n), track = new Uint8Array(n);
  let at = 0, latest = -Infinity;
  for (let i = 0; i < n; i++) {
    at += row.starts[i];
    start[i] = at;
    end[i] = at + row.lengths[i];
    latest = Math.max(latest, end[i]);
    reach[i] = latest;
    kind[i] = row.kinds.charCodeAt(i) - 48;
    severity[i] = row.severities.charCodeAt(i) - 48;
    track[i] = row.on.charCodeAt(i) - 48;
  }
  const { label: name, group, tracks, labels: label } = row;
  return { index, name, group, tracks, start, end, reach, kind, severity, track, label, y: 0, height: 0 };
}

// The first index whose value is at least `wanted`, in a sorted array.
function lowerBound(sorted, wanted) {
  let low = 0, high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

function duration(ms) {
  const two = (big, unit, small, lesser) => (small ? `${big}${unit} ${small}${lesser}` : `${big}${unit}`);
  const seconds = Math.floor((ms + 500) / 1000);
  if (ms < 1000) return `${Math.round(ms)}ms`;
  if (ms < 59950) return `${Math.round(ms / 100) / 10}s`;
  if (seconds < 3600) return two(Math.floor(seconds / 60), "m", seconds % 60, "s");
  if (seconds < 86400) return two(Math.floor(seconds / 3600), "h", Math.floor((seconds % 3600) / 60), "m");
  return two(Math.floor(seconds / 86400), "d", Math.floor((seconds % 86400) / 3600), "h");
}

// Times of day, with their date where the timeline has more than one.
function clockOf({ start, length }) {
  const manyDays = new Date(start).getUTCDate() !== new Date(start + length - 1).getUTCDate();
  const clock = (at, finest) => {
    const iso = times.iso(start + at);
    const time = finest < 1000 ? iso.slice(11, 23) : finest < 60000 ? iso.slice(11, 19) : iso.slice(11, 16);
    return manyDays ? `${iso.slice(5, 10)} ${time}` : time;
  };
  return { clock, manyDays };
}
