#!/usr/bin/env node
// crash-loop.mjs KEY… [--beside COLUMN,…] [--table]
//
// With real gateways (install.mjs), as root, with runc: a gateway in a container is killed ten times in the middle of a run
// of one session, and comes back each time with the same pid. Two messages go to that session in each life: one at once,
// one when the lock has had time to settle. What happens to its dead lock makes the columns; lockdoctor watches on
// the host, as a sidecar in the gateway's PID namespace (which dies with it each time), or as one in a namespace of its own.
import fs from "node:fs";
import path from "node:path";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { sleep, until } from "./gateway.mjs";
import { main } from "./results.mjs";
import { BESIDE, Ward, isTombstone, lockdoctor, sessionLock } from "./ward.mjs";

const LIVES = 10;
const SETTLE_MS = 3000;
const enter = (home, name, pid) => [process.execPath, path.join(import.meta.dirname, "enter.mjs"), home, name, String(pid)];

/** What runs beside the gateway: a command, given its state directory, and where. */
const COLUMNS = {
  nothing: {},
  cron: { command: BESIDE.cron },
  "on the host": { command: BESIDE.lockdoctor },
  "sidecar sharing its PID namespace": { command: BESIDE.lockdoctor, namespace: (gateway) => gateway.pid },
  "sidecar apart": { command: BESIDE.lockdoctor, namespace: () => "own" },
  // By the clock, the next gateway is the owner of a lock that is younger than five seconds when it starts.
  "sidecar apart, longer runs": { command: BESIDE.lockdoctor, namespace: () => "own", runMs: 6000 },
};

/** Starts the tool, and again whenever it has ended, as `restart: unless-stopped` does. */
function beside({ command, namespace }, ward) {
  if (!command) return { stop: async () => {} };
  const out = fs.openSync(path.join(ward.home, "beside.log"), "a");
  let over = false;
  let child;
  const loop = (async () => {
    while (!over) {
      const { gateway, home } = ward;
      if (namespace && !gateway.running) {
        await sleep(200);
        continue;
      }
      const [program, ...args] = [...(namespace ? enter(home, "sidecar", namespace(gateway)) : []), ...command(gateway.state)];
      child = spawn(program, args, { env: { ...process.env, HOME: home }, stdio: ["ignore", out, out], detached: true });
      await new Promise((done) => child.once("exit", done));
      await sleep(500);
    }
  })();
  return {
    stop: async () => {
      over = true;
      if (namespace) spawnSync("runc", ["--root", path.join(ward.home, "runc"), "delete", "--force", "sidecar"], { stdio: "ignore" });
      try {
        process.kill(-child.pid, "SIGTERM");
      } catch {
        // it has gone already
      }
      await loop;
    },
  };
}

async function loop(key, column, results) {
  const ward = new Ward(key, "nothing", { container: true });
  const root = path.join(ward.home, "root");
  fs.mkdirSync(root);
  fs.mkdirSync(path.join(ward.home, "layer"));
  execFileSync("mount", ["-t", "tmpfs", "none", path.join(ward.home, "layer")]);
  for (const each of ["upper", "work"]) fs.mkdirSync(path.join(ward.home, "layer", each));
  const layer = (name) => path.join(ward.home, "layer", name);
  execFileSync("mount", ["-t", "overlay", "overlay", "-o", `lowerdir=/,upperdir=${layer("upper")},workdir=${layer("work")}`, root]);
  let tool;
  try {
    ward.options.within = enter(ward.home, "gateway", "own");
    await ward.open();
    const { gateway, model } = ward;
    gateway.running = true;
    tool = beside(COLUMNS[column], ward);
    await until(async () => (await ward.deliver("main", "warm")).delivered, 300_000, 1000);
    const begun = Date.now();
    const [freed, first, second] = [[], [], []];
    for (let life = 1; life <= LIVES; life++) {
      const hang = `hang-${life}`;
      gateway.message(`[[hang]] [[tag=${hang}]]`, { limitMs: 600_000 }).catch(() => {});
      const dead = await until(() => model.seen.has(hang) && sessionLock(gateway), 300_000);
      if (!dead) throw new Error(`life ${life}: no run began, so nothing dies`);
      const { ino } = fs.statSync(dead);
      await sleep(COLUMNS[column].runMs ?? 1000);
      gateway.running = false;
      await gateway.kill();
      const died = Date.now();
      const gone = until(() => isTombstone(dead) || inode(dead) !== ino, 600_000, 10).then((yes) => yes && Date.now() - died);
      await sleep(1000);
      await gateway.start();
      gateway.running = true;
      const up = Date.now() - died;
      first.push(await ward.deliver("main", `first-${life}`, "", 90_000));
      await sleep(Math.max(0, SETTLE_MS - first.at(-1).ms));
      second.push(await ward.deliver("main", `second-${life}`, "", 90_000));
      const ms = await Promise.race([gone, sleep(0)]);
      freed.push(ms);
      console.log(`${key}, ${column}, life ${life}: up after ${up} ms, lock gone after ${ms} ms, ${JSON.stringify(first.at(-1))} ${JSON.stringify(second.at(-1))}`);
    }
    const journal = path.join(gateway.state, "lockdoctor", "journal.jsonl");
    const events = fs.existsSync(journal) ? fs.readFileSync(journal, "utf8").trim().split("\n").map((line) => JSON.parse(line).event) : [];
    const said = fs.existsSync(path.join(ward.home, "beside.log")) ? fs.readFileSync(path.join(ward.home, "beside.log"), "utf8") : "";
    const delivered = (replies) => `${replies.filter((reply) => reply.delivered).length} of ${replies.length}`;
    Object.assign(results, {
      "ten lives took": `${Math.round((Date.now() - begun) / 1000)} s`,
      "dead locks gone from the name": `${freed.filter(Boolean).length} of ${freed.length}${freed.some(Boolean) ? `, after ${(Math.max(...freed) / 1000).toFixed(1)} s at most` : ""}`,
      "freed by lockdoctor": String(events.filter((event) => event === "reclaimed" || event === "completed").length),
      "refused by the breaker": String((said.match(/cannot be reclaimed/g) ?? []).length),
      "messages at once after the start": delivered(first),
      "messages after the settle": delivered(second),
      "the crash loop is said": /died \d+ times within/.test(said) ? "yes" : "no",
    });
    if (process.env.LOCKDOCTOR_KEEP) console.log(ward.home);
  } finally {
    await tool?.stop();
    await ward.gateway?.kill();
    spawnSync("runc", ["--root", path.join(ward.home, "runc"), "delete", "--force", "gateway"], { stdio: "ignore" });
    // Before the directory is removed, and this machine's root with it.
    for (const each of [root, path.join(ward.home, "layer")]) execFileSync("umount", ["-l", each]);
    await ward.close();
  }
}

function inode(file) {
  try {
    return fs.statSync(file).ino;
  } catch {
    return null;
  }
}

await main({ loop: { title: "Killed ten times in a row", columns: Object.keys(COLUMNS), run: loop } });
