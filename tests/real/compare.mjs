#!/usr/bin/env node
// compare.mjs NAME-VERSION: which locks does each cleaner remove? The cron line of the field, OpenClaw's own
// `doctor --fix` (of that installed gateway, see install.mjs) and `lockdoctor reclaim --yes`, each on the same
// locks in a fresh state directory. Prints a table in Markdown. The container row needs root.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { spawn, spawnSync } from "node:child_process";
import { gateways } from "./lockcode.mjs";
import { plant, sessionPayload, startTicks } from "./planted.mjs";

const [key = "openclaw-2026.5.22"] = process.argv.slice(2);
const [name, version] = [key.split("-")[0], key.replace(/^[a-z]+-/, "")];
const lockdoctor = process.env.LOCKDOCTOR_BIN ?? new URL("../../target/release/lockdoctor", import.meta.url).pathname;
const minutes = (n) => n * 60_000;

const CASES = [
  { id: "working", what: "a run at work for 5 minutes", live: true, agoMs: minutes(5) },
  { id: "long", what: "a run at work for 45 minutes", live: true, agoMs: minutes(45) },
  { id: "container", what: "a run at work in another container", live: true, agoMs: minutes(5), pid1: true },
  { id: "leaked", what: "forgotten by a gateway that lives", agoMs: minutes(5), leak: true },
  { id: "killed", what: "left by a killed gateway, 5 minutes ago", agoMs: minutes(5), dead: true },
  { id: "fresh", what: "left by a killed gateway, 30 seconds ago", agoMs: 30_000, dead: true },
  { id: "recycled", what: "its pid belongs to another program now", agoMs: minutes(5), recycled: true },
  { id: "torn", what: "half-written, 5 minutes ago", agoMs: minutes(5), torn: true },
];

// Holds a lock as OpenClaw does: made with O_EXCL, and open until it is let go.
const HOLDER = `
const fs = require("fs"), [file, title, bytes, ago, how] = process.argv.slice(1);
process.title = title;
const stat = fs.readFileSync("/proc/self/stat", "utf8").split(" ");
const fd = fs.openSync(file, "wx");
fs.writeSync(fd, bytes.replace("PID", stat[0]).replace("TICKS", stat.slice(-31)[0]));
const then = new Date(Date.now() - Number(ago));
fs.utimesSync(file, then, then);
if (how === "leak") fs.closeSync(fd);
console.log("held");
setInterval(() => {}, 1 << 30);`;

async function hold(file, { agoMs, leak, pid1 }) {
  const bytes = sessionPayload(version, { pid: 4242424, agoMs, ticks: 2424242 }).replace("4242424", "PID").replace("2424242", "TICKS");
  const node = [process.execPath, "-e", HOLDER, file, "openclaw-gateway", bytes, String(agoMs), leak ? "leak" : "hold"];
  const words = pid1 ? ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", ...node] : node;
  const child = spawn(words[0], words.slice(1), { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise((resolve, reject) => (child.stdout.once("data", resolve), child.once("exit", reject)));
  return child;
}

function deadPid() {
  return spawnSync("true").pid;
}

async function lay(sessions) {
  const children = [];
  for (const it of CASES.filter((it) => !it.pid1 || process.getuid() === 0)) {
    const file = path.join(sessions, `${it.id}.jsonl.lock`);
    fs.writeFileSync(path.join(sessions, `${it.id}.jsonl`), '{"type":"session"}\n');
    if (it.live || it.leak) children.push(await hold(file, it));
    if (it.dead) plant(file, sessionPayload(version, { pid: deadPid(), agoMs: it.agoMs, ticks: 1 }), it.agoMs);
    if (it.recycled) plant(file, sessionPayload(version, { pid: process.pid, agoMs: it.agoMs, ticks: startTicks(process.pid) - 99 }), it.agoMs);
    if (it.torn) plant(file, '{\n  "pid": 12', it.agoMs);
  }
  return children;
}

const TOOLS = {
  cron: (state) => ["find", [state, "-name", "*.lock", "-mmin", "+2", "-delete"]],
  doctor: () => [path.join(gateways(), key, "node_modules/.bin", name), ["doctor", "--fix", "--non-interactive"]],
  lockdoctor: (state) => [lockdoctor, ["reclaim", "--yes", "--state-dir", state]],
};

const removed = {};
for (const [tool, command] of Object.entries(TOOLS)) {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), "compare-"));
  const state = path.join(home, ".openclaw");
  const sessions = path.join(state, "agents/main/sessions");
  fs.mkdirSync(sessions, { recursive: true, mode: 0o700 });
  fs.writeFileSync(path.join(state, "openclaw.json"), JSON.stringify({ meta: { lastTouchedVersion: version } }));
  const children = await lay(sessions);
  const inode = (it) => fs.statSync(path.join(sessions, `${it.id}.jsonl.lock`), { throwIfNoEntry: false })?.ino;
  const before = new Map(CASES.map((it) => [it, inode(it)]));
  const [program, args] = command(state);
  const start = performance.now();
  const env = { ...process.env, HOME: home, OPENCLAW_STATE_DIR: state, PATH: `${path.dirname(process.execPath)}:${process.env.PATH}` };
  const run = spawnSync(program, args, { env, encoding: "utf8" });
  const seconds = (performance.now() - start) / 1000;
  if (run.error) throw run.error;
  if (process.env.VERBOSE) console.error(run.stdout, run.stderr);
  removed[tool] = { seconds, ids: new Set(CASES.filter((it) => before.get(it) !== inode(it)).map((it) => it.id)) };
  for (const child of children) child.kill("SIGKILL");
  fs.rmSync(home, { recursive: true, force: true });
}

const tools = Object.keys(TOOLS);
console.log(`| ${version}: a lock … | cron line | \`${name} doctor --fix\` | \`lockdoctor reclaim --yes\` |\n|---|---|---|---|`);
for (const it of CASES.filter((it) => !it.pid1 || process.getuid() === 0)) {
  const cell = (tool) => {
    const gone = removed[tool].ids.has(it.id);
    if (it.live) return gone ? "**takes it**" : "leaves it";
    return gone ? "frees it" : "leaves it";
  };
  console.log(`| ${it.what} | ${tools.map(cell).join(" | ")} |`);
}
console.log(`| takes | ${tools.map((tool) => `${removed[tool].seconds.toFixed(1)} s`).join(" | ")} |`);
process.exitCode = CASES.some((it) => it.live && removed.lockdoctor.ids.has(it.id)) ? 1 : 0;
