// holder.mjs KEY SESSION.jsonl: takes the real lock, says so, and then does what stdin says, a line each:
//   title NAME   renames the process, as gateways do (on Linux that overwrites /proc/PID/cmdline)
//   release      lets go, by the package's own code
//   leak         closes the lock's file and keeps quiet about it: the lock stays, its owner lives
//   plant FILE   leaves a lock file at FILE that names this very process, with its start time
// End of stdin ends the process without a clean-up (as kill -9 does; the sender of that needs no word).
import fs from "node:fs";
import readline from "node:readline";
import { load } from "./lockcode.mjs";
import { plant, sessionPayload, startTicks } from "./planted.mjs";

const [key, session] = process.argv.slice(2);
const say = (event, more) => console.log(JSON.stringify({ event, pid: process.pid, ...more }));
const code = await load(key);
const held = await code.acquire(session, 10_000);
say("held");

for await (const line of readline.createInterface({ input: process.stdin })) {
  const [command, ...rest] = line.split(" ");
  const argument = rest.join(" ");
  if (command === "title") process.title = argument;
  if (command === "release") await held.release();
  if (command === "leak") fs.closeSync(openedOn(`${session}.lock`));
  if (command === "plant") {
    plant(argument, sessionPayload(code.version, { pid: process.pid, agoMs: 0, ticks: startTicks(process.pid) }), 0);
  }
  say(command);
}
process.kill(process.pid, "SIGKILL");

function openedOn(file) {
  const real = fs.realpathSync(file);
  return Number(fs.readdirSync("/proc/self/fd").find((fd) => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${fd}`) === real;
    } catch {
      return false; // the descriptor of this very listing
    }
  }));
}
