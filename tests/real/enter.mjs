// enter.mjs HOME NAME PID COMMAND…: runs a command in a container (runc). Its image is what lies at HOME/root, its volume
// is HOME, it shares the network of this machine. PID: whose PID namespace it joins; `own`: it is pid 1 of one of its own.
import fs from "node:fs";
import path from "node:path";
import { execFileSync, spawnSync } from "node:child_process";

const [home, name, pid, ...command] = process.argv.slice(2);
const bundle = path.join(home, "containers", name);
const runc = (...args) => ["--root", path.join(home, "runc"), ...args];

fs.mkdirSync(bundle, { recursive: true });
fs.rmSync(path.join(bundle, "config.json"), { force: true });
spawnSync("runc", runc("delete", "--force", name), { stdio: "ignore" });
execFileSync("runc", ["spec", "--bundle", bundle]);
const spec = JSON.parse(fs.readFileSync(path.join(bundle, "config.json"), "utf8"));
const env = Object.entries(process.env).map(([key, value]) => `${key}=${value}`);
Object.assign(spec.process, { terminal: false, args: command, cwd: home, env, capabilities: {} });
spec.root = { path: path.join(home, "root"), readonly: false };
spec.mounts.push({ destination: home, type: "bind", source: home, options: ["rbind", "rw"] });
spec.linux.namespaces = spec.linux.namespaces
  .filter(({ type }) => type !== "network")
  .map((each) => (each.type === "pid" && pid !== "own" ? { ...each, path: `/proc/${pid}/ns/pid` } : each));
// By its name alone two runs would share one, and `runc delete` in one of them kill what is in it.
spec.linux.cgroupsPath = `/${path.basename(home)}-${name}`;
fs.writeFileSync(path.join(bundle, "config.json"), JSON.stringify(spec));
process.exit(spawnSync("runc", runc("run", "--bundle", bundle, name), { stdio: "inherit" }).status ?? 1);
