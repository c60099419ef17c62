#!/usr/bin/env node
// untouched.mjs KEY… [--seconds 300] [--cores 0.15] [--where host,shared+apart] [--control]
//
// A real gateway (install.mjs) at work, a message every 1 to 2.5 s to one of four sessions, whole or held to a part of a
// core; beside it `scan` in a loop and two daemons that reclaim, one at its defaults, one at the smallest settle that is
// accepted. Nothing here is anybody's to free: no scan may call a lock leaked or stale, and no lock may be swapped. In the
// end, once the gateway has come to rest, a lock that it left behind has to be freed all the same.
// --where: lockdoctor runs on the host, in the gateway's PID namespace, or in one of its own; with + between them in
// several at once beside one gateway. --control: without it.
// Needs root.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { spawn } from "node:child_process";
import { sleep, until } from "./gateway.mjs";
import { plant, startTicks } from "./planted.mjs";
import { Ward, isTombstone, lockdoctor } from "./ward.mjs";

const AGENTS = ["main", "a1", "a2", "a3"];
const FREE = new Set(["leaked", "stale"]);
const { values, positionals: keys } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: "string", default: "300" },
    cores: { type: "string" },
    where: { type: "string", default: "host,shared,apart" },
    control: { type: "boolean" },
  },
});

const WHERE = {
  host: () => [],
  shared: (gateway) => ["nsenter", "--target", String(gateway.pid), "--pid", "--mount"],
  apart: () => ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"],
};

/** Everything that was started here, to be ended by its own process group. */
class Beside {
  groups = new Set();

  start(command, output) {
    const child = spawn(command[0], command.slice(1), { stdio: ["ignore", output, output], detached: true });
    this.groups.add(child.pid);
    child.once("exit", () => this.groups.delete(child.pid));
    return child;
  }

  stop() {
    for (const pid of this.groups) {
      try {
        process.kill(-pid, "SIGTERM");
      } catch {
        // it has gone already
      }
    }
  }
}

/** `scan` again and again: how often, and what it called free. */
async function scanning(beside, command, over) {
  const seen = { scans: 0, free: 0, exits: {}, verdicts: {}, why: {} };
  while (!over()) {
    const child = beside.start([...command, "scan", "--json"], "pipe");
    let text = "";
    child.stdout.on("data", (part) => (text += part));
    child.stderr.resume();
    const code = await new Promise((done) => child.once("close", done));
    seen.scans += 1;
    seen.exits[code] = (seen.exits[code] ?? 0) + 1;
    try {
      const { locks, findings = [] } = JSON.parse(text);
      if (code !== 0) for (const { code: why } of findings) seen.why[why] = (seen.why[why] ?? 0) + 1;
      for (const { verdict } of locks) seen.verdicts[verdict] = (seen.verdicts[verdict] ?? 0) + 1;
      seen.free += locks.some(({ verdict }) => FREE.has(verdict)) ? 1 : 0;
    } catch {
      seen.exits.unreadable = (seen.exits.unreadable ?? 0) + 1;
    }
    await sleep(200);
  }
  return seen;
}

const groups = "/sys/fs/cgroup/cpu";
/** Holds the gateway to so many cores; a number of the group, to be undone. */
function hold(gateway, cores) {
  const group = path.join(groups, `lockdoctor-${gateway.pid}`);
  fs.mkdirSync(group);
  fs.writeFileSync(path.join(group, "cpu.cfs_quota_us"), String(Math.round(cores * 100_000)));
  fs.writeFileSync(path.join(group, "cgroup.procs"), String(gateway.pid));
  return group;
}

async function run(key, where) {
  const places = where.split("+");
  const ward = await new Ward(key, "nothing", { agents: AGENTS, container: where !== "host" }).open();
  const { gateway } = ward;
  const beside = new Beside();
  let group;
  try {
    for (const agent of AGENTS) await until(async () => (await ward.deliver(agent, `warm-${agent}`)).delivered, 300_000, 1000);
    if (values.cores) group = hold(gateway, Number(values.cores));
    const state = ["--state-dir", gateway.state];
    let over = false;
    const scans = {};
    for (const place of values.control ? [] : places) {
      const tool = ["nice", "-n", "5", ...WHERE[place](gateway), lockdoctor()];
      const out = fs.openSync(path.join(ward.home, "beside.log"), "a");
      for (const settle of [[], ["--settle", "0s"]]) beside.start([...tool, "watch", "--reclaim", ...settle, ...state], out);
      scans[place] = scanning({ start: (command) => beside.start([...command, ...state], "pipe") }, tool, () => over);
    }
    const replies = [];
    const end = Date.now() + Number(values.seconds) * 1000;
    const waiting = new Set();
    for (let n = 0; Date.now() < end; n++) {
      const agent = AGENTS[n % AGENTS.length];
      // A person waits for the answer: what cannot keep up is at its limit, not buried.
      if (!waiting.has(agent)) {
        const text = `[[delay=${(Math.random() * 1.5).toFixed(2)}]]`;
        const reply = ward.deliver(agent, `n${n}`, text, 240_000);
        waiting.add(agent);
        replies.push(reply.finally(() => waiting.delete(agent)));
      }
      await sleep(1000 + Math.random() * 1500);
    }
    if (group) fs.writeFileSync(path.join(group, "cpu.cfs_quota_us"), "-1");
    const all = await Promise.all(replies);
    over = true;
    const scanned = {};
    for (const [place, looks] of Object.entries(scans)) scanned[place] = await looks;
    const ms = all.filter((reply) => reply.delivered).map((reply) => reply.ms).sort((a, b) => a - b);
    const journal = path.join(gateway.state, "lockdoctor", "journal.jsonl");
    const acts = () => (fs.existsSync(journal) ? fs.readFileSync(journal, "utf8").trim().split("\n").map(JSON.parse) : []);
    const swaps = acts().length;
    const result = {
      key, where, cores: values.cores ?? "all", control: Boolean(values.control), sent: all.length, runs: ward.model.seen.size - AGENTS.length, answered: ms.length,
      median_ms: ms[Math.floor(ms.length / 2)], most_ms: ms.at(-1), error: all.find((reply) => !reply.delivered)?.error?.slice(0, 120), acts: swaps, scanned,
      load: os.loadavg()[1].toFixed(1),
    };
    if (!values.control && where !== "apart") result.leaked_freed_after_s = await leaked(ward);
    console.log(JSON.stringify(result));
    if (swaps || Object.values(scanned).some(({ free }) => free)) console.log(`NOT UNTOUCHED: see ${ward.home}: ${JSON.stringify(acts().slice(0, 4))}`);
  } finally {
    beside.stop();
    await ward.close();
    if (group) await until(() => {
      try {
        fs.rmdirSync(group);
        return true;
      } catch {
        return false;
      }
    }, 10_000);
  }
}

/** The number of a process in its own PID namespace: a launcher may be pid 1 there. */
const own = (pid) => Number(/^NSpid:.*?(\d+)$/m.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))[1]);

/** The gateway, at rest, has left one behind: the seconds until it is freed. */
async function leaked({ gateway }) {
  await until(() => gateway.locks().length === 0, 60_000);
  const sessions = gateway.sessions("a3");
  const transcript = fs.readdirSync(sessions).find((file) => /^[0-9a-f-]{36}\.jsonl$/.test(file));
  const file = path.join(sessions, `${transcript}.lock`);
  const body = { pid: own(gateway.pid), createdAt: new Date().toISOString(), maxHoldMs: 1_020_000, starttime: startTicks(gateway.pid) };
  plant(file, `${JSON.stringify(body, null, 2)}\n`, 0);
  const planted = Date.now();
  return (await until(() => isTombstone(file), 60_000, 20)) ? (Date.now() - planted) / 1000 : "never";
}

for (const key of keys) {
  for (const where of values.where.split(",")) {
    await run(key, where).catch((error) => {
      console.error(`FAILED: ${key} ${where}: ${error.stack}`);
      process.exitCode = 1;
    });
  }
}
process.exit();
