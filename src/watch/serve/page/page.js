// Reads status.json every two seconds while somebody looks. Everything is put in as text, never as HTML.

const EVERY = 2000;
const SLOWEST = 30000;
const TONES = {
  stale: "bad", leaked: "bad", "stuck-guard": "bad", overdue: "warn", refused: "warn",
  foreign: "warn", indeterminate: "warn", settling: "wait", initialising: "wait", held: "good", freed: "good",
};
const SYMBOLS = { good: "✓", wait: "…", warn: "!", bad: "✗" };
const SICK = new Set(["stale", "leaked", "stuck-guard", "overdue", "refused", "foreign", "indeterminate"]);

// `code` in a sentence becomes code; everything stays text.
function setProse(node, text) {
  if (node.dataset.prose === text) return;
  node.dataset.prose = text;
  node.replaceChildren(...text.split("`").map((part, index) => (index % 2 ? element("code", "inline", part) : part)));
}

const $ = (id) => document.getElementById(id);
let onlySick = false;
let last = null;
let pause = EVERY;
let timer = 0;

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function duration(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms < 1000) return `${ms} ms`;
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return seconds < 10 && ms % 1000 >= 100 ? `${(ms / 1000).toFixed(1)} s` : `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days ${hours % 24} h`;
}

function clock(at) {
  const time = new Date(at);
  const today = new Date().toDateString() === time.toDateString();
  return today ? time.toLocaleTimeString() : time.toLocaleString();
}

function many(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

// Keeps the element of each key, so that focus and open details survive an update.
function keyed(list, items, keyOf, create, update) {
  const known = new Map([...list.children].map((child) => [child.dataset.key, child]));
  let place = list.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let node = known.get(key);
    known.delete(key);
    if (!node) {
      node = create(item);
      node.dataset.key = key;
    }
    if (node === place) place = place.nextElementSibling;
    else list.insertBefore(node, place);
    update(node, item);
  }
  for (const gone of known.values()) gone.remove();
}

function fileName(path) {
  return path ? path.split("/").pop() : "";
}

function sessionName(lock) {
  if (lock.session_key) return lock.session_key;
  if (lock.session_id) return (lock.agent ? `${lock.agent} · ` : "") + lock.session_id;
  if (lock.kind === "store") return `session store${lock.agent ? ` of ${lock.agent}` : ""}`;
  return fileName(lock.path);
}

function ownerName(owner) {
  if (owner.pid === null) return ["no process named", ""];
  return [owner.command ?? (owner.alive === false ? "gone" : "unknown"), `pid ${owner.pid}`];
}

function createLock() {
  const row = element("div");
  row.setAttribute("role", "row");
  const cell = () => {
    const made = element("div");
    made.setAttribute("role", "cell");
    row.append(made);
    return made;
  };
  const verdict = cell();
  verdict.append(element("span", "verdict"), element("span", "why"));
  const details = element("details");
  details.append(element("summary"), element("p", "rule"), element("p", "quiet limit"), element("p", "path"));
  details.querySelector(".path").append(element("code"));
  cell().append(details);
  cell().append(element("span", "owner"), " ", element("span", "quiet pid"));
  const age = cell();
  const meter = element("span", "meter");
  meter.append(element("i"));
  age.append(element("span", "age"), meter);
  return row;
}

function updateLock(row, lock) {
  const tone = TONES[lock.verdict] ?? "warn";
  row.className = tone;
  setText(row.querySelector(".verdict"), `${SYMBOLS[tone]} ${lock.verdict}`);
  setText(row.querySelector(".why"), lock.setback ? "could not be freed" : lock.reasons.join(", "));
  setText(row.querySelector("summary"), sessionName(lock));
  const sentences = [lock.rule, lock.note ? `${lock.note}.` : "", lock.setback ? `Not freed: ${lock.setback}.` : ""];
  setText(row.querySelector(".rule"), sentences.filter(Boolean).join(" "));
  const limit = lock.limit_ms === null ? "" : `Limit ${duration(lock.limit_ms)}: ${lock.limit_source}.`;
  setText(row.querySelector(".limit"), limit);
  row.querySelector(".limit").hidden = limit === "";
  setText(row.querySelector("code"), lock.path);
  const [owner, pid] = ownerName(lock.owner);
  setText(row.querySelector(".owner"), owner);
  setText(row.querySelector(".pid"), pid);
  setText(row.querySelector(".age"), duration(lock.age_ms));
  const share = lock.limit_ms ? Math.min(lock.age_ms / lock.limit_ms, 1) : 0;
  row.querySelector(".meter").hidden = share < 0.01;
  row.querySelector(".meter i").style.width = `${Math.round(share * 100)}%`;
}

function showLocks(status) {
  const shown = onlySick ? status.locks.filter((lock) => SICK.has(lock.verdict)) : status.locks;
  keyed($("locks"), shown, (lock) => lock.path, createLock, updateLock);
  $("no-locks").hidden = shown.length > 0 && status.locks_omitted === 0;
  setText($("no-locks"), shown.length > 0
    ? `${many(status.locks_omitted, "more lock")}, all of them in better health than these.`
    : onlySick && status.summary.total > 0 ? "No lock needs attention." : "No locks: nobody is writing to a session right now.");
  const counts = Object.entries(status.summary).filter(([verdict, count]) => verdict !== "total" && count > 0);
  keyed($("counts"), counts, ([verdict]) => verdict,
    ([verdict]) => element("span", TONES[verdict]), (node, [verdict, count]) => setText(node, `${count} ${verdict}`));
}

function showFindings(status) {
  $("findings-section").hidden = status.findings.length === 0;
  const urgency = { critical: 0, warning: 1, info: 2 };
  const sorted = status.findings.toSorted((a, b) => urgency[a.severity] - urgency[b.severity]);
  keyed($("findings"), sorted, (finding) => [finding.code, finding.lock, finding.session_key, finding.session_id, finding.lane, finding.first_seen].join(" "),
    () => {
      const item = element("li");
      const details = element("details", "facts");
      details.append(element("summary", "", "What it rests on"), element("p", "quiet"));
      item.append(element("strong"), element("span", "when"), element("p", "text"), details, element("div", "advice"));
      return item;
    },
    (item, finding) => {
      item.className = { critical: "bad", warning: "warn" }[finding.severity] ?? "wait";
      const about = finding.session_key ?? finding.session_id ?? finding.lane ?? (fileName(finding.lock) || finding.agent);
      setText(item.querySelector("strong"), [finding.code, about].filter(Boolean).join(" · "));
      setText(item.querySelector(".when"), ` since ${clock(finding.first_seen)}`);
      setProse(item.querySelector(".text"), finding.explanation);
      item.querySelector(".facts").hidden = finding.evidence.length === 0;
      keyed(item.querySelector(".facts p"), finding.evidence, (line) => line, () => element("span"), setText);
      const isCommand = (line) => /^(lockdoctor|openclaw|clawdbot) [a-z]/.test(line) && !/[.:](\s|$)/.test(line);
      keyed(item.querySelector(".advice"), finding.advice, (line) => line,
        (line) => element(isCommand(line) ? "code" : "p"), setProse);
    });
}

// Half of them, nineteen of twenty, the longest; of one or two the longest says it all.
function spread(times, count) {
  if (!times) return "";
  if (count < 3 || times.p50 === times.max) return duration(times.max);
  return [times.p50, times.p95, times.max].map(duration).join(" · ");
}

function showLanes(status) {
  const { lanes, logs } = status;
  const hours = duration(logs.window_ms).replace(/ 0 (min|h)$/, "").replace(/ 0 s$/, "");
  setText($("lanes-line"), logs.files === 0 ? "No gateway log is followed (see --log)."
    : lanes.length === 0 ? `Nothing about lanes in the logs of the last ${hours}.`
    : `From ${many(logs.files, "log")}, at least the last ${hours}. The gateway logs a wait from two seconds on.`);
  keyed($("lanes"), lanes, (lane) => lane.lane,
    () => {
      const row = element("div");
      row.setAttribute("role", "row");
      for (const name of ["", "Tasks:", "Ran", "Waits:", "Waited"]) {
        const cell = element("div");
        cell.setAttribute("role", "cell");
        if (name) cell.dataset.name = name;
        row.append(cell);
      }
      row.children[0].append(element("code"));
      row.children[1].append(element("span", "tasks"), " ", element("span", "errors"));
      return row;
    },
    (row, lane) => {
      setText(row.querySelector("code"), lane.lane);
      setText(row.querySelector(".tasks"), lane.tasks > 0 ? String(lane.tasks) : "–");
      setText(row.querySelector(".errors"), lane.errors > 0 ? `(${lane.errors} failed)` : "");
      setText(row.children[2], spread(lane.run_ms, lane.tasks));
      setText(row.children[3], lane.waits > 0 ? String(lane.waits) : "–");
      setText(row.children[4], spread(lane.wait_ms, lane.waits));
      row.children[1].classList.toggle("none", lane.tasks === 0);
      row.children[3].classList.toggle("none", lane.waits === 0);
      row.children[2].classList.toggle("none", !lane.run_ms);
      row.children[4].classList.toggle("none", !lane.wait_ms);
    });
  $("more-lanes").hidden = status.lanes_omitted === 0;
  setText($("more-lanes"), `${many(status.lanes_omitted, "more lane")} with less to do.`);
}

// A dead owner's row that keeps nobody out is untidy, no more.
const LEASE_TONES = { stale: "wait", overdue: "warn", foreign: "warn", indeterminate: "warn", held: "good" };

function showLeases(status) {
  const { leases, running } = status;
  $("leases-section").hidden = leases.length === 0 && running.length === 0;
  const at = running.map((session) => session.session_key).join(", ");
  setText($("leases-line"), running.length === 0 ? "No session is marked as running."
    : `${many(running.length, "session")} marked as running: ${at}.`);
  const alike = new Map();
  for (const lease of leases) {
    const key = [lease.verdict, lease.kind, lease.agent, lease.owner.pid].join(" ");
    alike.set(key, [...(alike.get(key) ?? []), lease]);
  }
  keyed($("leases"), [...alike], ([key]) => key,
    () => {
      const item = element("li");
      item.append(element("strong"), element("p", "text"), element("p", "quiet facts"), element("div", "advice"));
      return item;
    },
    (item, [, [lease, ...others]]) => {
      const tone = lease.action === "report" ? "bad" : LEASE_TONES[lease.verdict] ?? "warn";
      item.className = tone;
      const times = others.length > 0 ? ` (${others.length + 1} of them)` : "";
      setText(item.querySelector("strong"), `${SYMBOLS[tone]} ${lease.verdict} · ${[lease.kind, lease.agent].filter(Boolean).join(" of ")}${times}`);
      setProse(item.querySelector(".text"), lease.state.replace(`${lease.verdict}: `, ""));
      keyed(item.querySelector(".facts"), [...lease.because, lease.openclaw_would].filter(Boolean), (line) => line, () => element("span"), setText);
      keyed(item.querySelector(".advice"), lease.advice, (line) => line, () => element("p"), setProse);
    });
}

function showHolds(holds) {
  setText($("holds-line"), holds.recent === 0
    ? "No lock has been released since the start."
    : `Half within ${duration(holds.p50_ms)}, 95 % within ${duration(holds.p95_ms)}, longest ${duration(holds.max_ms)}; of the last ${holds.recent} of ${holds.total}.`);
  const most = Math.max(1, ...holds.classes.map(([, count]) => count));
  const rows = holds.recent === 0 ? [] : holds.classes.flatMap(([bound, count], index) => {
    const before = index > 0 ? holds.classes[index - 1][0] : 0;
    const name = bound === null ? `over ${duration(before)}` : `to ${duration(bound)}`;
    return [["dt", name], ["track", count / most], ["dd", String(count)]].map(([part, value]) => ({ part, value, key: `${index} ${part}` }));
  });
  keyed($("holds"), rows, (row) => row.key,
    ({ part }) => {
      if (part !== "track") return element(part);
      const track = element("dd", "track");
      track.setAttribute("aria-hidden", "true");
      track.append(element("i"));
      return track;
    },
    (node, { part, value }) => {
      if (part === "track") node.firstChild.style.width = `${Math.round(value * 100)}%`;
      else setText(node, value);
    });
}

function showActs(acts) {
  $("no-acts").hidden = acts.length > 0;
  keyed($("acts"), acts, (act) => `${act.at} ${act.lock}`,
    () => {
      const item = element("li");
      item.append(element("time"), element("strong"), element("p"));
      return item;
    },
    (item, act) => {
      const time = item.querySelector("time");
      time.dateTime = act.at;
      setText(time, `${clock(act.at)} `);
      setText(item.querySelector("strong"), `${act.result}: ${act.session_key ?? fileName(act.lock)}`);
      const why = `${act.verdict} (${act.reasons.join(", ")}), ${duration(act.after_ms)} after it was first seen so.`;
      const then = act.quarantine_id ? ` Kept as ${act.quarantine_id}.` : act.why ? ` ${act.why}.` : "";
      setText(item.querySelector("p"), why + then);
    });
}

function showRoots(roots) {
  keyed($("roots"), roots, (root) => root.path,
    () => {
      const item = element("li");
      item.append(element("code"), element("p", "quiet"));
      return item;
    },
    (item, root) => {
      setText(item.querySelector("code"), root.path);
      const gateway = root.gateway;
      const facts = !root.present ? ["not there; waiting for it"] : [
        root.openclaw_version ? `OpenClaw ${root.openclaw_version}` : "version of OpenClaw unknown",
        ...(gateway ? [`gateway ${gateway.state}${gateway.pid ? ` (pid ${gateway.pid}${gateway.up_ms !== null ? `, up ${duration(gateway.up_ms)}` : ""})` : `: ${gateway.how}`}`] : []),
        ...(root.era === "sqlite" ? ["sessions live in SQLite: locks say nothing about them"] : []),
      ];
      setText(item.querySelector("p"), facts.join(" · "));
    });
}

function showHeadline(status) {
  const count = (...verdicts) => verdicts.reduce((sum, verdict) => sum + (status.summary[verdict] ?? 0), 0);
  const blocked = count("stale", "leaked", "stuck-guard");
  const overdue = count("overdue");
  const pressing = status.findings.filter((finding) => finding.severity !== "info");
  const unclear = count("foreign", "indeterminate", "refused");
  const stuck = overdue > 0 ? `${many(overdue, "session")} held past the limit` : "";
  const left = blocked > 0 ? `${many(blocked, "lock")} left behind${status.mode === "reclaim" ? ", being dealt with" : ""}` : "";
  const [tone, sentence] =
    stuck || left ? [left ? "bad" : "warn", [left, stuck].filter(Boolean).join("; ")]
    : pressing.length > 0 ? [pressing.some((finding) => finding.severity === "critical") ? "bad" : "warn", many(pressing.length, "finding")]
    : status.roots.length > 0 && status.roots.every((root) => !root.present) ? ["wait", "Waiting for an install to appear"]
    : unclear > 0 ? ["warn", `${many(unclear, "lock")} cannot be judged from here`]
    : ["good", count("held") > 0 ? `All is well: ${many(count("held"), "session")} at work` : "All is well"];
  const headline = $("headline");
  headline.className = tone;
  headline.dataset.symbol = SYMBOLS[tone];
  setText(headline, sentence);
  document.title = `${SYMBOLS[tone]} ${sentence} – lockdoctor`;
  const watching = status.watching;
  setText($("subline"), [
    status.mode === "reclaim" ? "frees what is proven to have no holder" : "watches only, changes nothing",
    many(watching.directories, "directory").replace("directorys", "directories"),
    ...(watching.polled > 0 ? [`${watching.polled} of them polled`] : []),
    `up ${duration(status.up_ms)}`,
  ].join(" · "));
}

function show(status) {
  last = status;
  showHeadline(status);
  showFindings(status);
  showLocks(status);
  showLeases(status);
  showLanes(status);
  showHolds(status.holds);
  showActs(status.acts);
  showRoots(status.roots);
  setText($("version"), `lockdoctor ${status.version}`);
}

async function read() {
  clearTimeout(timer);
  try {
    const answer = await fetch("status.json", { cache: "no-store" });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    show(await answer.json());
    pause = EVERY;
    $("offline").hidden = true;
  } catch (error) {
    pause = Math.min(pause * 2, SLOWEST);
    const since = last ? ` What you see is from ${clock(last.generated_at)}.` : "";
    setText($("offline"), `lockdoctor does not answer.${since} Trying again.`);
    $("offline").hidden = false;
  }
  if (!document.hidden) timer = setTimeout(read, pause);
}

function choose(sick) {
  onlySick = sick;
  $("show-all").setAttribute("aria-pressed", String(!sick));
  $("show-sick").setAttribute("aria-pressed", String(sick));
  if (last) showLocks(last);
}

$("show-all").addEventListener("click", () => choose(false));
$("show-sick").addEventListener("click", () => choose(true));
document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : read()));
read();
