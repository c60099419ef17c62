// contender.mjs KEY ROUNDS DEAD-LOCK SESSION.jsonl…: owners under siege, one for each session. Each round leaves
// the bytes of DEAD-LOCK (what a killed owner left) at the lock's path, takes the real lock about when the
// besieger, as measured on the way, will have come to it, and watches that the path names its own file for as
// long as it holds it. Ends, after ROUNDS in all, with the count:
//   lost       a live owner's lock was gone, and did not come back within 200 ms
//   replaced   it was another file's for an instant, and its own again; longest_us is the longest instant
//   risen      the lock was back after its owner had let go
//   blocked    the owner could not get in within the time limit
//   refused    it was turned away at once: 2026.5.12 to 5.20 let their own race with a vanishing lock show
//   met        the rounds in which the dead lock had been swapped or removed before the owner came
import fs from "node:fs";
import fsp from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { sleep } from "./gateway.mjs";
import { load } from "./lockcode.mjs";

const GRACE_MS = 200;
const TIMEOUT_MS = 10_000;
const HOLD_US = 2000;
const [key, rounds, deadLock, ...sessions] = process.argv.slice(2);
const code = await load(key);
const dead = fs.readFileSync(deadLock);
const us = () => Number(process.hrtime.bigint() / 1000n);
const spin = (microseconds, look = () => {}) => {
  for (const end = us() + microseconds; us() < end; ) look();
};
const same = (a, b) => a !== undefined && b !== undefined && a.ino === b.ino && a.dev === b.dev;

// The package's own handle on a lock tells which file it believes to own; the code itself stays as it is.
const owned = new Map();
const { open } = fsp;
fsp.open = async (file, ...rest) => {
  const handle = await open.call(fsp, file, ...rest);
  if (String(file).endsWith(".lock")) owned.set(file, { ...fs.fstatSync(handle.fd, { bigint: true }), madeAt: us() });
  return handle;
};
syncBuiltinESMExports();

// How long the besieger takes to free a dead lock, and an owner to make its own: what the owner makes must
// appear between the besieger's last look and its act. One round in twenty stands back, and measures.
const taken = [];
const making = [];
const keep = (list, microseconds) => list.push(microseconds) > 100 && list.shift();
const one = (list) => list[Math.floor(Math.random() * list.length)] ?? 0;

const count = { rounds: 0, lost: 0, replaced: 0, longest_us: 0, risen: 0, blocked: 0, refused: 0, met: 0 };
let left = Number(rounds);
await Promise.all(sessions.map(async (session) => {
  const lock = `${fs.realpathSync(session)}.lock`;
  while (left-- > 0) {
    await round(session, lock);
    count.rounds += 1;
  }
}));
console.log(JSON.stringify({ event: "done", ...count }));
process.exit();

async function round(session, lock) {
  const at = () => fs.lstatSync(lock, { bigint: true, throwIfNoEntry: false });
  const bytes = () => {
    try {
      return fs.readFileSync(lock);
    } catch {
      return null;
    }
  };
  const aside = `${lock}.plant`;
  fs.writeFileSync(aside, dead);
  const planted = fs.statSync(aside, { bigint: true });
  fs.renameSync(aside, lock);
  await aim(() => same(at(), planted));
  if (!same(at(), planted)) count.met += 1;

  const start = us();
  let held;
  try {
    held = await code.acquire(session, TIMEOUT_MS);
  } catch {
    count[us() - start < TIMEOUT_MS * 900 ? "refused" : "blocked"] += 1;
    return;
  }
  const mine = owned.get(lock);
  keep(making, mine.madeAt - start);
  let away = null;
  const look = () => {
    if (!same(at(), mine)) {
      away ??= us();
    } else if (away !== null) {
      count.replaced += 1;
      count.longest_us = Math.max(count.longest_us, us() - away);
      away = null;
    }
  };
  spin(Math.random() ** 3 * HOLD_US, look);
  look();
  for (const end = us() + GRACE_MS * 1000; away !== null && us() < end; ) look();
  if (away !== null) count.lost += 1;

  const own = away === null ? bytes() : null;
  await held.release();
  if (own && bytes()?.equals(own)) {
    await sleep(GRACE_MS);
    if (bytes()?.equals(own)) count.risen += 1;
  }
}

async function aim(lies) {
  const start = us();
  if (taken.length === 0 || Math.random() < 0.05) {
    while (lies() && us() - start < 500_000) await sleep(0);
    return keep(taken, us() - start);
  }
  const far = Math.random() < 0.5;
  const wait = far ? one(taken) * Math.random() * 1.1 : one(taken) - one(making) + (Math.random() - 0.6) * 500;
  if (wait > 3000) await sleep(wait / 1000 - 2);
  spin(Math.min(wait - (us() - start), 3000));
}
