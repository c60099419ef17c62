// contender.mjs KEY SESSION.jsonl ROUNDS DEAD-LOCK: an owner under siege. Each round leaves the bytes of
// DEAD-LOCK (what a killed owner left) at the lock's path, takes the real lock about when the besieger, as
// measured on the way, will have come to it, and watches that the path names its own file for as long as it holds it. Ends with the count:
//   lost       a live owner's lock was gone, and did not come back within 200 ms
//   replaced   it was another file's for an instant, and its own again; longest_us is the longest instant
//   risen      the lock was back after its owner had let go
//   blocked    the owner could not get in within the time limit
//   refused    it was turned away at once: 2026.5.12 to 5.20 let their own race with a vanishing lock show
//   met        the rounds in which the dead lock had been swapped or removed before the owner came
import fs from "node:fs";
import fsp from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { load } from "./lockcode.mjs";

const GRACE_MS = 200;
const TIMEOUT_MS = 10_000;
const [key, session, rounds, deadLock] = process.argv.slice(2);
const lock = `${fs.realpathSync(session)}.lock`;
const code = await load(key);

// The package's own handle on the lock tells which file it believes to own; the code itself stays as it is.
let owned = null;
let madeAt = 0;
const { open } = fsp;
fsp.open = async (file, ...rest) => {
  const handle = await open.call(fsp, file, ...rest);
  if (file === lock) {
    owned = fs.fstatSync(handle.fd, { bigint: true });
    madeAt = us();
  }
  return handle;
};
syncBuiltinESMExports();

const us = () => Number(process.hrtime.bigint() / 1000n);
const dead = fs.readFileSync(deadLock);
const at = () => fs.lstatSync(lock, { bigint: true, throwIfNoEntry: false });
const same = (a, b) => a !== undefined && a.ino === b.ino && a.dev === b.dev;
const spin = (microseconds, look = () => {}) => {
  for (const end = us() + microseconds; us() < end; ) look();
};

// How long the besieger takes to free a dead lock, and the owner to make its own: what the owner makes must
// appear between the besieger's last look and its act. One round in twenty it stands back, and measures.
const taken = [];
const making = [];
const keep = (list, microseconds) => list.push(microseconds) > 100 && list.shift();
const one = (list) => list[Math.floor(Math.random() * list.length)] ?? 0;
const aim = (planted) => {
  if (taken.length === 0 || Math.random() < 0.05) {
    const start = us();
    while (same(at(), planted) && us() - start < 300_000);
    return keep(taken, us() - start);
  }
  if (Math.random() < 0.5) return spin(one(taken) * Math.random() * 1.1);
  return spin(one(taken) - one(making) + (Math.random() - 0.6) * 500);
};

const count = { rounds: 0, lost: 0, replaced: 0, longest_us: 0, risen: 0, blocked: 0, refused: 0, met: 0 };
for (; count.rounds < Number(rounds); count.rounds++) {
  const plant = `${lock}.plant`;
  fs.writeFileSync(plant, dead);
  const planted = fs.statSync(plant, { bigint: true });
  fs.renameSync(plant, lock);
  aim(planted);
  if (!same(at(), planted)) count.met += 1;
  let held;
  const since = us();
  try {
    held = await code.acquire(session, TIMEOUT_MS);
  } catch {
    count[us() - since < TIMEOUT_MS * 900 ? "refused" : "blocked"] += 1;
    continue;
  }
  const mine = owned;
  keep(making, madeAt - since);
  let away = null;
  const look = () => {
    if (same(at(), mine)) {
      if (away !== null) {
        count.replaced += 1;
        count.longest_us = Math.max(count.longest_us, us() - away);
        away = null;
      }
    } else away ??= us();
  };
  spin(Math.random() ** 3 * 3000, look);
  look();
  if (away !== null) spin(GRACE_MS * 1000, () => away !== null && look());
  if (away !== null) count.lost += 1;
  // The owner's file must not come back once it is released; an inode number alone may be handed out anew.
  const bytes = away === null ? readIf(lock) : null;
  await held.release();
  if (bytes && readIf(lock)?.equals(bytes)) {
    spin(GRACE_MS * 1000);
    if (readIf(lock)?.equals(bytes)) count.risen += 1;
  }
}
console.log(JSON.stringify({ event: "done", ...count }));
process.exit();

function readIf(file) {
  try {
    return fs.readFileSync(file);
  } catch {
    return null;
  }
}
