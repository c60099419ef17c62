// releaser.mjs KEY ROUNDS KIND SESSION.jsonl: one of several processes that take turns at the same session, by the real
// lock code. Each round takes a lock, holds it, and lets go with a disturbance around the release:
//   release   between the close and the unlink the loop blocks (spinning, Atomics.wait, spawnSync), the pool hangs in
//             four calls, or the process is stopped, for 0.1 to 20 s
//   copies    while it holds, a copy of the lock is put under the name: over its own file, which is put back before it lets
//             go, or (to 2026.5.7, which then removes the copy) in its place
// None of it leaves a lock behind: over one of those, waiters of OpenClaw rob each other by themselves.
// It asks its parent to be continued with {"event":"stop","ms":…}. Ends with the count:
//   lost      while it held, the name was gone or another owner's for 200 ms
//   doubled   two were inside at once
//   blocked   it could not get in within five minutes
//   refused   it was turned away before: 2026.5.12 to 5.20 let their own race with a vanishing lock show
//   stalls, long_stalls (over 5 s), copies: what it did
import fs from "node:fs";
import fsp from "node:fs/promises";
import path from "node:path";
import { execFileSync, spawnSync } from "node:child_process";
import { syncBuiltinESMExports } from "node:module";
import { sleep } from "./gateway.mjs";
import { load } from "./lockcode.mjs";
import { since } from "./planted.mjs";

const GRACE_MS = 200;
const PATIENCE_MS = 300_000;
const LONG_MS = 5000;
const [key, rounds, kind, session] = process.argv.slice(2);
// Under another name the waiters of 2026.5.22 would take the owner for a stranger, and rob it themselves.
process.title = "openclaw";
const say = (event, more) => fs.writeSync(1, `${JSON.stringify({ event, ...more })}\n`);
const chance = (share) => Math.random() < share;
const between = (least, most) => least * (most / least) ** Math.random();
const bytesOf = (file) => {
  try {
    return fs.readFileSync(file);
  } catch {
    return null;
  }
};

const fifo = path.join(path.dirname(session), `pipe-${process.pid}`);
execFileSync("mkfifo", [fifo]);

/** Each returns once the time is over, or lets it pass beside the loop (the pool). */
const stalls = {
  spin: (ms) => {
    for (const end = Date.now() + Math.min(ms, 1500); Date.now() < end; );
  },
  wait: (ms) => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms),
  child: (ms) => void spawnSync("sleep", [String(ms / 1000)]),
  stop: (ms) => {
    say("stop", { ms });
    process.kill(process.pid, "SIGSTOP");
  },
  pool: (ms) => {
    for (let i = 0; i < 4; i++) fs.open(fifo, "r", (_, fd) => fd && fs.close(fd, () => {}));
    setTimeout(() => {
      const writer = fs.openSync(fifo, fs.constants.O_RDWR);
      setTimeout(() => fs.closeSync(writer), 20);
    }, ms);
  },
};
const kinds = Object.keys(stalls);
const count = { rounds: 0, lost: 0, doubled: 0, blocked: 0, refused: 0, stalls: 0, long_stalls: 0, copies: 0 };

function stall() {
  const ms = Math.round(between(100, 20_000));
  const how = kinds[Math.floor(Math.random() * kinds.length)];
  count.stalls += 1;
  count.long_stalls += ms > LONG_MS && how !== "spin";
  stalls[how](ms);
}

// The package's own steps, disturbed: everything it imports from fs goes through these.
const disturbed = new Map();
const { rm } = fsp;
fsp.rm = async (file, options) => {
  const disturb = disturbed.get(String(file));
  disturbed.delete(String(file));
  disturb?.();
  return rm.call(fsp, file, options);
};
syncBuiltinESMExports();
const code = await load(key);

const lock = `${fs.realpathSync(session)}.lock`;
for (; count.rounds < Number(rounds); count.rounds += 1) await round();
say("done", count);
process.exit();

async function round() {
  const start = Date.now();
  let held;
  try {
    held = await code.acquire(session, PATIENCE_MS);
  } catch {
    count[Date.now() - start < PATIENCE_MS * 0.9 ? "refused" : "blocked"] += 1;
    return;
  }
  const inside = `${session}.inside`;
  try {
    fs.closeSync(fs.openSync(inside, "wx"));
  } catch {
    count.doubled += 1;
  }
  const own = bytesOf(lock);
  const copied = kind === "copies" && own !== null && chance(0.5);
  const putBack = copied ? copy(own) : () => {};
  // Long enough at times that a late unlink finds it inside.
  await watch(own, copied ? between(100, 12_000) : between(2, 5000));
  putBack();
  fs.rmSync(inside, { force: true });

  if (kind === "release" && chance(0.5)) disturbed.set(lock, stall);
  const early = kind === "release" && chance(0.1);
  const released = held.release().catch(() => {});
  const timer = early && setTimeout(stall, Math.random() * 2);
  await released;
  clearTimeout(timer);
  disturbed.delete(lock);
}

function copy(own) {
  const [aside, away] = [`${lock}.copy`, `${lock}~`];
  fs.writeFileSync(aside, own);
  count.copies += 1;
  if (!since(code.version, "2026.5.12") && chance(0.5)) {
    fs.renameSync(aside, lock);
    return () => {};
  }
  // The name is never free: a waiter would take it.
  fs.rmSync(away, { force: true });
  fs.linkSync(lock, away);
  fs.renameSync(aside, lock);
  return () => fs.renameSync(away, lock);
}

/** Sees to it that the name leads to this owner's lock, or a copy of it, for as long as it holds. */
async function watch(own, ms) {
  let away = null;
  for (const end = Date.now() + ms; Date.now() < end || away !== null; ) {
    if (own !== null && bytesOf(lock)?.equals(own)) {
      away = null;
    } else {
      away ??= Date.now();
      if (Date.now() - away > GRACE_MS) {
        count.lost += 1;
        return;
      }
    }
    await sleep(Math.min(20, Math.max(1, end - Date.now())));
  }
}
