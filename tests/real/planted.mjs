// Locks as they are found in the field, written the way the given version writes them: what stands
// there, and since when. `owner` names the process that the payload blames.
import fs from "node:fs";

export const startTicks = (pid) => {
  const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
};

/** "2026.3.13" as [2026, 3, 13]; what a suffix says is of no matter here. */
const parts = (version) => version.split("-")[0].split(".").map(Number);
export const since = (version, first) => {
  const [a, b] = [parts(version), parts(first)];
  const at = a.findIndex((n, i) => n !== b[i]);
  return at < 0 || a[at] > b[at];
};

/** The bytes of `<session>.jsonl.lock` (and, from 2026.2.17, of `sessions.json.lock`). */
export function sessionPayload(version, { pid, agoMs, ticks, maxHoldMs }) {
  const payload = { pid, createdAt: new Date(Date.now() - agoMs).toISOString() };
  if (maxHoldMs ?? since(version, "2026.5.22")) payload.maxHoldMs = maxHoldMs ?? 1_020_000;
  if (ticks !== undefined) payload.starttime = ticks;
  return JSON.stringify(payload, null, 2) + (since(version, "2026.5.12") ? "\n" : "");
}

/** The bytes of `sessions.json.lock` up to 2026.2.12. */
export const oldStorePayload = ({ pid, agoMs }) => JSON.stringify({ pid, startedAt: Date.now() - agoMs });

/** Puts a whole lock file in its place at once, as old as it is said to be. */
export function plant(file, bytes, agoMs) {
  const tmp = `${file}.plant-${process.pid}`;
  fs.writeFileSync(tmp, bytes);
  const then = new Date(Date.now() - agoMs);
  fs.utimesSync(tmp, then, then);
  fs.renameSync(tmp, file);
  return fs.statSync(file).ino;
}
