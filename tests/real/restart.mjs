#!/usr/bin/env node
// restart.mjs KEY… [--beside COLUMN,…] [--only crash,container] [--table]
//
// With real gateways (install.mjs): a gateway is killed in the middle of a run and started again. What is done to the
// lock that it leaves makes the columns: nothing, `rm`, `lockdoctor reclaim --yes` before the start (an init
// container does that), or `lockdoctor watch --reclaim` all the time. `container` needs root: the gateway is pid 1
// of its container, and so again after the restart.
import fs from "node:fs";
import { spawnSync } from "node:child_process";
import { sleep, until } from "./gateway.mjs";
import { main } from "./results.mjs";
import { Ward, isTombstone, lockdoctor, sessionLock } from "./ward.mjs";

const reclaim = (gateway) => [lockdoctor(), "reclaim", "--yes", "--state-dir", gateway.state];
const run = ([command, ...args]) => {
  const { status } = spawnSync(command, args, { stdio: "inherit" });
  // 1: something else needs attention, such as the dead gateway's own lock.
  if (status > 1) throw new Error(`${command} ended with ${status}`);
};

/** What is done between the death of a gateway and its next start. */
const BEFORE_START = {
  nothing: () => {},
  "rm before the start": (gateway) => gateway.locks().forEach((file) => fs.unlinkSync(file)),
  // In a container of its own, as an init container is: there lockdoctor itself is pid 1.
  "reclaim before the start": (gateway) =>
    run(gateway.container ? ["unshare", "--pid", "--fork", "--mount-proc", ...reclaim(gateway)] : reclaim(gateway)),
  "watch all the time": (gateway) => until(() => isTombstone(sessionLock(gateway)), 20_000),
};
const COLUMNS = Object.keys(BEFORE_START);

/** What lies at the lock's path. */
function lying(gateway) {
  const lock = sessionLock(gateway);
  if (!lock) return "nothing";
  return isTombstone(lock) ? "a tombstone" : "the dead lock";
}

/** Kills a gateway in the middle of a run, and starts it again. */
async function killedInMidRun(key, column, results, options, then) {
  const ward = await new Ward(key, column.startsWith("watch") ? "lockdoctor" : "nothing", options).open();
  try {
    const { gateway, model } = ward;
    await ward.deliver("main", "warm");
    ward.deliver("main", "cut-off", "[[delay=600]]", 60_000).catch(() => {});
    await until(() => sessionLock(gateway) && model.seen.has("cut-off"), 180_000);
    await sleep(2000);
    await gateway.kill();
    await sleep(1000);
    await BEFORE_START[column](gateway);
    results["at the lock's path when it starts"] = lying(gateway);
    await gateway.start();
    Object.assign(results, await then(ward));
  } finally {
    await ward.close();
  }
}

/** From 2026.4.24 a gateway takes an interrupted run up again, which it knows (to 6.5, only) by the dead lock. */
function crash(key, column, results) {
  return killedInMidRun(key, column, results, {}, async (ward) => {
    const start = Date.now();
    const resumed = Boolean(await until(() => ward.model.seen.get("cut-off") > 1, 240_000));
    const seconds = ((Date.now() - start) / 1000).toFixed(1);
    const said = (pattern) => (pattern.test(ward.said()) ? "yes" : "no");
    return {
      "the gateway removed it as stale": said(/removed stale session lock/),
      "the gateway marked the session as interrupted by it": said(/marked [1-9]\d* interrupted main session\(s\) from stale transcript locks/),
      "the interrupted run is taken up again": resumed ? `**yes**, ${seconds} s after the start` : "no",
      "the next message": await ward.deliver("main", "after"),
    };
  });
}

/** The gateway is pid 1 of its container, is killed in the middle of a run, and is pid 1 again. */
function container(key, column, results) {
  return killedInMidRun(key, column, results, { container: true }, async (ward) => ({
    "message 1 after the restart": await ward.deliver("main", "after-1"),
    "message 2 after the restart": await ward.deliver("main", "after-2"),
  }));
}

await main({
  crash: { title: "Killed in the middle of a run, restarted", columns: COLUMNS, run: crash },
  container: { title: "Killed in a container, restarted as the same pid", columns: COLUMNS, run: container },
});
