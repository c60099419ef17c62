// A gateway and what stands beside it: nothing, the cron job of the field, or lockdoctor ($LOCKDOCTOR_BIN).
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { spawn, spawnSync } from "node:child_process";
import { gateways } from "./lockcode.mjs";
import { Gateway, Model, sleep } from "./gateway.mjs";
import { oldStorePayload, sessionPayload, since, startTicks } from "./planted.mjs";

/** No Linux kernel hands out a pid above this: a lock that names one is lockdoctor's tombstone. */
const PID_MAX = 1 << 22;

/** What runs beside the gateway all the time. */
export const BESIDE = {
  nothing: () => null,
  // Every 5 s instead of every two minutes: the cron job at its luckiest.
  cron: (state) => ["sh", "-c", 'while sleep 5; do find "$0/agents" -name "*.lock" -mmin +2 -delete; done', state],
  lockdoctor: (state) => [lockdoctor(), "watch", "--reclaim", "--state-dir", state],
};

export function lockdoctor() {
  const tool = process.env.LOCKDOCTOR_BIN;
  if (!tool) throw new Error("LOCKDOCTOR_BIN names no binary");
  return tool;
}

export const sessionLock = (gateway) => gateway.locks().find((f) => f.endsWith(".jsonl.lock"));

export function isTombstone(file) {
  try {
    return JSON.parse(fs.readFileSync(file, "utf8")).pid > PID_MAX;
  } catch {
    return false; // half-written, or gone: the next look tells
  }
}

export class Ward {
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
    await this.gateway.start().catch(async (error) => {
      await this.close();
      throw error;
    });
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
  async deliver(agent, tag, text = "", limitMs = 300_000) {
    const reply = await this.gateway.message(`${text} [[tag=${tag}]]`, { agent, limitMs });
    const delivered = reply.ok && this.model.seen.has(tag);
    return { delivered, ms: reply.ms, error: delivered ? undefined : (reply.error ?? JSON.stringify(reply.payload)).slice(0, 400) };
  }

  /** Everything that the gateway has said so far. */
  said() {
    const read = (file) => (fs.existsSync(file) ? fs.readFileSync(file, "utf8") : "");
    return ["console.log", "gateway.log"].map((name) => read(path.join(this.home, name))).join("\n");
  }
}
