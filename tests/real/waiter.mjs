// waiter.mjs KEY SESSIONS-DIR STRANGER LOOKALIKE DEAD: plants every kind of left-over lock, each on a session
// of its own, and lets the real code wait for it. STRANGER, LOOKALIKE and DEAD are pids.
//   1. alone, for a moment: which kinds does this version free by itself?
//   2. with the others planted anew: says "waiting", and for each how long after the lock file had been
//      swapped under it its waiter got in.
import fs from "node:fs";
import path from "node:path";
import { load } from "./lockcode.mjs";
import { oldStorePayload, plant, sessionPayload, since, startTicks } from "./planted.mjs";
import { sleep } from "./gateway.mjs";

const ALONE_MS = 2500;
const WAIT_MS = 10_000;
const [key, dir, ...pids] = process.argv.slice(2);
const [stranger, lookalike, dead] = pids.map(Number);
const code = await load(key);
const say = (event, more) => console.log(JSON.stringify({ event, ...more }));

const readable = (link) => {
  try {
    return fs.readlinkSync(link) !== "";
  } catch {
    return false;
  }
};
const session = (pid, more) => () => ({ bytes: sessionPayload(code.version, { pid, agoMs: 0, ...more }), ago: 0 });
const kinds = {
  "live unrelated pid": session(stranger),
  "live unrelated pid, right start time": session(stranger, { ticks: startTicks(stranger) }),
  "own pid": session(process.pid),
  "own pid, right start time": session(process.pid, { ticks: startTicks(process.pid) }),
  // A container's number, which here is somebody who shows what program it runs.
  ...(readable("/proc/1/exe") ? { "pid 1": session(1) } : {}),
  "look-alike": session(lookalike, { ticks: startTicks(lookalike) }),
  "empty": () => ({ bytes: "", ago: 60_000 }),
  "garbage": () => ({ bytes: "{not json at all", ago: 60_000 }),
};
// The store has a lock of its own making up to 2026.2.12, then, up to 2026.4.29, a session lock's.
const stores = code.store
  ? { "store: dead owner": () => ({ bytes: oldStorePayload({ pid: dead, agoMs: 0 }), ago: 0 }) }
  : since(code.version, "2026.5.2")
    ? {}
    : { "store: own pid, right start time": kinds["own pid, right start time"] };

const cases = Object.entries({ ...kinds, ...stores }).map(([kind, make], i) => {
  const store = kind.startsWith("store");
  const target = store ? path.join(dir, "..", "..", "other", "sessions", "sessions.json") : path.join(dir, `${String(i).padStart(8, "0")}-0000-4000-8000-000000000000.jsonl`);
  fs.mkdirSync(path.dirname(target), { recursive: true });
  if (!store) fs.writeFileSync(target, '{"type":"session"}\n');
  const wait = (ms) => (store && code.store ? code.store(target, () => Date.now(), ms) : code.acquire(target, ms).then(async (held) => {
    const at = Date.now();
    await held.release();
    return at;
  }));
  return { kind, make, lock: `${target}.lock`, wait };
});
const put = ({ make, lock }) => {
  const { bytes, ago } = make();
  return plant(lock, bytes, ago);
};

const stuck = [];
await Promise.all(cases.map(async (c) => {
  put(c);
  try {
    await c.wait(ALONE_MS);
    say("frees-itself", { kind: c.kind });
  } catch {
    stuck.push(c);
  }
  fs.rmSync(c.lock, { force: true });
}));

const inodes = new Map(stuck.map((c) => [c, put(c)]));
const swapped = new Map();
const eye = setInterval(() => {
  for (const c of stuck) {
    if (!swapped.has(c) && fs.statSync(c.lock, { throwIfNoEntry: false })?.ino !== inodes.get(c)) swapped.set(c, Date.now());
  }
}, 2);
const waits = stuck.map(async (c) => {
  try {
    const at = await c.wait(WAIT_MS);
    say("in", { kind: c.kind, after_swap_ms: at - (swapped.get(c) ?? at) });
  } catch (error) {
    say("shut-out", { kind: c.kind, error: String(error.message), lock: fs.existsSync(c.lock) && fs.readFileSync(c.lock, "utf8") });
  }
});
await sleep(700);
say("waiting", { kinds: stuck.map((c) => c.kind), locks: stuck.map((c) => c.lock) });
await Promise.all(waits);
clearInterval(eye);
say("done", { left: cases.filter((c) => fs.existsSync(c.lock)).map((c) => c.kind) });
process.exit();
