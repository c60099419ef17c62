#!/usr/bin/env node
// torture-lease.mjs WAY SECONDS [OWNERS]: OpenClaw's real acquireGatewayLock (lease-owner.mjs), its owners killed and
// stopped at random under changing host names, beside a remover that takes rows of the dead all the time. Counts live
// leases that were lost. WAY:
//   act          lockdoctor reclaim --leases --yes, again and again
//   child        the act alone, told to remove whatever row stands: nothing but its own proofs keeps it from that
//   naive        DELETE as soon as a row is 0.3 s old                        (a control: must lose)
//   age          DELETE, with owner and heartbeat, once a row is AGE_MS old  (a control: must lose)
//   coordinator  the same while gateway.state.lock.sqlite is held            (a control: must lose)
// In the environment: LAB_DIR (openclaw-VERSION in it), VERSION, NODE, LOCKDOCTOR (the binary), STOPS=1 (owners are
// stopped for 3 s in the middle of their start), AGE_MS. Needs root (unshare -u). Prints one line of JSON; exit 1 where a
// live lease was lost by act or child, or by no control.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { spawn } from "node:child_process";
import { DatabaseSync } from "node:sqlite";

const [way, seconds, owners = "2"] = process.argv.slice(2);
const lab = process.env.LAB_DIR ?? "/tmp/lab";
const version = process.env.VERSION ?? "2026.9.6";
const lockdoctor = process.env.LOCKDOCTOR ?? "lockdoctor";
const dist = path.join(lab, `openclaw-${version}/node_modules/openclaw/dist`);
const script = path.join(import.meta.dirname, "lease-owner.mjs");
const home = fs.mkdtempSync(path.join(os.tmpdir(), "torture-lease-"));
const state = path.join(home, ".openclaw");
const database = path.join(state, "state/openclaw.sqlite");
const locks = path.join(state, `tmp/openclaw-${process.getuid()}`);
const counts = { acquired: 0, refused: 0, died: 0, released: 0, lost: 0, "lost-while-starting": 0, robbed: 0, crashed: 0 };
const answers = {};
let removed = 0, crash;
const pick = (items) => items[Math.floor(Math.random() * items.length)];
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const running = new Set();

function owner(host, hold, end) {
  const words = ["--uts", "sh", "-c", 'hostname "$1"; shift; exec "$@"', "x", host, process.execPath, script, dist, state];
  const child = spawn("unshare", [...words, String(hold), end], { stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  let out = "", complaint = "";
  child.stdout.on("data", (data) => (out += data));
  child.stderr.on("data", (data) => (complaint += data));
  const ended = new Promise((resolve) => child.on("close", (code, signal) => {
    running.delete(child);
    // What OpenClaw itself logs stands between.
    for (const line of out.split("\n").filter((line) => line.startsWith('{"pid"'))) {
      const said = JSON.parse(line);
      counts[said.event]++;
    }
    if (code !== 0 && code !== 2 && signal !== "SIGKILL") {
      counts.crashed++;
      crash = complaint.slice(-300);
    }
    resolve();
  }));
  return { child, ended };
}

async function contend(until) {
  while (Date.now() < until) {
    const { child, ended } = owner("h" + pick([0, 1, 2]), pick([50, 200, 600, 1500]), pick(["die", "die", "release"]));
    if (process.env.STOPS && Math.random() < 0.5) {
      await sleep(100 + Math.random() * 900);
      child.kill("SIGSTOP");
      await sleep(3000);
      child.kill("SIGCONT");
    }
    await ended;
  }
}

function runs(pid) {
  try {
    return !/\) [ZX] /.test(fs.readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

/** An owner that loses its row before it has the lock says only that it was refused. */
function removedRow(owner) {
  removed++;
  if (owner?.pid && runs(owner.pid)) counts.robbed++;
}

const SELECT = "SELECT owner, heartbeat_at, payload_json FROM state_leases WHERE scope = 'gateway-owner' AND lease_key = 'global'";
const DELETE = "DELETE FROM state_leases WHERE scope = 'gateway-owner' AND lease_key = 'global'";

/** What somebody might write instead. */
async function control(until) {
  const db = new DatabaseSync(database);
  db.exec("PRAGMA busy_timeout = 20000");
  while (Date.now() < until) {
    await sleep(10);
    let held;
    try {
      const row = db.prepare(SELECT).get();
      const age = row && Date.now() - row.heartbeat_at;
      if (!row || way === "naive" && age < 300 || way === "age" && age < Number(process.env.AGE_MS ?? 1000)) continue;
      if (way === "coordinator") {
        held = new DatabaseSync(path.join(locks, "gateway.state.lock.sqlite"));
        held.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
      }
      await sleep(pick([0, 0, 3, 20]));
      const done = way === "naive" ? db.prepare(DELETE).run()
        : db.prepare(DELETE + " AND owner = ? AND heartbeat_at IS ?").run(row.owner, row.heartbeat_at);
      if (done.changes) removedRow(JSON.parse(row.payload_json).owner);
    } catch (error) {
      if (!/locked|busy/.test(error.message)) throw error;
    } finally {
      held?.close();
    }
  }
  db.close();
}

function run(words, input) {
  return new Promise((resolve) => {
    const child = spawn(lockdoctor, words, { stdio: ["pipe", "pipe", "ignore"] });
    let out = "";
    child.stdout.on("data", (data) => (out += data));
    child.on("close", () => resolve(out));
    child.stdin.on("error", () => {});
    child.stdin.end(input);
  });
}

async function act(until) {
  while (Date.now() < until) {
    const said = await run(["reclaim", "--leases", "--yes", "--json", "--state-dir", state]);
    for (const lease of JSON.parse(said || "{}").leases ?? []) note(lease.result, lease.error, { pid: lease.owner_pid });
  }
}

async function child(until) {
  const root = fs.statSync(state);
  while (Date.now() < until) {
    await sleep(5);
    // Closed at once: it would be another process that has the database open.
    const db = new DatabaseSync(database);
    db.exec("PRAGMA busy_timeout = 20000");
    const row = db.prepare(SELECT).get();
    db.close();
    if (!row) continue;
    const subject = { lock: "state/openclaw.sqlite#state_leases/gateway-owner/global", kind: "gateway-owner" };
    const remove = { row: { owner: row.owner, heartbeat_at: row.heartbeat_at }, subject };
    const order = { state_dir: state, id: [root.dev, root.ino], waits: true, what: { Remove: remove } };
    const said = JSON.parse((await run(["lease-actor"], JSON.stringify(order))) || "null");
    const result = typeof said === "string" ? said : Object.keys(said ?? { none: 1 })[0];
    note(result === "removed" ? "reclaimed" : result, said?.refused?.why ?? said?.failed?.why, JSON.parse(row.payload_json).owner);
  }
}

function note(result, why, owner) {
  if (result === "reclaimed") removedRow(owner);
  const key = why ? `${result}: ${why.replace(/pid \d+/, "pid …").slice(0, 70)}` : result;
  answers[key] = (answers[key] ?? 0) + 1;
}

fs.mkdirSync(path.join(state, "state"), { recursive: true, mode: 0o700 });
fs.writeFileSync(path.join(state, "openclaw.json"), JSON.stringify({ meta: { lastTouchedVersion: version } }));
// The first owner makes the database.
await owner("h0", 50, "release").ended;
// A gateway that has started leaves it in WAL mode; acquireGatewayLock alone does not.
const made = new DatabaseSync(database);
made.exec("PRAGMA journal_mode = WAL");
made.close();
Object.keys(counts).forEach((key) => (counts[key] = 0));
const until = Date.now() + Number(seconds) * 1000;
const remover = { act, child }[way] ?? control;
await Promise.all([...Array.from({ length: Number(owners) }, () => contend(until)), remover(until)]);
const db = new DatabaseSync(database);
const integrity = db.prepare("PRAGMA integrity_check").get().integrity_check;
db.close();
const stops = Boolean(process.env.STOPS);
console.log(JSON.stringify({ way, version, seconds: Number(seconds), owners: Number(owners), stops, ...counts, removed, integrity, answers, crash }));
fs.rmSync(home, { recursive: true, force: true });
const bad = counts.lost + counts["lost-while-starting"] + counts.robbed;
process.exit((["act", "child"].includes(way) ? bad > 0 : bad === 0) || integrity !== "ok" ? 1 : 0);
