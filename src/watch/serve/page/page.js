// Reads status.json every two seconds while somebody looks. Everything is put in as text, never as HTML.

const EVERY = 2000;
const SLOWEST = 15000;
const TONES = {
  stale: "down", leaked: "down", "stuck-guard": "down", overdue: "degraded", refused: "degraded",
  foreign: "degraded", indeterminate: "degraded", settling: "unknown", initialising: "unknown", held: "ok", freed: "ok",
};
const OF_SEVERITY = { critical: "down", warning: "degraded", info: "unknown" };
const SIGNS = { ok: "✓", degraded: "!", down: "✗", unknown: "?" };
const WORDS = { ok: "OK", degraded: "Degraded", down: "Down", unknown: "No connection" };
const COLOURS = { ok: "#176b3a", degraded: "#b06c00", down: "#b3261e", unknown: "#80868d" };
const SICK = new Set(["stale", "leaked", "stuck-guard", "overdue", "refused", "foreign", "indeterminate"]);

const $ = (id) => document.getElementById(id);
let last = null;
let lastAt = 0;
let pause = EVERY;
let timer = 0;
let onlySick = false;
const openedByHand = new Map();

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
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = Math.floor(ms / 1000), minutes = Math.floor(seconds / 60), hours = Math.floor(minutes / 60);
  const two = (large, unit, small, smaller) => (small ? `${large}${unit} ${small}${smaller}` : `${large}${unit}`);
  if (seconds < 60) return `${seconds}s`;
  if (minutes < 60) return two(minutes, "m", seconds % 60, "s");
  return hours < 24 ? two(hours, "h", minutes % 60, "m") : two(Math.floor(hours / 24), "d", hours % 24, "h");
}

function clock(at) {
  const time = new Date(at);
  const today = new Date().toDateString() === time.toDateString();
  const minutes = { hour: "2-digit", minute: "2-digit" };
  return time.toLocaleString([], today ? minutes : { month: "short", day: "numeric", ...minutes });
}

const many = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

// Keeps the element of each key, so that focus and open details survive an update.
function keyed(list, items, keyOf, create, update) {
  const known = new Map([...list.children].map((child) => [child.dataset.key, child]));
  let place = list.firstElementChild;
  for (const [index, item] of items.entries()) {
    const key = keyOf(item, index);
    let node = known.get(key);
    known.delete(key);
    if (!node) {
      node = create(item);
      node.dataset.key = key;
    }
    if (node === place) place = place.nextElementSibling;
    else list.insertBefore(node, place);
    update(node, item, index);
  }
  for (const gone of known.values()) gone.remove();
}

// An age that goes on by itself: what it was, and when that was read.
function setAge(node, ms, prefix = "") {
  node.dataset.age = ms ?? "";
  node.dataset.prefix = prefix;
  runAge(node);
}

function runAge(node) {
  if (node.dataset.age === "") return setText(node, "");
  setText(node, node.dataset.prefix + duration(Number(node.dataset.age) + performance.now() - lastAt));
}

function tell(tone, sentence, word = WORDS[tone]) {
  $("banner").className = tone;
  setText($("sign"), SIGNS[tone]);
  setText($("state"), word);
  setText($("headline"), sentence);
  document.title = `${SIGNS[tone]} ${sentence} – lockdoctor`;
  const circle = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="7" fill="${COLOURS[tone]}"/></svg>`;
  const icon = `data:image/svg+xml,${encodeURIComponent(circle)}`;
  if ($("icon").href !== icon) $("icon").href = icon;
}

function toneOf(status) {
  if (status.severity === "critical") return "down";
  return status.severity === "warning" || !status.whole ? "degraded" : "ok";
}

function showBanner(status) {
  tell(toneOf(status), status.headline);
  const watching = status.watching;
  const facts = [
    status.host,
    status.mode === "reclaim" ? "frees what is proven to have no owner" : "watches only, changes nothing",
    `${watching.directories} ${watching.directories === 1 ? "directory" : "directories"}${watching.polled > 0 ? `, ${watching.polled} of them polled` : ""}`,
  ];
  const line = $("subline");
  if (!line.firstChild) line.append(element("span"), element("span", "up"));
  setText(line.firstChild, `${facts.filter(Boolean).join(" · ")} · watching for `);
  setAge(line.lastChild, status.up_ms);
}

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without a secure context there is no clipboard: the text is selected instead.
    getSelection().selectAllChildren(button.parentElement.querySelector("code"));
    document.execCommand("copy");
  }
  setText(button, "Copied");
  setText($("copied"), `Copied: ${text}`);
  setTimeout(() => setText(button, "Copy"), 1500);
}

function createCause() {
  const card = element("li", "card");
  const title = element("h3");
  title.append(element("span", "sign"), " ", element("span", "name"), " ", element("span", "summary"));
  const remedy = element("div", "do");
  const button = element("button", "", "Copy");
  button.type = "button";
  button.addEventListener("click", () => copy(remedy.querySelector("code").textContent, button));
  remedy.append(element("span", "what"), element("code"), button);
  const details = element("details");
  details.append(element("summary", "", "Why"), element("div", "facts"));
  card.append(title, element("p", "text"), element("p", "names"), remedy, details);
  return card;
}

function updateCause(card, cause) {
  const tone = OF_SEVERITY[cause.severity];
  card.className = `card ${tone}`;
  setText(card.querySelector(".sign"), SIGNS[tone]);
  setText(card.querySelector(".name"), cause.name);
  setText(card.querySelector(".summary"), cause.since ? `${cause.summary} since ${clock(cause.since)}` : cause.summary);
  setText(card.querySelector(".text"), cause.explanation);
  const names = card.querySelector(".names");
  const shown = cause.names.slice(0, 6), rest = cause.names.length - shown.length + cause.names_omitted;
  const said = rest > 0 ? [...shown, `and ${rest} more`] : shown;
  keyed(names, said, (_, index) => `${index}`, () => element("span"), (node, text) => setText(node, text));
  names.hidden = cause.names.length === 0;
  card.querySelector(".text").hidden = cause.explanation === "";
  const remedy = card.querySelector(".do"), action = cause.action;
  remedy.hidden = !action;
  if (action) {
    const command = action.command;
    setText(remedy.querySelector(".what"), command === action.text ? "" : action.text);
    remedy.querySelector(".what").hidden = command === action.text;
    setText(remedy.querySelector("code"), command ?? "");
    remedy.querySelector("code").hidden = remedy.querySelector("button").hidden = !command;
  }
  const facts = cause.evidence;
  card.querySelector("details").hidden = facts.length === 0;
  keyed(card.querySelector(".facts"), facts.map((text, index) => ({ text, index })), (fact) => `${fact.index}`, () => element("p"), (node, fact) => setText(node, fact.text));
}

function showCauses(status) {
  $("causes-section").hidden = status.causes.length === 0;
  keyed($("causes"), status.causes, (cause) => cause.key, createCause, updateCause);
}

function showGateways(status) {
  const known = new Map(status.gateways.map((gateway) => [gateway.path, gateway]));
  const gateways = status.roots.map((root) => ({ state: root.present ? "unknown" : "awaited", ...root, ...known.get(root.path) }));
  keyed($("gateways"), gateways, (gateway) => gateway.path,
    () => {
      const item = element("li");
      const first = element("p");
      first.append(element("span", "dot"), " ", element("strong"), " ", element("span", "up quiet"));
      item.append(first, element("p", "quiet facts"), element("code"));
      return item;
    },
    (item, gateway) => {
      const tone = { running: "ok", down: "down" }[gateway.state] ?? "unknown";
      item.className = tone;
      setText(item.querySelector(".dot"), { ok: "●", down: "✗", unknown: "○" }[tone]);
      const state = { running: "Gateway running", down: "Gateway down", starting: "Gateway starting", awaited: "Not there yet; waiting for it" }[gateway.state];
      setText(item.querySelector("strong"), state ?? "Gateway not visible from here");
      setAge(item.querySelector(".up"), gateway.state === "running" ? gateway.up_ms : null, "for ");
      const version = gateway.openclaw_version ? `OpenClaw ${gateway.openclaw_version}` : "version of OpenClaw unknown";
      const facts = gateway.state === "awaited" ? [] : [version, gateway.pid ? `pid ${gateway.pid}` : gateway.how, gateway.era === "sqlite" ? "sessions in SQLite" : ""];
      setText(item.querySelector(".facts"), facts.filter(Boolean).join(" · "));
      setText(item.querySelector("code"), gateway.path);
    });
}

// A column for each quarter of an hour: what failed below, what waited on it, a mark on top where a lock was freed.
function showDay({ day: { from, quarter_ms, quarters }, generated_at, up_ms, logs }) {
  // Of what was before nobody knows.
  const since = Date.parse(generated_at) - Math.max(up_ms, logs.files > 0 ? logs.window_ms : 0);
  const isUnseen = (index) => Date.parse(from) + (index + 1) * quarter_ms <= since;
  const total = (name) => quarters.reduce((sum, quarter) => sum + quarter[name], 0);
  const [failed, waited, freed] = ["failed", "waited", "freed"].map(total);
  const most = Math.max(1, ...quarters.map((quarter) => quarter.failed + quarter.waited));
  const said = [failed > 0 && `${many(failed, "message")} failed`, waited > 0 && `${many(waited, "wait")}`, freed > 0 && `${many(freed, "lock")} freed`].filter(Boolean);
  const events = said.length > 0 ? said.join(" · ") : "No message failed, none waited, no lock was freed";
  const line = `${events}${isUnseen(0) ? `, since ${clock(since)}; earlier nothing was watched` : ""}.`;
  setText($("day-from"), clock(from));
  setText($("day-line"), line);
  $("day").setAttribute("aria-label", line);
  keyed($("day"), quarters, (_, index) => `${index}`,
    () => {
      const column = element("span", "quarter");
      column.append(element("i", "freed"), element("i", "waited"), element("i", "failed"));
      return column;
    },
    (column, quarter, index) => {
      column.classList.toggle("unseen", isUnseen(index) && quarter.failed + quarter.waited + quarter.freed === 0);
      for (const name of ["failed", "waited"]) {
        const bar = column.querySelector(`.${name}`);
        bar.hidden = quarter[name] === 0;
        bar.style.height = `${Math.max(8, Math.round((quarter[name] / most) * 80))}%`;
      }
      column.querySelector(".freed").hidden = quarter.freed === 0;
      const parts = [quarter.failed && `${quarter.failed} failed`, quarter.waited && `${quarter.waited} waited`, quarter.freed && `${quarter.freed} freed`].filter(Boolean);
      const title = parts.length > 0 ? `${clock(Date.parse(from) + index * quarter_ms)}: ${parts.join(", ")}` : "";
      if (column.title !== title) column.title = title;
    });
}

const fileName = (path) => (path ? path.split("/").pop() : "");

function chatOf(lock) {
  if (lock.name) return lock.name;
  if (lock.session_id) return lock.session_id;
  return lock.kind === "store" ? "session store" : `${lock.kind} · ${fileName(lock.path)}`;
}

function ownerOf(owner) {
  if (owner.pid === null) return "No process is named.";
  return `Owner: ${owner.command ?? (owner.alive === false ? "gone" : "unknown")} (pid ${owner.pid}).`;
}

function createLock() {
  const lock = element("details", "lock");
  const summary = element("summary");
  summary.append(element("span", "chat"), element("span", "word"), element("span", "age"));
  const meter = element("span", "meter");
  meter.append(element("i"));
  const facts = element("div", "facts");
  facts.append(element("p", "rule"), element("p", "limit"), element("p", "path"));
  facts.lastChild.append(element("code"));
  lock.append(summary, meter, facts);
  return lock;
}

function updateLock(node, lock) {
  node.className = `lock ${lock.effect === "harmless" ? "unknown" : TONES[lock.verdict] ?? "degraded"}`;
  setText(node.querySelector(".chat"), chatOf(lock));
  setText(node.querySelector(".word"), lock.setback ? "could not be freed" : lock.effect);
  node.querySelector(".word").title = [lock.verdict, ...lock.reasons].join(", ");
  setAge(node.querySelector(".age"), lock.age_ms);
  const sentences = [lock.rule, lock.note && `${lock.note}.`, lock.setback && `Not freed: ${lock.setback}.`, ownerOf(lock.owner)];
  setText(node.querySelector(".rule"), sentences.filter(Boolean).join(" "));
  const limit = node.querySelector(".limit");
  setText(limit, lock.limit_ms === null ? "" : `Limit ${duration(lock.limit_ms)}: ${lock.limit_source}.`);
  limit.hidden = lock.limit_ms === null;
  setText(node.querySelector("code"), lock.path);
  const share = lock.limit_ms ? Math.min(lock.age_ms / lock.limit_ms, 1) : 0;
  const meter = node.querySelector(".meter");
  meter.hidden = share < 0.02;
  meter.firstChild.style.width = `${Math.round(share * 100)}%`;
}

function showLocks(status) {
  const words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const matches = (lock) => {
    const text = [chatOf(lock), lock.session_key, lock.agent, lock.verdict, lock.effect, lock.kind, lock.path, ...lock.reasons].join(" ").toLowerCase();
    return words.every((word) => text.includes(word));
  };
  const shown = status.locks.filter((lock) => (!onlySick || SICK.has(lock.verdict)) && matches(lock));
  const agents = new Map();
  for (const lock of shown) {
    const name = lock.agent ?? "(no agent)";
    agents.set(name, [...(agents.get(name) ?? []), lock]);
  }
  const sick = (locks) => locks.filter((lock) => SICK.has(lock.verdict)).length;
  const ordered = [...agents].sort(([a, left], [b, right]) => sick(right) - sick(left) || a.localeCompare(b));
  const few = shown.length <= 12 || words.length > 0;
  $("agents").classList.toggle("few", agents.size < 4);
  keyed($("agents"), ordered, ([name]) => name,
    ([name]) => {
      const node = element("details", "agent");
      const summary = element("summary");
      const tally = element("span", "tally");
      tally.append(element("b"), " ", element("span"));
      summary.append(element("span", "name"), tally);
      summary.addEventListener("click", () => openedByHand.set(name, !node.open));
      node.append(summary, element("div", "list"));
      return node;
    },
    (node, [name, locks]) => {
      const ill = sick(locks);
      node.classList.toggle("degraded", ill > 0);
      setText(node.querySelector(".name"), name);
      setText(node.querySelector(".tally b"), ill > 0 ? `${ill} of` : "");
      setText(node.querySelector(".tally span"), many(locks.length, "lock"));
      const open = openedByHand.get(name) ?? few;
      if (node.open !== open) node.open = open;
      keyed(node.querySelector(".list"), open ? locks : [], (lock) => lock.path, createLock, updateLock);
    });
  const counts = Object.entries(status.summary).filter(([verdict, count]) => verdict !== "total" && count > 0);
  setText($("counts"), counts.map(([verdict, count]) => `${count} ${verdict}`).join(" · "));
  const none = words.length > 0 ? "No lock matches." : onlySick && status.summary.total > 0 ? "No lock needs attention." : "No locks: no session is being written to right now.";
  const omitted = status.locks_omitted > 0 ? `${many(status.locks_omitted, "more lock")}, all in better health than these.` : "";
  setText($("no-locks"), shown.length > 0 ? omitted : none);
  $("no-locks").hidden = shown.length > 0 && !omitted;
}

// Median, p95, longest; of one or two the longest says it all.
function spread(times, count) {
  if (!times) return "";
  if (count < 3 || times.p50 === times.max) return duration(times.max);
  return [times.p50, times.p95, times.max].map(duration).join(" · ");
}

function showLanes(status) {
  const { lanes, logs } = status;
  setText($("lanes-count"), lanes.length > 0 ? `${lanes.length}` : "none told of");
  setText($("lanes-line"), logs.files === 0 ? "No gateway log is followed (see --log)."
    : lanes.length === 0 ? `Nothing about lanes in the logs of the last ${duration(logs.window_ms)}.`
    : `From ${many(logs.files, "log")}, at least the last ${duration(logs.window_ms)}. The gateway logs a wait from two seconds on.`);
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

function showLeases(status) {
  const { leases, running } = status;
  $("leases-section").hidden = leases.length === 0 && running.length === 0;
  setText($("leases-count"), [many(leases.length, "lease"), ...(running.length > 0 ? [`${running.length} running`] : [])].join(" · "));
  setText($("leases-line"), running.length === 0 ? "No session is marked as running."
    : `${many(running.length, "session")} marked as running: ${running.map((session) => session.session_key).join(", ")}.`);
  const alike = new Map();
  for (const lease of leases) {
    const key = [lease.verdict, lease.kind, lease.agent, lease.owner.pid].join(" ");
    alike.set(key, [...(alike.get(key) ?? []), lease]);
  }
  keyed($("leases"), [...alike], ([key]) => key, () => element("li"),
    (item, [, [lease, ...others]]) => {
      const times = others.length > 0 ? ` (${others.length + 1} of them)` : "";
      const name = [lease.kind, lease.agent].filter(Boolean).join(" of ");
      setText(item, [`${name}${times}: ${lease.state}`, ...lease.because, lease.openclaw_would].filter(Boolean).join(" "));
    });
}

function showHolds(holds) {
  setText($("holds-count"), holds.recent === 0 ? "none yet" : `median ${duration(holds.p50_ms)}`);
  setText($("holds-line"), holds.recent === 0
    ? "No lock was seen from its creation to its release since the start."
    : `Median ${duration(holds.p50_ms)}, p95 ${duration(holds.p95_ms)}, longest ${duration(holds.max_ms)}; of the last ${holds.recent} of ${holds.total}.`);
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

function showActs(status) {
  const acts = status.acts.slice(0, 8);
  $("acts-section").hidden = acts.length === 0 && status.mode !== "reclaim";
  $("no-acts").hidden = acts.length > 0;
  keyed($("acts"), acts, (act) => `${act.at} ${act.lock}`,
    () => {
      const item = element("li");
      item.append(element("time", "quiet"), " ", element("strong"), " ", element("span"));
      return item;
    },
    (item, act) => {
      const time = item.querySelector("time");
      time.dateTime = act.at;
      setText(time, clock(act.at));
      setText(item.querySelector("strong"), act.session_key ?? fileName(act.lock));
      const why = `${act.result} (${[act.verdict, ...act.reasons].join(", ")}), ${duration(act.after_ms)} after it was first seen so.`;
      setText(item.lastChild, why + (act.quarantine_id ? ` Kept as ${act.quarantine_id}.` : act.why ? ` ${act.why}.` : ""));
    });
}

function show(status) {
  last = status;
  lastAt = performance.now();
  showBanner(status);
  showCauses(status);
  showGateways(status);
  showDay(status);
  showLocks(status);
  showActs(status);
  showLanes(status);
  showHolds(status.holds);
  showLeases(status);
  setText($("version"), `lockdoctor ${status.version}`);
}

async function read() {
  clearTimeout(timer);
  try {
    const answer = await fetch("status.json", { cache: "no-store", signal: AbortSignal.timeout(10000) });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const status = await answer.json();
    document.body.classList.remove("offline");
    $("offline").hidden = true;
    show(status);
    pause = EVERY;
  } catch {
    pause = Math.min(pause * 2, SLOWEST);
    document.body.classList.add("offline");
    tell("unknown", "lockdoctor does not answer");
    setText($("offline"), last ? `What you see is from ${clock(last.generated_at)}. Trying again.` : "Nothing is known. Trying again.");
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
$("filter").addEventListener("input", () => last && showLocks(last));
$("agents").addEventListener("toggle", () => last && showLocks(last), true);
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== $("filter")) {
    event.preventDefault();
    $("filter").focus();
  } else if (event.key === "Escape" && document.activeElement === $("filter")) {
    $("filter").value = "";
    if (last) showLocks(last);
  }
});
document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : read()));
setInterval(() => {
  if (!document.hidden && !document.body.classList.contains("offline")) document.querySelectorAll("[data-age]").forEach(runAge);
}, 1000);
read();
