// Runs that are healthy, or merely slow: whatever stands beside the gateway, their locks may not be touched.
import path from "node:path";
import { spawn } from "node:child_process";
import { sleep, until } from "./gateway.mjs";
import { Ward, isTombstone, sessionLock } from "./ward.mjs";

/**
 * Watches the locks of healthy runs: which were swapped for a tombstone, and which the gateway still has open
 * though they were deleted (an owner closes first; from 2026.5.18 it lets go while the model thinks).
 */
function vigil(gateway) {
  const tombstones = new Set();
  const robbed = new Set();
  const timer = setInterval(() => {
    for (const file of gateway.locks()) {
      if (isTombstone(file)) tombstones.add(file);
    }
    for (const [fd, target] of gateway.openFiles()) {
      if (target.endsWith(".lock (deleted)")) robbed.add(`${fd} ${target}`);
    }
  }, 20);
  return { end: () => clearInterval(timer), seen: () => ({ tombstones: tombstones.size, robbed: robbed.size }) };
}

const HEALTHY = {
  "a run of 45 s, two messages queued behind it": {
    async run(ward) {
      const slow = ward.deliver("main", "slow", "[[delay=45]]");
      await until(() => sessionLock(ward.gateway), 60_000);
      await sleep(10_000);
      const queued = await Promise.all([ward.deliver("main", "queued-1"), ward.deliver("main", "queued-2")]);
      return { delivered: [await slow, ...queued].every((r) => r.delivered) };
    },
  },
  "a model call of 250 s": {
    async run(ward) {
      return { delivered: (await ward.deliver("main", "very-slow", "[[delay=250]]", 500_000)).delivered };
    },
  },
  "a second process refused while the run lasts": {
    async run(ward) {
      const slow = ward.deliver("main", "control", "[[delay=150]]", 400_000);
      const file = await until(() => sessionLock(ward.gateway), 60_000);
      const id = path.basename(file).replace(".jsonl.lock", "");
      const args = ["agent", "--local", "--agent", "main", "--session-id", id, "--message", "intruder [[tag=intruder]]"];
      const intruder = spawn(ward.gateway.bin, args, { env: ward.gateway.env, cwd: ward.home, stdio: "ignore" });
      const { delivered } = await slow;
      intruder.kill("SIGKILL");
      return { delivered, intruder: ward.model.seen.has("intruder") ? "wrote" : "refused" };
    },
  },
  "a run that times out after 20 s": {
    timeoutSeconds: 20,
    async run(ward) {
      await ward.deliver("main", "hang", "[[hang]]", 90_000);
      await until(() => !sessionLock(ward.gateway), 60_000);
      return { delivered: (await ward.deliver("main", "after-timeout")).delivered };
    },
  },
};

export async function healthy(key, beside, results, wanted) {
  for (const [name, { run, timeoutSeconds = 900 }] of Object.entries(HEALTHY)) {
    if (!wanted(name)) continue;
    const ward = await new Ward(key, beside, { timeoutSeconds }).open();
    let watch;
    try {
      await ward.deliver("main", "warm");
      watch = vigil(ward.gateway);
      results[name] = { ...(await run(ward)), ...watch.seen() };
    } finally {
      watch?.end();
      await ward.close();
    }
  }
}

export const untouched = ({ tombstones, robbed, delivered, intruder }) =>
  [
    tombstones + robbed > 0 ? "**live lock taken**" : "untouched",
    delivered ? "delivered" : "**lost**",
    ...(intruder ? [`intruder ${intruder}`] : []),
  ].join(", ");
