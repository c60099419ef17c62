#!/usr/bin/env node
// sqlite-era.mjs [KEY…]: what lockdoctor says of real gateways that keep their sessions in SQLite, at each step
// of a life: healthy, killed in mid-run, started under another host name, started again; on the machine itself
// and in a container; one state directory beside another. Prints the table of docs/sqlite-era.md.
// Needs root (namespaces), node >= 24, gateways (install.mjs), and the binary in $LOCKDOCTOR_BIN.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { spawnSync } from "node:child_process";
import { fingerprint } from "./fingerprint.mjs";
import { gateways } from "./lockcode.mjs";
import { Gateway, Model, sleep, until } from "./gateway.mjs";

const KEYS = ["openclaw-2026.8.2", "openclaw-2026.9.6"];
const tool = process.env.LOCKDOCTOR_BIN ?? path.resolve(import.meta.dirname, "../../target/debug/lockdoctor");

const rows = [];
let failed = 0;
function must(condition, what, detail) {
  if (condition) return;
  failed++;
  console.error(`FAILED: ${what}: ${JSON.stringify(detail)?.slice(0, 2000)}`);
}

/** lockdoctor as it is run on the machine, or where `gateway` runs. */
function run(args, { inside } = {}) {
  const [command, ...rest] = [...(inside?.prefix() ?? []), tool, ...args];
  const { status, stdout, stderr } = spawnSync(command, rest, { encoding: "utf8", env: { ...process.env, NO_COLOR: "1", COLUMNS: "100" } });
  return { status, stdout, stderr };
}

/** Everything lockdoctor says at one moment, each part held against the others. */
function look(step, gateway, { exit, inside, alive = [], beside = [] }) {
  const dirs = [gateway, ...beside].flatMap((g) => ["--state-dir", g.state]);
  const scanned = run(["scan", "--json", ...dirs], { inside });
  const at = `${gateway.key} ${step}`;
  must(scanned.status === exit.scan, `${at}: scan exits ${exit.scan}`, scanned);
  const scan = JSON.parse(scanned.stdout);
  const root = scan.roots[0];
  must(root.era === "sqlite" && root.openclaw_version === gateway.version, `${at}: era and version`, root);
  must(root.gateway.state === (alive.includes(gateway) ? "running" : "down"), `${at}: gateway state`, root);
  const mine = scan.locks.filter((lock) => lock.path.startsWith(gateway.state));
  const live = alive.map((g) => g.pid);
  for (const lock of scan.locks.filter((lock) => ["lease", "gateway"].includes(lock.kind))) {
    const owned = live.includes(lock.owner.pid) || alive.some((g) => g.container && lock.path.startsWith(g.state) && lock.owner.pid === 1);
    if (lock.verdict === "stale") must(lock.reasons.length > 0 && !(owned && lock.owner.alive), `${at}: a live owner's is called stale`, lock);
    if (owned && !gateway.container) must(lock.verdict === "held", `${at}: a live owner's is held`, lock);
    must(["none", "report"].includes(lock.action), `${at}: never more than a report`, lock);
    const explained = run(["explain", lock.path], { inside });
    must(explained.status === 0 && explained.stdout.includes(lock.verdict), `${at}: explain takes what scan names`, { path: lock.path, explained });
  }
  const told = (lock) => [lock.verdict, ...(lock.reasons.length ? [`(${lock.reasons.join(", ")})`] : [])].join(" ");
  const tally = (locks) => {
    const counts = new Map();
    for (const lock of locks) counts.set(told(lock), (counts.get(told(lock)) ?? 0) + 1);
    return [...counts].map(([what, n]) => `${n} ${what}`).join(", ") || "none";
  };
  const lease = mine.find((lock) => lock.path.endsWith("#state_leases/gateway-owner/global"));
  const file = mine.find((lock) => lock.path.endsWith("gateway.state.lock"));
  const examined = run(["diagnose", "--json", ...dirs], { inside });
  must(examined.status === exit.diagnose, `${at}: diagnose exits ${exit.diagnose}`, examined);
  const { findings } = JSON.parse(examined.stdout);
  const first = findings[0];
  rows.push([
    gateway.version,
    step,
    root.gateway.state,
    file ? told(file) : "none",
    lease ? `${told(lease)}, ${lease.action}` : "none",
    tally(mine.filter((lock) => lock.path.includes("#agent_database_leases/"))),
    first ? `\`${first.code}\` (${first.severity})` : "none",
  ]);
  console.log(`== ${at}\n${run(["scan", ...dirs], { inside }).stdout}\n${run(["diagnose", ...dirs], { inside }).stdout}`);
  return { scan, lease, file, findings };
}

class Stage {
  constructor() {
    this.open = [];
  }

  async gateway(key, options = {}) {
    const home = fs.mkdtempSync(path.join(os.tmpdir(), "lockdoctor-era-"));
    const model = await new Model().start();
    const gateway = new Gateway({ installs: gateways(), key, home, model, ...options });
    this.open.push({ gateway, model, home });
    return gateway;
  }

  async midRun(gateway) {
    await gateway.start();
    await gateway.message("hello [[tag=warm]]");
    gateway.message("[[delay=600]] [[tag=long]]", { limitMs: 600_000 }).catch(() => {});
    await until(() => gateway.model.seen.has("long"), 90_000);
    await sleep(2000);
  }

  async refused(gateway) {
    try {
      await gateway.start(90_000);
      return false;
    } catch {
      return true;
    }
  }

  /** Until it is buried: on a busy machine a killed process keeps its files open for a while. */
  async kill(gateway) {
    await gateway.kill();
    must(await until(() => !fs.existsSync(`/proc/${gateway.pid}`), 60_000), `${gateway.key}: it lives on`, gateway.pid);
  }

  async close() {
    for (const { gateway, model, home } of this.open) {
      await gateway.kill("SIGKILL");
      model.stop();
      if (!process.env.LOCKDOCTOR_KEEP) fs.rmSync(home, { recursive: true, force: true });
    }
  }
}

async function aLife(key) {
  const stage = new Stage();
  // The owner's lease is of 2026.9.2: before it, another host name does not matter.
  const hasOwner = key !== "openclaw-2026.8.2";
  try {
    const gateway = await stage.gateway(key);
    await stage.midRun(gateway);
    let seen = look("in a run", gateway, { alive: [gateway], exit: { scan: 0, diagnose: 0 } });
    must(seen.file?.verdict === "held" && (!hasOwner || seen.lease?.verdict === "held"), `${key}: held while it lives`, seen);

    await stage.kill(gateway);
    const before = fingerprint(gateway.state).join("\n");
    seen = look("killed", gateway, { exit: { scan: 1, diagnose: 1 } });
    must(seen.file?.verdict === "stale" && seen.file.reasons.includes("dead-pid"), `${key}: the dead gateway's lock`, seen.file);
    must(!hasOwner || seen.lease?.reasons.includes("dead-pid"), `${key}: the dead gateway's lease`, seen.lease);
    must(before === fingerprint(gateway.state).join("\n"), `${key}: lockdoctor left a trace`, before);

    const other = await stage.gateway(key);
    await other.start();
    look("killed, another gateway beside it", gateway, { alive: [other], beside: [other], exit: { scan: 1, diagnose: 1 } });
    await stage.kill(other);

    gateway.hostname = "re-created";
    const refused = await stage.refused(gateway);
    must(refused === hasOwner, `${key}: refused under another host name`, refused);
    if (refused) {
      seen = look("refused under another host name", gateway, { inside: gateway, exit: { scan: 1, diagnose: 1 } });
      must(seen.lease?.verdict === "stale" && seen.lease.action === "report", `${key}: why it is refused`, seen.lease);
      must(seen.findings[0]?.code === "lease-stuck", `${key}: why it is refused`, seen.findings);
    } else {
      look("started under another host name", gateway, { alive: [gateway], inside: gateway, exit: { scan: 0, diagnose: 0 } });
      await stage.kill(gateway);
    }
    gateway.hostname = undefined;
    await gateway.start();
    await gateway.message("again [[tag=again]]");
    look("started again", gateway, { alive: [gateway], exit: { scan: 0, diagnose: 0 } });
  } finally {
    await stage.close();
  }
}

/** The same in a container that is made anew: pid 1 again, and another host name. */
async function inContainers(key) {
  const stage = new Stage();
  const hasOwner = key !== "openclaw-2026.8.2";
  try {
    const gateway = await stage.gateway(key, { container: true, hostname: "first" });
    await stage.midRun(gateway);
    look("container: in a run, seen from the host", gateway, { alive: [gateway], exit: { scan: 0, diagnose: 0 } });
    await stage.kill(gateway);
    look("container: killed, seen from the host", gateway, { exit: { scan: 1, diagnose: 1 } });
    gateway.hostname = "second";
    const refused = await stage.refused(gateway);
    must(refused === hasOwner, `${key}: refused in a new container`, refused);
    if (refused) look("container made anew: refused, seen from the host", gateway, { exit: { scan: 1, diagnose: 1 } });
    else look("container made anew: runs, seen from the host", gateway, { alive: [gateway], exit: { scan: 0, diagnose: 0 } });
  } finally {
    await stage.close();
  }
}

const wanted = process.argv.slice(2).length ? process.argv.slice(2) : KEYS;
const missing = wanted.filter((key) => !fs.existsSync(path.join(gateways(), key)));
if (missing.length) console.error(`SKIPPED: ${missing.join(", ")}: not installed below ${gateways()} (tests/real/install.mjs)`);
for (const key of wanted.filter((key) => !missing.includes(key))) {
  await aLife(key);
  await inContainers(key);
}
console.log("| version | moment | gateway | `gateway.state.lock` | owner's lease, action | agent databases | `diagnose`, first |");
console.log("|---|---|---|---|---|---|---|");
for (const row of rows) console.log(`| ${row.join(" | ")} |`);
process.exit(failed ? 1 : 0);
