#!/usr/bin/env node
// findings.mjs [KEY…] [--only S1,S2,…]: brings real gateways into trouble and asks `lockdoctor diagnose` at that
// moment, beside the live processes. Prints what docs/findings.md calls "seen live": scenario, version, first finding.
// Needs root (namespaces), gateways (install.mjs) with a node each can run on, and the binary in $LOCKDOCTOR_BIN.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { spawn, spawnSync } from "node:child_process";
import { gateways } from "./lockcode.mjs";
import { plant, sessionPayload, since } from "./planted.mjs";
import { Gateway, Model, sleep, until } from "./gateway.mjs";

const KEYS = ["clawdbot-2026.1.24-3", "openclaw-2026.3.13", "openclaw-2026.5.22", "openclaw-2026.7.1-2", "openclaw-2026.9.6"];
const tool = process.env.LOCKDOCTOR_BIN ?? path.resolve(import.meta.dirname, "../../target/debug/lockdoctor");
/** From 2026.8.1 there are no lock files of sessions. */
const files = (version) => !since(version, "2026.8.1");
const titled = (text) => text.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "…");

let failed = 0;
const rows = [];

class Ward {
  constructor(key, scenario, options) {
    Object.assign(this, { key, scenario, options, home: fs.mkdtempSync(path.join(os.tmpdir(), "lockdoctor-findings-")) });
    this.extras = [];
  }

  async open() {
    this.model = await new Model().start();
    this.gateway = new Gateway({ installs: gateways(), key: this.key, home: this.home, model: this.model, ...this.options });
    await this.gateway.start(600_000);
    await this.gateway.message("warm-up [[tag=warm]]", { limitMs: 180_000 });
    return this;
  }

  get version() {
    return this.gateway.version;
  }

  /** A run under way, and its lock where there is one. */
  async run(text, tag = "run") {
    const reply = this.gateway.message(`${text} [[tag=${tag}]]`, { limitMs: 600_000 }).catch(() => ({}));
    await until(() => this.model.seen.has(tag), 120_000);
    await sleep(1000);
    return { reply, lock: this.lock() };
  }

  lock() {
    return this.gateway.locks().find((file) => file.endsWith(".jsonl.lock"));
  }

  transcript() {
    const sessions = this.gateway.sessions();
    return path.join(sessions, fs.readdirSync(sessions).find((file) => /^[0-9a-f-]{36}\.jsonl$/.test(file)));
  }

  async kill() {
    await this.gateway.kill();
    await until(() => !fs.existsSync(`/proc/${this.gateway.pid}`), 60_000);
  }

  /** What `diagnose` says now; `expected` is a first finding, or several that would do, or null for none above info. */
  diagnose(moment, expected) {
    // The console is where the first releases, and the watchdog of every one, write: a service's journal has it.
    const logs = ["gateway.log", "console.log"].map((f) => path.join(this.home, f)).filter((f) => fs.existsSync(f));
    const args = ["--state-dir", this.gateway.state, ...(this.console ? logs.flatMap((f) => ["--log", f]) : [])];
    const env = { ...process.env, NO_COLOR: "1", COLUMNS: "100", ...this.env };
    const said = spawnSync(tool, ["diagnose", "--json", ...args], { encoding: "utf8", env, maxBuffer: 1 << 28 });
    const people = spawnSync(tool, ["diagnose", ...args], { encoding: "utf8", env, maxBuffer: 1 << 28 }).stdout;
    let findings = [];
    try {
      ({ findings } = JSON.parse(said.stdout));
    } catch {
      failed++;
      console.error(`FAILED: ${this.key} ${this.scenario}: ${said.stderr}`);
    }
    const first = findings[0];
    const right = expected === null ? !first || first.severity === "info" : [expected].flat().includes(first?.code ?? "none");
    if (!right) {
      failed++;
      console.error(`FAILED: ${this.key} ${this.scenario} ${moment}: ${JSON.stringify(first ?? "nothing found")}`);
    }
    const what = first ? [`\`${first.code}\``, first.severity, first.removing_lock_helps ? "yes" : "no"] : ["none", "–", "no"];
    rows.push([this.scenario, this.version, moment, ...what]);
    console.log(`== ${this.key} ${this.scenario}, ${moment}: ${titled(JSON.stringify(what))}\n${people}`);
    return findings;
  }

  async close() {
    for (const child of this.extras) child.kill("SIGKILL");
    await this.gateway?.kill();
    this.model?.stop();
    if (!process.env.LOCKDOCTOR_KEEP) fs.rmSync(this.home, { recursive: true, force: true });
  }
}

/** 2026.1 and 2026.3 say nothing of stuck sessions unless diagnostics are on. */
const DIAGNOSTICS = { config: { diagnostics: { enabled: true } }, timeoutSeconds: 900 };

const SCENARIOS = {
  S1: {
    about: "a slow run, two messages behind it",
    async play(ward) {
      const { reply } = await ward.run("[[delay=40]]");
      const behind = [1, 2].map((n) => ward.gateway.message(`[[tag=behind-${n}]]`, { limitMs: 300_000 }));
      await sleep(8000);
      ward.diagnose("while it runs", null);
      await Promise.all([reply, ...behind]);
      ward.diagnose("afterwards", null);
    },
  },
  S2: {
    about: "killed in mid-run",
    async play(ward) {
      await ward.run("[[delay=120]]");
      await ward.kill();
      await sleep(1000);
      ward.diagnose("dead", files(ward.version) ? "stale-lock" : "lease-stuck");
      await ward.gateway.start();
      await sleep(8000);
      ward.diagnose("started again", null);
    },
  },
  S3: {
    about: "a run at its time limit",
    options: { timeoutSeconds: 20 },
    async play(ward) {
      const { reply } = await ward.run("[[hang]]");
      await reply;
      await sleep(5000);
      ward.diagnose("afterwards", "run-timeout");
    },
  },
  S4a: {
    about: "a planted lock that blocks",
    where: files,
    async play(ward) {
      const lock = `${ward.transcript()}.lock`;
      // From 2026.5.12 only a process that is called as OpenClaw's counts as an owner.
      const stranger = spawn("sleep", ["7200"], { argv0: since(ward.version, "2026.5.12") ? "openclaw" : "sleep" });
      ward.extras.push(stranger);
      plant(lock, sessionPayload(ward.version, { pid: stranger.pid, agoMs: 5000 }), 5000);
      const reply = ward.gateway.message("[[tag=blocked]]", { limitMs: 150_000 });
      await sleep(4000);
      ward.diagnose("while a message waits", ["stale-lock", "leaked-lock"]);
      await reply;
      await sleep(2000);
      ward.diagnose("after the message failed", ["stale-lock", "leaked-lock"]);
    },
  },
  S4n: {
    about: "a lock file in the SQLite era",
    where: (version) => !files(version),
    async play(ward) {
      const sessions = ward.gateway.sessions();
      fs.mkdirSync(sessions, { recursive: true });
      const stranger = spawn("sleep", ["7200"]);
      ward.extras.push(stranger);
      const name = "00000000-0000-4000-8000-000000000000.jsonl.lock";
      plant(path.join(sessions, name), sessionPayload("2026.7.1", { pid: stranger.pid, agoMs: 5000 }), 5000);
      await ward.gateway.message("[[tag=with]]");
      const findings = ward.diagnose("left over", null);
      if (!findings.some((finding) => finding.code === "orphan-lock")) throw new Error("the fossil is not named");
    },
  },
  S5: {
    about: "a live lock deleted by a cron job",
    where: files,
    async play(ward) {
      // A unit of the user's, as the operator's search for its author would find one.
      const units = path.join(ward.home, ".config/systemd/user");
      fs.mkdirSync(units, { recursive: true });
      fs.writeFileSync(path.join(units, "unlock.service"), `[Service]\nExecStart=find ${ward.gateway.state}/agents -name "*.lock" -mmin +2 -delete\n`);
      ward.env = { HOME: ward.home };
      const { reply, lock } = await ward.run("[[delay=150]]");
      fs.unlinkSync(lock);
      const [first] = ward.diagnose("deleted", "lock-deleted-while-held");
      if (!first?.evidence.some((line) => line.text.includes("unlock.service"))) throw new Error("its author is not named");
      const id = path.basename(lock, ".jsonl.lock");
      const args = ["agent", "--local", "--agent", "main", "--session-id", id, "--message", "second writer [[tag=second]]"];
      const second = spawn(ward.gateway.bin, args, { env: ward.gateway.env, cwd: ward.home, stdio: "ignore" });
      ward.extras.push(second);
      await until(() => second.exitCode !== null, 140_000);
      // From 2026.5.18 on the run lets go of its lock while the model thinks: a later hold is under a new name.
      if (ward.gateway.openFiles().some(([, target]) => target.endsWith(".jsonl.lock (deleted)"))) {
        const [told] = ward.diagnose("a second writer has come", "lock-deleted-while-held");
        // Later versions notice the second writer, and give up one of the two runs.
        const forks = ward.model.seen.has("second") && !since(ward.version, "2026.5.18");
        if (forks && !/forked/.test(told?.explanation)) throw new Error(`the fork is not seen: ${told?.explanation}`);
      }
      await reply;
    },
  },
  S6: {
    about: "a model call of 250 s",
    options: DIAGNOSTICS,
    async play(ward) {
      const { reply } = await ward.run("[[delay=250]]");
      await sleep(20_000);
      ward.gateway.message("[[tag=behind]]", { limitMs: 400_000 }).catch(() => {});
      await sleep(150_000);
      ward.diagnose("after 170 s", null);
      await reply;
      ward.diagnose("afterwards", null);
    },
  },
  S7: {
    about: "SIGTERM in mid-run",
    async play(ward) {
      await ward.run("[[delay=100]]");
      process.kill(ward.gateway.pid, "SIGTERM");
      const gone = await until(() => !fs.existsSync(`/proc/${ward.gateway.pid}`), 30_000);
      if (!gone) return ward.diagnose("while it drains", null);
      await sleep(500);
      // 2026.1.24 leaves its lock.
      ward.diagnose("ended", ward.lock() ? "stale-lock" : [files(ward.version) ? "none" : "lease-stuck", "run-timeout", "none"]);
    },
  },
  S8: {
    about: "the watchdog takes the lock away",
    where: (version) => since(version, "2026.5.3") && files(version),
    options: { env: { OPENCLAW_SESSION_WRITE_LOCK_MAX_HOLD_MS: "20000" } },
    async play(ward) {
      ward.console = true;
      const { reply } = await ward.run("[[delay=100]]");
      await until(() => !ward.lock(), 100_000);
      await sleep(1000);
      ward.diagnose("after its release", ["watchdog-release", "none"]);
      await reply;
    },
  },
  S9: {
    about: "killed as pid 1 of a container, and pid 1 again",
    options: { container: true },
    async play(ward) {
      await ward.run("[[delay=120]]");
      await ward.kill();
      await ward.gateway.start();
      await sleep(6000);
      const reply = await ward.gateway.message("[[tag=after]]", { limitMs: 100_000 });
      const blocked = !reply.ok && files(ward.version);
      ward.diagnose(blocked ? "started again, a message failed" : "started again, a message went through", blocked ? ["stale-lock", "leaked-lock", "orphan-lock"] : null);
    },
  },
};

const { values, positionals } = parseArgs({ allowPositionals: true, options: { only: { type: "string" } } });
const wanted = positionals.length ? positionals : KEYS;
const only = values.only?.split(",") ?? Object.keys(SCENARIOS);
for (const key of wanted) {
  if (!fs.existsSync(path.join(gateways(), key))) {
    console.error(`SKIPPED: ${key} is not installed below ${gateways()} (tests/real/install.mjs)`);
    continue;
  }
  const version = key.replace(/^\w+-/, "");
  for (const [name, { play, where = () => true, options }] of Object.entries(SCENARIOS)) {
    if (!only.includes(name) || !where(version)) continue;
    const ward = new Ward(key, name, options);
    try {
      await ward.open();
      await play(ward);
    } catch (error) {
      failed++;
      console.error(`FAILED: ${key} ${name}: ${error.stack}`);
    } finally {
      await ward.close();
    }
  }
}
console.log("| scenario | version | moment | first finding | severity | removing the lock helps |\n|---|---|---|---|---|---|");
for (const row of rows) console.log(`| ${row.join(" | ")} |`);
process.exit(failed ? 1 : 0);
