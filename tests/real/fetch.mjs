#!/usr/bin/env node
// fetch.mjs [NAME@VERSION…]: puts the lock code of published OpenClaw packages into the lab directory
// ($LOCKDOCTOR_LAB, else ~/.cache/lockdoctor-lab), a few megabytes in all. What is there stays as it is.
//
// Where the lock code is a chunk of its own, that chunk and all it imports are kept, byte for byte, and
// loaded as they are ("imported"). Where it is buried in a chunk that imports every channel, its own
// statements are cut out, unchanged ("sliced").
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { execFileSync } from "node:child_process";
import { pathToFileURL } from "node:url";
import { closure, slice } from "./slice.mjs";
import { lab, load } from "./lockcode.mjs";

/** One for each form of the lock protocol that was ever published, and the last before sessions left the files. */
const PACKAGES = [
  "clawdbot@2026.1.24-3",
  "openclaw@2026.1.30",
  "openclaw@2026.2.6-3",
  "openclaw@2026.2.26",
  "openclaw@2026.3.13",
  "openclaw@2026.4.15",
  "openclaw@2026.4.22",
  "openclaw@2026.5.7",
  "openclaw@2026.5.12",
  "openclaw@2026.5.22",
  "openclaw@2026.6.1",
  "openclaw@2026.7.1-2",
  "openclaw@2026.7.35",
];
const EX_UNAVAILABLE = 69;

class Unavailable extends Error {}

function npm(args, cwd) {
  try {
    return execFileSync("npm", ["--loglevel=error", ...args], { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  } catch (error) {
    const detail = (error.stderr ?? String(error)).trim().split("\n").filter((l) => l.startsWith("npm error")).slice(0, 3);
    throw new Unavailable(detail.map((l) => l.replace("npm error ", "")).join("; ") || String(error.message));
  }
}

async function acornParser() {
  const at = path.join(lab(), "tools");
  if (!fs.existsSync(path.join(at, "node_modules", "acorn"))) install(at, ["acorn@8"]);
  return import(pathToFileURL(path.join(at, "node_modules", "acorn", "dist", "acorn.mjs")).href);
}

function install(at, packages) {
  fs.mkdirSync(at, { recursive: true });
  fs.writeFileSync(path.join(at, "package.json"), '{"private":true}\n');
  npm(["install", "--no-audit", "--no-fund", "--ignore-scripts", ...packages], at);
}

/** The files of `dist` that declare `name`, smallest first: the smaller, the less is dragged in. */
function declaring(dist, name) {
  const declares = new RegExp(`^(export )?(async )?function ${name}\\b`, "m");
  return fs
    .readdirSync(dist, { recursive: true })
    .map((file) => path.join(dist, file))
    .filter((file) => /\.m?js$/.test(file) && declares.test(fs.readFileSync(file, "utf8")))
    .sort((a, b) => fs.statSync(a).size - fs.statSync(b).size);
}

function locksStoreItself(file) {
  const text = fs.readFileSync(file, "utf8");
  const start = text.search(/^(export )?async function withSessionStoreLock\b/m);
  return /open\(\w+, "wx"\)/.test(text.slice(start, text.indexOf("\n}", start)));
}

/** The name under which a chunk exports `name`: bundles shorten it to a letter. */
function exportedAs(file, name) {
  const text = fs.readFileSync(file, "utf8");
  if (new RegExp(`^export (async )?function ${name}\\b`, "m").test(text)) return name;
  const list = text.slice(text.lastIndexOf("export {"));
  return new RegExp(`\\b${name}(?: as ([\\w$]+))?[ ,}]`).exec(list)?.slice(1).find(Boolean) ?? null;
}

function keep(acorn, dist, name, out, dependencies) {
  const found = declaring(dist, name);
  const own = found.find((file) => /(^|[/\\])session-write-lock[-.]/.test(file) && exportedAs(file, name));
  if (own) {
    const { files, packages } = closure(acorn, own);
    for (const file of files) {
      const to = path.join(out, "dist", path.relative(dist, file));
      fs.mkdirSync(path.dirname(to), { recursive: true });
      fs.copyFileSync(file, to);
    }
    fs.writeFileSync(path.join(out, "package.json"), '{"private":true,"type":"module"}\n');
    if (packages.length > 0) install(out, packages.map((p) => (dependencies[p] ? `${p}@${dependencies[p]}` : p)));
    fs.writeFileSync(path.join(out, "package.json"), '{"private":true,"type":"module"}\n');
    return { how: "imported", module: path.join("dist", path.relative(dist, own)), as: exportedAs(own, name), files: files.length };
  }
  let why = `no file declares ${name}`;
  for (const file of found) {
    const into = path.join(out, "slice", name);
    try {
      const module = slice(acorn, file, name, into);
      return { how: "sliced", module: path.join("slice", name, module), as: name, files: fs.readdirSync(into).length, from: path.relative(dist, file) };
    } catch (error) {
      fs.rmSync(into, { recursive: true, force: true });
      why = error.message;
    }
  }
  throw new Error(why);
}

async function fetchPackage(spec) {
  const key = spec.replace(/@(?=\d)/, "-");
  const home = path.join(lab(), key);
  if (fs.existsSync(path.join(home, "lockcode.json"))) return { key, cached: true };
  const acorn = await acornParser();
  const tmp = fs.mkdtempSync(path.join(lab(), ".fetch-"));
  try {
    const tarball = npm(["pack", "--silent", spec], tmp).trim().split("\n").pop();
    execFileSync("tar", ["-xzf", tarball], { cwd: tmp });
    const dist = path.join(tmp, "package", "dist");
    const { name, version, dependencies = {} } = JSON.parse(fs.readFileSync(path.join(tmp, "package", "package.json"), "utf8"));
    const out = path.join(tmp, "kept");
    fs.mkdirSync(out);
    const code = { name, version, session: keep(acorn, dist, "acquireSessionWriteLock", out, dependencies) };
    // Up to 2026.2.12 the session store has a lock of its own making; later it uses the session lock.
    if (declaring(dist, "withSessionStoreLock").some(locksStoreItself)) {
      code.store = keep(acorn, dist, "withSessionStoreLock", out, dependencies);
    }
    fs.writeFileSync(path.join(out, "lockcode.json"), JSON.stringify(code, null, 2) + "\n");
    try {
      fs.renameSync(out, home);
    } catch (error) {
      if (!fs.existsSync(path.join(home, "lockcode.json"))) throw error; // else another fetch was first
    }
  } finally {
    fs.rmSync(tmp, { recursive: true, force: true });
  }
  await proves(key);
  return { key, cached: false };
}

/** What was kept must really lock: a file appears, and is gone after the release. */
async function proves(key) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "lockdoctor-fetch-"));
  try {
    const code = await load(key);
    const held = await code.acquire(path.join(dir, "s.jsonl"), 2000);
    if (!fs.existsSync(path.join(dir, "s.jsonl.lock"))) throw new Error("acquired, but there is no lock file");
    await held.release();
    if (fs.existsSync(path.join(dir, "s.jsonl.lock"))) throw new Error("released, but the lock file is still there");
    const inside = await code.store?.(path.join(dir, "sessions.json"), () => fs.existsSync(path.join(dir, "sessions.json.lock")), 2000);
    if (inside === false) throw new Error("in the store lock, but there is no lock file");
  } catch (error) {
    fs.rmSync(path.join(lab(), key), { recursive: true, force: true });
    throw new Error(`the lock code of ${key} does not run on node ${process.version}: ${error.message}`);
  } finally {
    fs.rmSync(dir, { recursive: true, force: true });
  }
}

fs.mkdirSync(lab(), { recursive: true });
let worst = 0;
for (const spec of process.argv.length > 2 ? process.argv.slice(2) : PACKAGES) {
  try {
    const { key, cached } = await fetchPackage(spec);
    const { session, store } = JSON.parse(fs.readFileSync(path.join(lab(), key, "lockcode.json"), "utf8"));
    console.log(`${key}\t${session.how}\t${session.files} files${store ? `\tstore lock ${store.how}` : ""}${cached ? "\tcached" : ""}`);
  } catch (error) {
    const unavailable = error instanceof Unavailable;
    console.error(`${unavailable ? "SKIPPED: npm not reachable" : "FAILED"}: ${spec}: ${error.message}`);
    worst = Math.max(worst, unavailable ? EX_UNAVAILABLE : 70);
  }
}
process.exit(worst);
