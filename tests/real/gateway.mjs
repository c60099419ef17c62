// A real gateway from npm, alone on the loopback: no channels, a model that is a local stand-in, and a
// client that speaks its WebSocket protocol. Needs node >= 22 (a global WebSocket).
import fs from "node:fs";
import http from "node:http";
import net from "node:net";
import path from "node:path";
import { spawn } from "node:child_process";
import { createHash, generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { since } from "./planted.mjs";

const TOKEN = "t0";
export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

export async function until(probe, limitMs, everyMs = 50) {
  for (const end = Date.now() + limitMs; Date.now() < end; await sleep(everyMs)) {
    const found = await probe();
    if (found) return found;
  }
  return null;
}

const freePort = () =>
  new Promise((done) => {
    const server = net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });

const answers = (port) =>
  new Promise((done) => {
    const socket = net.connect(port, "127.0.0.1");
    socket.once("connect", () => done(true)).once("error", () => done(false)).once("close", () => socket.destroy());
    socket.once("connect", () => socket.destroy());
  });

/** What a process has open, as [descriptor, target]; nothing where that may not be seen. */
function openFiles(pid) {
  const at = `/proc/${pid}/fd`;
  const link = (fd) => {
    try {
      return fs.readlinkSync(`${at}/${fd}`);
    } catch {
      return ""; // closed since
    }
  };
  try {
    return fs.readdirSync(at).map((fd) => [fd, link(fd)]);
  } catch {
    return [];
  }
}

/**
 * An OpenAI-compatible model. `[[tag=x]]` in the last user message names it; `[[delay=S]]` makes it slow,
 * `[[hang]]` makes it never answer. `seen` counts how often each tag came through.
 */
export class Model {
  seen = new Map();

  async start() {
    this.server = http.createServer((request, response) => this.#serve(request, response));
    await new Promise((done) => this.server.listen(0, "127.0.0.1", done));
    this.url = `http://127.0.0.1:${this.server.address().port}/v1`;
    return this;
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }

  async #serve(request, response) {
    let body = "";
    for await (const part of request) body += part;
    if (request.method === "GET") {
      response.setHeader("content-type", "application/json");
      return response.end('{"object":"list","data":[{"id":"fake-1","object":"model"}]}');
    }
    const { messages = [], stream } = JSON.parse(body || "{}");
    const text = (m) => (typeof m.content === "string" ? m.content : (m.content ?? []).map((p) => p.text ?? "").join("\n"));
    // Newer versions put runtime context after the real message, and join queued ones: the last directive counts.
    const asked = messages.filter((m) => m.role === "user").map(text).findLast((t) => t.includes("[[")) ?? "";
    const directive = (name) => [...asked.matchAll(new RegExp(`\\[\\[${name}(?:=([^\\]]*))?\\]\\]`, "g"))].at(-1);
    // A run that is taken up again after a crash asks the same once more: the delay is for the first time.
    const again = [...asked.matchAll(/\[\[tag=([^\]]*)\]\]/g)].some((tag) => this.seen.has(tag[1]));
    for (const [, tag] of asked.matchAll(/\[\[tag=([^\]]*)\]\]/g)) this.seen.set(tag, (this.seen.get(tag) ?? 0) + 1);
    if (directive("hang")) return;
    if (!again) await sleep(Number(directive("delay")?.[1] ?? 0) * 1000);
    if (response.destroyed) return;
    const content = `answer to ${directive("tag")?.[1] ?? "a message"}`;
    const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
    const base = { id: randomUUID(), created: Math.floor(Date.now() / 1000), model: "fake-1" };
    if (!stream) {
      const choices = [{ index: 0, message: { role: "assistant", content }, finish_reason: "stop" }];
      response.setHeader("content-type", "application/json");
      return response.end(JSON.stringify({ ...base, object: "chat.completion", choices, usage }));
    }
    response.writeHead(200, { "content-type": "text/event-stream" });
    const chunk = (delta, finish_reason, more) =>
      response.write(`data: ${JSON.stringify({ ...base, object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason }], ...more })}\n\n`);
    chunk({ role: "assistant", content }, null);
    chunk({}, "stop", { usage });
    response.end("data: [DONE]\n\n");
  }
}

/** One installed version with a state directory of its own below `home`. */
export class Gateway {
  #key;

  /**
   * `container`: the gateway is pid 1 of a PID namespace, and so again after every restart; `within` is the command
   * that makes it, if not unshare(1). `hostname`: what its machine is called from its next start on; a container has a
   * new name each time it is made.
   */
  constructor({ installs, key, home, model, agents = ["main"], timeoutSeconds = 600, config = {}, env = {}, container = false, within, hostname }) {
    const [, name, version] = /^(\w+)-(.*)$/.exec(key);
    Object.assign(this, { key, name, version, home, model, container, hostname, within });
    this.bin = path.join(installs, key, "node_modules", ".bin", name);
    if (!fs.existsSync(this.bin)) throw new Error(`${key} is not installed below ${installs}`);
    this.state = path.join(home, `.${name}`);
    this.agents = agents;
    const prefix = name.toUpperCase();
    const skip = ["CHANNELS", "GMAIL_WATCHER", "BROWSER_CONTROL_SERVER", "CANVAS_HOST"].map((s) => [`${prefix}_SKIP_${s}`, "1"]);
    this.env = {
      PATH: `${path.dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin`,
      HOME: home,
      TERM: "dumb",
      NO_COLOR: "1",
      LANG: "C.UTF-8",
      NODE_COMPILE_CACHE: path.join(installs, "compile-cache"),
      [`${prefix}_STATE_DIR`]: this.state,
      ...Object.fromEntries(skip),
      ...(container ? { [`${prefix}_NO_RESPAWN`]: "1" } : {}),
      ...env,
    };
    this.settings = { timeoutSeconds, config };
  }

  sessions(agent = "main") {
    return path.join(this.state, "agents", agent, "sessions");
  }

  locks(agent = "main") {
    try {
      return fs.readdirSync(this.sessions(agent)).filter((f) => f.endsWith(".lock")).map((f) => path.join(this.sessions(agent), f));
    } catch {
      return [];
    }
  }

  async #configure() {
    this.port = await freePort();
    const model = { id: "fake-1", name: "fake", reasoning: false, input: ["text"], contextWindow: 128000, maxTokens: 4096 };
    const provider = { baseUrl: this.model.url, apiKey: "none", api: "openai-completions" };
    // From 2026.4 a provider request is given up after 120 s unless told otherwise; older ones reject the key.
    if (since(this.version, "2026.4.15")) provider.timeoutSeconds = 900;
    const free = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 };
    const config = {
      logging: { level: "info", file: path.join(this.home, "gateway.log"), consoleLevel: "info" },
      gateway: { mode: "local", port: this.port, bind: "loopback", auth: { mode: "token", token: TOKEN } },
      models: { mode: "replace", providers: { fake: { ...provider, models: [{ ...model, cost: free }] } } },
      agents: {
        defaults: {
          model: { primary: "fake/fake-1" },
          workspace: path.join(this.home, "workspace"),
          timeoutSeconds: this.settings.timeoutSeconds,
          heartbeat: { every: "0m" },
        },
        list: this.agents.map((id, i) => ({ id, default: i === 0, workspace: path.join(this.home, "workspace", id) })),
      },
      // Starting every bundled plugin takes minutes on a small machine, and none matters here.
      ...(this.name === "openclaw" ? { plugins: { enabled: false } } : {}),
      ...this.settings.config,
    };
    fs.mkdirSync(this.state, { recursive: true });
    fs.writeFileSync(path.join(this.state, `${this.name}.json`), JSON.stringify(config, null, 1));
  }

  async start(limitMs = 600_000) {
    if (!this.port) await this.#configure();
    await until(async () => !(await answers(this.port)), 30_000);
    const [command, ...args] = [...this.prefix(), this.bin, "gateway", "run", "--port", String(this.port), "--allow-unconfigured"];
    const out = fs.openSync(path.join(this.home, "console.log"), "a");
    this.process = spawn(command, args, { cwd: this.home, env: this.env, stdio: ["ignore", out, out], detached: true });
    fs.closeSync(out);
    this.exited = new Promise((done) => this.process.once("exit", done));
    let over = false;
    this.exited.then(() => (over = true));
    if (!(await until(async () => over || (await answers(this.port)), limitMs)) || over) {
      await this.kill();
      throw new Error(`${this.key} did not come up; see ${path.join(this.home, "console.log")}`);
    }
    this.pid = this.#listener() ?? this.process.pid;
    const reply = await until(async () => (await this.call("health", {}, { limitMs: 30_000 })).ok, limitMs, 500);
    if (!reply) throw new Error(`${this.key} listens, but is not healthy`);
  }

  /** What puts a command where the gateway runs, or would run if it were started now. */
  prefix() {
    const named = this.hostname ? ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', this.hostname] : [];
    const within = this.within ?? ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"];
    return [...named, ...(this.container ? within : [])];
  }

  /** The process that holds the port: a launcher may stand between it and us. */
  #listener() {
    const hex = this.port.toString(16).toUpperCase().padStart(4, "0");
    const row = fs.readFileSync("/proc/net/tcp", "utf8").split("\n").find((l) => l.includes(`:${hex} 00000000:0000 0A`));
    const inode = row?.trim().split(/\s+/)[9];
    const pids = fs.readdirSync("/proc").filter((p) => /^\d+$/.test(p)).map(Number);
    return pids.find((pid) => openFiles(pid).some(([, target]) => target === `socket:[${inode}]`));
  }

  openFiles() {
    return openFiles(this.pid);
  }

  async kill(signal = "SIGKILL") {
    if (!this.process) return;
    try {
      process.kill(-this.process.pid, signal);
    } catch {
      // it has gone already
    }
    if (signal === "SIGKILL" && this.pid && this.pid !== this.process.pid) {
      try {
        process.kill(this.pid, signal);
      } catch {
        // so has the process behind the launcher
      }
    }
    await Promise.race([this.exited, sleep(20_000)]);
  }

  /** Sends one message and waits for the end of its run. */
  message(text, { agent = "main", limitMs = 120_000 } = {}) {
    const params = { message: text, agentId: agent, sessionKey: `agent:${agent}:main`, idempotencyKey: randomUUID() };
    return this.call("agent", params, { limitMs, final: true });
  }

  async call(method, params, { limitMs = 60_000, final = false } = {}) {
    for (let tries = 0; ; tries++) {
      const reply = await this.#once(method, params, limitMs, final);
      if (tries < 60 && /gateway starting|startup-sidecars/.test(reply.error ?? "")) await sleep(1000);
      else return reply;
    }
  }

  #once(method, params, limitMs, final) {
    return new Promise((done) => {
      const started = Date.now();
      const socket = new WebSocket(`ws://127.0.0.1:${this.port}`);
      const end = (reply) => {
        clearTimeout(timer);
        socket.onclose = null;
        socket.close();
        done({ ms: Date.now() - started, ...reply });
      };
      const timer = setTimeout(() => end({ ok: false, error: `no answer in ${limitMs} ms` }), limitMs);
      let greeted = false;
      const greet = (nonce) => {
        if (greeted) return;
        greeted = true;
        socket.send(JSON.stringify({ type: "req", id: "connect", method: "connect", params: this.#hello(nonce) }));
      };
      // Versions up to 2026.1 send no challenge.
      socket.onopen = () => setTimeout(() => socket.readyState === 1 && greet(), 1500);
      socket.onclose = (e) => end({ ok: false, error: `closed: ${e.code} ${e.reason}` });
      socket.onmessage = ({ data }) => {
        const frame = JSON.parse(data);
        if (frame.type === "event") return frame.event === "connect.challenge" ? greet(frame.payload?.nonce) : undefined;
        if (frame.type !== "res") return;
        const error = frame.error ? JSON.stringify(frame.error) : undefined;
        if (!frame.ok) return end({ ok: false, error, payload: frame.payload });
        if (frame.id === "connect") return socket.send(JSON.stringify({ type: "req", id: "call", method, params }));
        if (final && frame.payload?.status === "accepted") return;
        end({ ok: !final || frame.payload?.status === "ok", payload: frame.payload });
      };
    });
  }

  /** From 2026.2 a client without a signed device identity loses its scopes; loopback ones are paired silently. */
  #hello(nonce) {
    this.#key ??= generateKeyPairSync("ed25519");
    const scopes = ["operator.admin", "operator.read", "operator.write"];
    const hello = {
      minProtocol: 1,
      maxProtocol: 99,
      client: { id: "gateway-client", displayName: "rescue matrix", version: "1.0.0", platform: "linux", mode: "backend" },
      role: "operator",
      scopes,
      caps: [],
      auth: { token: TOKEN },
    };
    if (!nonce) return hello;
    const publicKey = this.#key.publicKey.export({ format: "jwk" }).x;
    const id = createHash("sha256").update(Buffer.from(publicKey, "base64url")).digest("hex");
    const signedAt = Date.now();
    const text = ["v2", id, "gateway-client", "backend", "operator", scopes.join(","), signedAt, TOKEN, nonce].join("|");
    const signature = sign(null, Buffer.from(text), this.#key.privateKey).toString("base64url");
    return { ...hello, device: { id, publicKey, signature, signedAt, nonce } };
  }
}
