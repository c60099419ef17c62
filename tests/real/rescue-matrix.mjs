#!/usr/bin/env node
// rescue-matrix.mjs KEY… [--beside nothing,cron,lockdoctor] [--only session,store,container,crash,healthy] [--table]
//
// With real gateways (install.mjs): plants every kind of left-over lock, sends one message, and sees
// whether it comes through, with nothing beside the gateway, with the cron job of the field, and with
// lockdoctor ($LOCKDOCTOR_BIN). Then healthy and merely slow runs, in which nothing may be touched.
// Results are kept in $LOCKDOCTOR_LAB/rescue; --table renders what is there as Markdown.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { spawn, spawnSync } from "node:child_process";
import { parseArgs } from "node:util";
import { gateways, lab } from "./lockcode.mjs";
import { Gateway, Model, sleep, until } from "./gateway.mjs";
import { oldStorePayload, plant, sessionPayload, since, startTicks } from "./planted.mjs";

const MINUTE = 60_000;
/** No Linux kernel hands out a pid above this: a lock that names one is lockdoctor's tombstone. */
const PID_MAX = 1 << 22;

/** Each case: what is planted, given who is there; `ago` is the age of the lock and of its file. */
const SESSION_CASES = {
  "dead owner": (w) => w.session({ pid: w.dead, ago: 5000 }),
  "empty, just made": () => ({ bytes: "", ago: 0 }),
  "empty, 60 s old": () => ({ bytes: "", ago: MINUTE }),
  "garbage, 60 s old": () => ({ bytes: "{not json at all", ago: MINUTE }),
  "live unrelated process": (w) => w.session({ pid: w.stranger, ago: 5000 }),
  "recycled pid (another start time)": (w) => w.session({ pid: w.stranger, ago: 5000, ticks: 12345 }),
  "the gateway's own pid, 60 s old": (w) => w.session({ pid: w.own, ago: MINUTE }),
  "the gateway's own pid and start time, just made": (w) => w.session({ pid: w.own, ago: 0, ticks: w.ticks(w.own) }),
  "the gateway's own pid and start time, 60 s old": (w) => w.session({ pid: w.own, ago: MINUTE, ticks: w.ticks(w.own) }),
  "the gateway's own pid and start time, 3 min old": (w) => w.session({ pid: w.own, ago: 3 * MINUTE, ticks: w.ticks(w.own) }),
  "the gateway's own pid, dated an hour ahead": (w) => w.session({ pid: w.own, ago: -60 * MINUTE }),
  "pid 1": (w) => w.session({ pid: 1, ago: 5000 }),
  "a look-alike process": (w) => w.session({ pid: w.lookalike, ago: 5000, ticks: w.ticks(w.lookalike) }),
  "a look-alike process, 10 min old": (w) => w.session({ pid: w.lookalike, ago: 10 * MINUTE, ticks: w.ticks(w.lookalike), maxHoldMs: 5 * MINUTE }),
};
const STORE_CASES = {
  "dead owner, just made": (w) => w.store({ pid: w.dead, ago: 0 }),
  "empty, just made": () => ({ bytes: "", ago: 0 }),
  "live unrelated process, just made": (w) => w.store({ pid: w.stranger, ago: 0 }),
  "the gateway's own pid, just made": (w) => w.store({ pid: w.own, ago: 0, ticks: w.ticks(w.own) }),
  "pid 1, just made": (w) => w.store({ pid: 1, ago: 0 }),
  "dead owner, 3 min old": (w) => w.store({ pid: w.dead, ago: 3 * MINUTE }),
};

/** What runs beside the gateway, and what runs before each of its starts. */
const BESIDE = {
  nothing: () => null,
  // Every 5 s instead of every two minutes: the cron job at its luckiest.
  cron: (state) => ["sh", "-c", 'while sleep 5; do find "$0/agents" -name "*.lock" -mmin +2 -delete; done', state],
  lockdoctor: (state) => {
    const tool = lockdoctor();
    const extra = (process.env.LOCKDOCTOR_RECLAIM_ARGS ?? "").split(" ").filter(Boolean);
    if (spawnSync(tool, ["watch", "--help"]).status === 0) return [tool, "watch", "--reclaim", ...extra, "--state-dir", state];
    return ["sh", "-c", 'while sleep 0.2; do "$@"; done', "sh", tool, "reclaim", "--yes", "--quiet", ...extra, "--state-dir", state];
  },
};

function lockdoctor() {
  const tool = process.env.LOCKDOCTOR_BIN;
  if (!tool) throw new Error("LOCKDOCTOR_BIN names no binary");
  return tool;
}

class Ward {
  constructor(key, beside, options) {
    this.home = fs.mkdtempSync(path.join(os.tmpdir(), `rescue-${key}-`));
    Object.assign(this, { key, beside, options });
  }

  async open() {
    this.model = await new Model().start();
    this.gateway = new Gateway({ installs: gateways(), key: this.key, home: this.home, model: this.model, ...this.options });
    fs.mkdirSync(this.gateway.state, { recursive: true });
    const command = BESIDE[this.beside](this.gateway.state);
    if (command) {
      const out = fs.openSync(path.join(this.home, "beside.log"), "a");
      this.tool = spawn(command[0], command.slice(1), { env: { ...process.env, HOME: this.home }, stdio: ["ignore", out, out], detached: true });
      fs.closeSync(out);
    }
    await this.gateway.start();
    this.own = this.gateway.pid;
    const done = spawnSync("true");
    this.dead = done.pid;
    this.bystanders = [spawn("sleep", ["7200"])];
    this.stranger = this.bystanders[0].pid;
    // From 2026.5.12 argv[0] decides who is an owner.
    this.bystanders.push(spawn("sleep", ["7200"], { argv0: "openclaw" }));
    this.lookalike = this.bystanders[1].pid;
    await sleep(300);
    return this;
  }

  ticks = startTicks;
  session = ({ pid, ago, ...rest }) => ({ bytes: sessionPayload(this.gateway.version, { pid, agoMs: ago, ...rest }), ago: Math.max(0, ago) });
  store = ({ pid, ago, ...rest }) =>
    since(this.gateway.version, "2026.2.17") ? this.session({ pid, ago, ...rest }) : { bytes: oldStorePayload({ pid, agoMs: ago }), ago };

  async close() {
    for (const child of this.bystanders ?? []) child.kill("SIGKILL");
    await this.gateway.kill("SIGTERM");
    await this.gateway.kill();
    if (this.tool) {
      try {
        process.kill(-this.tool.pid, "SIGTERM");
      } catch {
        // it has gone already
      }
    }
    this.model.stop();
    if (!process.env.LOCKDOCTOR_KEEP) fs.rmSync(this.home, { recursive: true, force: true });
  }

  /** One message: did the model see it, and did its sender get an answer? */
  async deliver(agent, tag, text = "", limitMs = 150_000) {
    const reply = await this.gateway.message(`${text} [[tag=${tag}]]`, { agent, limitMs });
    const delivered = reply.ok && this.model.seen.has(tag);
    return { delivered, ms: reply.ms, error: delivered ? undefined : (reply.error ?? JSON.stringify(reply.payload)).slice(0, 400) };
  }
}

async function planted(key, beside, kind, cases) {
  const names = Object.keys(cases);
  const agents = ["main", ...names.map((_, i) => `c${i}`)];
  const ward = await new Ward(key, beside, { agents }).open();
  const results = {};
  try {
    for (const agent of agents) await ward.deliver(agent, `warm-${agent}`);
    const one = async (i) => {
      const sessions = ward.gateway.sessions(`c${i}`);
      const transcript = fs.readdirSync(sessions).find((f) => /^[0-9a-f-]{36}\.jsonl$/.test(f));
      const { bytes, ago } = cases[names[i]](ward);
      const file = path.join(sessions, `${kind === "store" ? "sessions.json" : transcript}.lock`);
      const inode = plant(file, bytes, ago);
      results[names[i]] = await ward.deliver(`c${i}`, `case-${i}`);
      try {
        if (fs.statSync(file).ino === inode) fs.unlinkSync(file);
      } catch {
        // it was freed, as it should be
      }
      console.log(`${key} ${beside} ${kind}: ${names[i]}: ${JSON.stringify(results[names[i]])}`);
    };
    // Each case has an agent of its own, so three can wait side by side.
    const queue = names.keys();
    await Promise.all([1, 2, 3].map(async () => {
      for (const i of queue) await one(i);
    }));
  } finally {
    await ward.close();
  }
  return results;
}

/** What is done to the dead lock between the death of a gateway and its next start. */
const BEFORE_START = {
  "rm before the start": (gateway) => gateway.locks().forEach((file) => fs.unlinkSync(file)),
  "lockdoctor before the start": (gateway) =>
    spawnSync(lockdoctor(), ["reclaim", "--yes", "--state-dir", gateway.state], { stdio: "inherit" }),
};

/** Kills a gateway in the middle of a run, and starts it again. */
async function killedInMidRun(key, beside, options, then) {
  const prepare = BEFORE_START[beside];
  const ward = await new Ward(key, prepare ? "nothing" : beside, options).open();
  try {
    await ward.deliver("main", "warm");
    ward.deliver("main", "cut-off", "[[delay=120]]", 60_000).catch(() => {});
    await until(() => sessionLock(ward.gateway) && ward.model.seen.has("cut-off"), 60_000);
    await sleep(2000);
    await ward.gateway.kill();
    await sleep(1000);
    prepare?.(ward.gateway);
    await ward.gateway.start();
    return await then(ward);
  } finally {
    await ward.close();
  }
}

/** The gateway is pid 1 of its container, is killed in the middle of a run, and is pid 1 again. */
function container(key, beside) {
  return killedInMidRun(key, beside, { container: true }, async (ward) => {
    const results = {};
    for (const i of [1, 2]) {
      results[`message ${i} after the restart`] = await ward.deliver("main", `after-${i}`);
      console.log(`${key} ${beside} container: ${i}: ${JSON.stringify(results[`message ${i} after the restart`])}`);
    }
    return results;
  });
}

/** From 2026.4.24 a gateway takes an interrupted run up again, which it knows (to 6.5, only) by the dead lock. */
function crash(key, beside) {
  return killedInMidRun(key, beside, {}, async (ward) => {
    const start = Date.now();
    const delivered = Boolean(await until(() => ward.model.seen.get("cut-off") > 1, 150_000));
    const results = { "the interrupted run is taken up again": { delivered, ms: Date.now() - start } };
    results["the next message"] = await ward.deliver("main", "after");
    console.log(`${key} ${beside} crash: ${JSON.stringify(results)}`);
    return results;
  });
}

/**
 * Watches the locks of healthy runs: which were swapped for a tombstone, and which the gateway still has open
 * though they were deleted (an owner closes first; from 2026.5.18 it lets go while the model thinks).
 */
function vigil(gateway) {
  const tombstones = new Set();
  const robbed = new Set();
  const timer = setInterval(() => {
    for (const file of gateway.locks()) {
      try {
        if (JSON.parse(fs.readFileSync(file, "utf8")).pid > PID_MAX) tombstones.add(`${file} ${fs.statSync(file).ino}`);
      } catch {
        // half-written, or gone: the next look tells
      }
    }
    for (const [fd, target] of gateway.openFiles()) {
      if (target.endsWith(".lock (deleted)")) robbed.add(`${fd} ${target}`);
    }
  }, 20);
  return { end: () => clearInterval(timer), seen: () => ({ tombstones: tombstones.size, robbed: robbed.size }) };
}

const sessionLock = (gateway) => gateway.locks().find((f) => f.endsWith(".jsonl.lock"));

const HEALTHY = {
  "a run of 45 s, two messages queued behind it": async (ward) => {
    const slow = ward.deliver("main", "slow", "[[delay=45]]");
    await until(() => sessionLock(ward.gateway), 60_000);
    await sleep(10_000);
    const queued = await Promise.all([ward.deliver("main", "queued-1"), ward.deliver("main", "queued-2")]);
    return { delivered: [await slow, ...queued].every((r) => r.delivered) };
  },
  "a model call of 250 s": async (ward) => {
    const slow = ward.deliver("main", "very-slow", "[[delay=250]]", 400_000);
    return { delivered: (await slow).delivered };
  },
  "a second process refused while the run lasts": async (ward) => {
    const slow = ward.deliver("main", "control", "[[delay=150]]", 300_000);
    const file = await until(() => sessionLock(ward.gateway), 60_000);
    const id = path.basename(file).replace(".jsonl.lock", "");
    const args = ["agent", "--local", "--agent", "main", "--session-id", id, "--message", "intruder [[tag=intruder]]"];
    const intruder = spawn(ward.gateway.bin, args, { env: ward.gateway.env, cwd: ward.home, stdio: "ignore" });
    const { delivered } = await slow;
    intruder.kill("SIGKILL");
    return { delivered, intruder: ward.model.seen.has("intruder") ? "wrote" : "refused" };
  },
};

async function healthy(key, beside) {
  const results = {};
  const scenario = async (name, run, options = {}) => {
    const ward = await new Ward(key, beside, options).open();
    let watch;
    try {
      await ward.deliver("main", "warm");
      watch = vigil(ward.gateway);
      results[name] = { ...(await run(ward)), ...watch.seen() };
      console.log(`${key} ${beside} healthy: ${name}: ${JSON.stringify(results[name])}`);
    } finally {
      watch?.end();
      await ward.close();
    }
  };
  for (const [name, run] of Object.entries(HEALTHY)) await scenario(name, run, { timeoutSeconds: 900 });
  await scenario("a run that times out after 20 s", async (ward) => {
    await ward.deliver("main", "hang", "[[hang]]", 90_000);
    await until(() => !sessionLock(ward.gateway), 60_000);
    return { delivered: (await ward.deliver("main", "after-timeout")).delivered };
  }, { timeoutSeconds: 20 });
  return results;
}

const SECTIONS = {
  session: { title: "A lock left at `<session>.jsonl.lock`", rows: Object.keys(SESSION_CASES), run: (key, beside) => planted(key, beside, "session", SESSION_CASES) },
  store: { title: "A lock left at `sessions.json.lock`", rows: Object.keys(STORE_CASES), run: (key, beside) => planted(key, beside, "store", STORE_CASES) },
  container: { title: "Killed in a container, restarted as the same pid", run: container, also: ["lockdoctor before the start"] },
  crash: { title: "Killed in the middle of a run, restarted", run: crash, also: Object.keys(BEFORE_START) },
  healthy: { title: "Healthy and merely slow: nothing may be touched", run: healthy },
};

const resultFile = (key, section, beside) => path.join(lab(), "rescue", key, section, `${beside}.json`);

/** One table for each section and version: a column for each thing that stood beside the gateway. */
function table() {
  const root = path.join(lab(), "rescue");
  const keys = fs.existsSync(root) ? fs.readdirSync(root).sort() : [];
  for (const [section, { title, rows = [] }] of Object.entries(SECTIONS)) {
    const lines = [];
    for (const key of keys) {
      const measured = [...Object.keys(BESIDE), ...Object.keys(BEFORE_START)].filter((beside) => fs.existsSync(resultFile(key, section, beside)));
      if (measured.length === 0) continue;
      const columns = measured.map((beside) => JSON.parse(fs.readFileSync(resultFile(key, section, beside), "utf8")));
      lines.push("", `| ${key.replace("-", " ")} | ${measured.join(" | ")} |`, `|---|${"---|".repeat(measured.length)}`);
      for (const row of new Set([...rows, ...columns.flatMap(Object.keys)])) {
        lines.push(`| ${row} | ${columns.map((results) => cell(section, row, results[row])).join(" | ")} |`);
      }
    }
    if (lines.length > 0) console.log([`### ${title}`, ...lines, ""].join("\n"));
  }
}

function cell(section, row, result) {
  if (!result) return "–";
  const seconds = `${(result.ms / 1000).toFixed(1)} s`;
  if (section === "crash" && row.startsWith("the interrupted")) return result.delivered ? `yes, ${seconds}` : "**no**";
  if (section !== "healthy") return result.delivered ? `delivered, ${seconds}` : `**lost**, ${seconds}`;
  const touched = result.tombstones + result.robbed > 0;
  return `${touched ? "**live lock taken**" : "untouched"}, ${result.delivered ? "delivered" : "**lost**"}${result.intruder ? `, intruder ${result.intruder}` : ""}`;
}

const { values, positionals: keys } = parseArgs({
  allowPositionals: true,
  options: { beside: { type: "string", default: "nothing,cron,lockdoctor" }, only: { type: "string", default: Object.keys(SECTIONS).join(",") }, table: { type: "boolean" } },
});
for (const key of keys) {
  for (const section of values.only.split(",")) {
    const { run, also = [] } = SECTIONS[section];
    for (const beside of [...values.beside.split(","), ...also]) {
      try {
        const results = await run(key, beside);
        const file = resultFile(key, section, beside);
        fs.mkdirSync(path.dirname(file), { recursive: true });
        fs.writeFileSync(file, JSON.stringify(results, null, 1) + "\n");
      } catch (error) {
        console.error(`FAILED: ${key} ${section} ${beside}: ${error.stack}`);
        process.exitCode = 1;
      }
    }
  }
}
if (values.table) table();
else process.exit();
