#!/usr/bin/env node
// drive.mjs KEY HOME: one real gateway, driven line by line from stdin; answers with a JSON line each.
//   start · message TEXT · send TEXT (does not wait) · kill · stop
import readline from "node:readline";
import { gateways } from "../real/lockcode.mjs";
import { Gateway, Model } from "../real/gateway.mjs";

const [key, home] = process.argv.slice(2);
const say = (answer) => console.log(JSON.stringify(answer));
const model = await new Model().start();
let gateway;
try {
  gateway = new Gateway({ installs: gateways(), key, home, model });
  say({ ok: true, state: gateway.state });
} catch (error) {
  say({ ok: false, error: String(error) });
  process.exit(0);
}

const commands = {
  async start() {
    await gateway.start(90_000);
    return { pid: gateway.pid };
  },
  async message(text) {
    const { ok, ms, error } = await gateway.message(text);
    return { ok, ms, error };
  },
  async send(text) {
    gateway.message(text, { limitMs: 600_000 });
  },
  async kill() {
    await gateway.kill();
  },
  async stop() {
    await gateway.kill("SIGTERM");
    await gateway.kill();
    model.stop();
  },
};
for await (const line of readline.createInterface({ input: process.stdin })) {
  const [, command, text] = /^(\w+) ?(.*)$/.exec(line);
  try {
    say({ ok: true, ...(await commands[command](text)) });
  } catch (error) {
    say({ ok: false, error: String(error) });
  }
  if (command === "stop") process.exit(0);
}
