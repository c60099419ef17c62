#!/usr/bin/env node
// beside-busy.mjs [SECONDS]: does a 2026.9.6 gateway at work notice `lockdoctor scan`, ten times a second?
// Stretches with and without it take turns, so that whatever else the machine does hits both alike. Afterwards the
// gateway is stopped: are its databases the same files, with the same bytes and times, after a hundred scans?
// Needs node >= 24, the gateway (install.mjs), and a release binary in $LOCKDOCTOR_BIN.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { spawn } from "node:child_process";
import { fingerprint } from "./fingerprint.mjs";
import { gateways } from "./lockcode.mjs";
import { Gateway, Model, sleep } from "./gateway.mjs";

const KEY = "openclaw-2026.9.6";
const STRETCH_MS = 20_000;
const PERIOD_MS = 100;
/** What a gateway writes when a reader was in its way, or when its files are not its own any more. */
const COMPLAINTS = /SQLITE_BUSY|database is locked|blocked by a reader|remained busy|sidecar identity|SQLITE_READONLY|SQLITE_IOERR/;

const seconds = Number(process.argv[2] ?? 600);
const tool = process.env.LOCKDOCTOR_BIN ?? path.resolve(import.meta.dirname, "../../target/release/lockdoctor");

if (!fs.existsSync(path.join(gateways(), KEY))) {
  console.error(`SKIPPED: ${KEY} is not installed below ${gateways()} (tests/real/install.mjs)`);
  process.exit(0);
}

const scans = { started: 0, late: 0, ms: [], exits: new Map() };
function scan(state) {
  const begun = performance.now();
  scans.started++;
  return new Promise((done) => {
    const child = spawn(tool, ["scan", "--json", "--state-dir", state], { stdio: "ignore" });
    child.once("exit", (code) => {
      scans.ms.push(performance.now() - begun);
      scans.exits.set(code, (scans.exits.get(code) ?? 0) + 1);
      done();
    });
  });
}

/** Ten a second, one at a time: a scan that is late delays the next. */
async function scanWhile(on, state, stop) {
  while (!stop()) {
    if (!on()) {
      await sleep(20);
      continue;
    }
    const begun = performance.now();
    await scan(state);
    const rest = PERIOD_MS - (performance.now() - begun);
    if (rest < 0) scans.late++;
    await sleep(Math.max(0, rest));
  }
}

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];
function spread(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return { n: sorted.length, p50: Math.round(quantile(sorted, 0.5)), p95: Math.round(quantile(sorted, 0.95)), max: Math.round(sorted.at(-1) ?? 0) };
}

const home = fs.mkdtempSync(path.join(os.tmpdir(), "lockdoctor-beside-"));
const model = await new Model().start();
const gateway = new Gateway({ installs: gateways(), key: KEY, home, model });
let complaints = [];
let touched = [];
try {
  await gateway.start();
  for (let i = 0; i < 5; i++) await gateway.message("warm-up");

  const begun = Date.now();
  const withScan = () => Math.floor((Date.now() - begun) / STRETCH_MS) % 2 === 1;
  let over = false;
  const reader = scanWhile(withScan, gateway.state, () => over);
  const runs = { alone: [], beside: [] };
  const failed = [];
  for (let n = 0; Date.now() - begun < seconds * 1000; n++) {
    const side = withScan();
    const reply = await gateway.message(`message ${n} [[tag=n${n}]]`);
    if (!reply.ok) failed.push(reply.error);
    // A run that began in one stretch and ended in another belongs to neither.
    else if (side === withScan()) runs[side ? "beside" : "alone"].push(reply.ms);
  }
  over = true;
  await reader;
  const [alone, beside] = [spread(runs.alone), spread(runs.beside)];
  console.log(`messages alone:  ${JSON.stringify(alone)} ms`);
  console.log(`messages beside: ${JSON.stringify(beside)} ms; ratio of medians ${(beside.p50 / alone.p50).toFixed(3)}, of p95 ${(beside.p95 / alone.p95).toFixed(3)}`);
  console.log(`failed messages: ${failed.length} ${failed[0] ?? ""}`);
  console.log(`scans beside:    ${scans.started}, exit codes ${JSON.stringify(Object.fromEntries(scans.exits))}, ${scans.late} took over ${PERIOD_MS} ms; ${JSON.stringify(spread(scans.ms))} ms each`);

  // Stopped, so that whatever changes now was changed by us: it renews a lease every 30 s otherwise.
  process.kill(gateway.pid, "SIGSTOP");
  await sleep(2000);
  const before = fingerprint(gateway.state);
  for (let i = 0; i < 100; i++) await scan(gateway.state);
  const after = fingerprint(gateway.state);
  process.kill(gateway.pid, "SIGCONT");
  touched = [...new Set([...before, ...after])].filter((line) => !before.includes(line) || !after.includes(line));
  console.log(`100 scans of a stopped gateway's ${before.length} files: ${touched.length === 0 ? "every byte, inode, mtime and ctime is the same" : `CHANGED ${touched}`}`);
} finally {
  const log = ["gateway.log", "console.log"].map((f) => path.join(home, f)).filter(fs.existsSync).map((f) => fs.readFileSync(f, "utf8")).join("\n");
  complaints = log.split("\n").filter((line) => COMPLAINTS.test(line));
  console.log(`complaints in the gateway's log (${log.split("\n").length} lines): ${complaints.length}`);
  complaints.slice(0, 5).forEach((line) => console.log(`  ${line.slice(0, 300)}`));
  await gateway.kill();
  model.stop();
  if (!process.env.LOCKDOCTOR_KEEP) fs.rmSync(home, { recursive: true, force: true });
}
process.exit(complaints.length + touched.length > 0 ? 1 : 0);
