#!/usr/bin/env node
// lease-owner.mjs DIST STATE HOLD_MS END: takes OpenClaw's real gateway ownership (acquireGatewayLock of the package in
// DIST: coordinators, the owner's lease with its heartbeat, both lock files), holds it, and looks for its own row once it
// has it and before it ends. END: release, or die (SIGKILL to itself). Prints a line of JSON an event.
//
// Nobody puts a row back: one that is missing was taken, `lost-while-starting` or `lost`. Between the two looks no
// connection of ours is open, which alone would keep lockdoctor away.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";

const [dist, state, hold, end] = process.argv.slice(2);
Object.assign(process.env, { OPENCLAW_STATE_DIR: state, HOME: path.dirname(state), OPENCLAW_NO_RESPAWN: "1" });
const say = (event) => fs.writeSync(1, JSON.stringify({ pid: process.pid, host: os.hostname(), ...event }) + "\n");

/** The function by its name: the bundler gives it another in each release. */
async function acquirer() {
  for (const name of fs.readdirSync(dist).filter((name) => /^gateway-lock-.*\.m?js$/.test(name))) {
    const text = fs.readFileSync(path.join(dist, name), "utf8");
    const alias = text.match(/acquireGatewayLock as (\w+)/)?.[1];
    if (alias && text.includes("function acquireGatewayLock")) return (await import(path.join(dist, name)))[alias];
  }
  throw new Error("no acquireGatewayLock in " + dist);
}

const acquireGatewayLock = await acquirer();
const isMine = () => {
  const database = new DatabaseSync(path.join(state, "state/openclaw.sqlite"), { readOnly: true });
  database.exec("PRAGMA busy_timeout = 20000");
  const sql = "SELECT payload_json FROM state_leases WHERE scope = 'gateway-owner' AND lease_key = 'global'";
  const owner = JSON.parse(database.prepare(sql).get()?.payload_json ?? "{}").owner;
  database.close();
  return owner?.pid === process.pid && owner?.host === os.hostname();
};
let lock;
try {
  const port = 18000 + (process.pid % 1000);
  lock = await acquireGatewayLock({
    env: process.env, port, listenerMode: "foreground", role: "gateway", timeoutMs: 3000, allowInTests: true,
  });
} catch (error) {
  say({ event: "refused", why: String(error.message).slice(0, 120) });
  process.exit(2);
}
say({ event: "acquired" });
const began = isMine();
if (!began) say({ event: "lost-while-starting" });
await new Promise((resolve) => setTimeout(resolve, Number(hold)));
if (began && !isMine()) say({ event: "lost" });
say({ event: end === "die" ? "died" : "released" });
if (end === "die") process.kill(process.pid, "SIGKILL");
await lock.release();
process.exit(0);
