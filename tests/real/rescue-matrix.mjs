#!/usr/bin/env node
// rescue-matrix.mjs KEY… [--beside nothing,cron,lockdoctor] [--only session,store,healthy] [--table]
//
// With real gateways (install.mjs): plants every kind of left-over lock, sends one message, and sees
// whether it comes through, with nothing beside the gateway, with the cron job of the field, and with
// lockdoctor ($LOCKDOCTOR_BIN). Then healthy and merely slow runs, in which nothing may be touched.
import fs from "node:fs";
import path from "node:path";
import { healthy, untouched } from "./healthy.mjs";
import { plant } from "./planted.mjs";
import { main } from "./results.mjs";
import { BESIDE, Ward } from "./ward.mjs";

const MINUTE = 60_000;

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

async function planted(kind, cases, key, beside, results, wanted) {
  const names = Object.keys(cases).filter(wanted);
  const agents = ["main", ...names.map((_, i) => `c${i}`)];
  const ward = await new Ward(key, beside, { agents }).open();
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
    };
    // Each case has an agent of its own, so three can wait side by side.
    const queue = names.keys();
    await Promise.all([1, 2, 3].map(async () => {
      for (const i of queue) await one(i);
    }));
  } finally {
    await ward.close();
  }
}

const COLUMNS = Object.keys(BESIDE);

await main({
  session: { title: "A lock left at `<session>.jsonl.lock`", columns: COLUMNS, rows: Object.keys(SESSION_CASES), run: (...how) => planted("session", SESSION_CASES, ...how) },
  store: { title: "A lock left at `sessions.json.lock`", columns: COLUMNS, rows: Object.keys(STORE_CASES), run: (...how) => planted("store", STORE_CASES, ...how) },
  healthy: { title: "Healthy and merely slow: nothing may be touched", columns: COLUMNS, run: healthy, cell: untouched },
});
