#!/usr/bin/env node
// releases.mjs VERSION…: what a release of OpenClaw (2026.8 and later) has that lockdoctor does not know, and the
// other way round: columns of the tables that it reads, lease scopes, coordinators, outcomes of a start, words of
// /readyz, refusals. Reads the package from npm; runs nothing of it. Exit 1 where something differs.
//
// What lockdoctor knows is taken from its own sources: the columns that it asks for, and every string of the files
// that speak of these things.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { execFileSync } from "node:child_process";

const root = path.resolve(import.meta.dirname, "../..");
const versions = process.argv.slice(2);
if (versions.length === 0) {
  console.error("usage: releases.mjs VERSION…   (2026.9.6)");
  process.exit(2);
}

function filesBelow(directory, end) {
  const entries = fs.readdirSync(directory, { withFileTypes: true, recursive: true });
  return entries.filter((e) => e.isFile() && e.name.endsWith(end)).map((e) => path.join(e.parentPath, e.name));
}

const sources = ["src/leases", "src/diagnosis", "src/gatewaylog", "src/survey"]
  .flatMap((directory) => filesBelow(path.join(root, directory), ".rs"))
  .map((file) => fs.readFileSync(file, "utf8"));
const literals = sources.flatMap((text) => [...text.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map((m) => m[1]));
const isKnown = (word) => literals.some((literal) => literal.includes(word) || literal.length > 13 && word.includes(literal));

/** Table to the columns that are asked for: `schema.table(snapshot, "NAME")`, then `&[…]` or `let … = […]`. */
function columnsAskedFor() {
  const asked = new Map();
  for (const text of sources) {
    const tables = [...text.matchAll(/schema\.table\(snapshot, "(\w+)"\)/g)];
    for (const [index, match] of tables.entries()) {
      const body = text.slice(match.index, tables[index + 1]?.index ?? match.index + 1500).split(/\n(?:pub\S* )?fn /)[0];
      // What is optional may be missing, and a list that is searched holds no columns.
      const lists = [...body.matchAll(/(let optional = )?\[((?:\s*"\w+",?)+)\s*\](\.contains)?/g)];
      const names = lists.filter((m) => !m[1] && !m[3]).flatMap((m) => m[2].match(/\w+/g));
      asked.set(match[1], new Set([...(asked.get(match[1]) ?? []), ...names]));
    }
  }
  return asked;
}

function unpack(version, directory) {
  const packed = execFileSync("npm", ["pack", `openclaw@${version}`, "--silent"], { cwd: directory, encoding: "utf8" });
  execFileSync("tar", ["-xzf", packed.trim(), "package/dist"], { cwd: directory });
  const dist = path.join(directory, "package/dist");
  return fs.readdirSync(dist).filter((name) => /\.m?js$/.test(name)).map((name) => fs.readFileSync(path.join(dist, name), "utf8"));
}

function tablesOf(chunks) {
  const tables = new Map();
  for (const chunk of chunks) {
    for (const [, name, body] of chunk.replaceAll("\\n", "\n").matchAll(/CREATE TABLE IF NOT EXISTS (\w+) \(\n([\s\S]*?)\n\)/g)) {
      const columns = [...body.matchAll(/^ {2}(\w+) (?:TEXT|INTEGER|REAL|BLOB)/gm)].map((m) => m[1]);
      tables.set(name, new Set([...(tables.get(name) ?? []), ...columns]));
    }
  }
  return tables;
}

const all = (chunks, pattern, among = /./) =>
  new Set(chunks.filter((chunk) => among.test(chunk)).flatMap((chunk) => [...chunk.matchAll(pattern)].map((m) => m[1])));

function compare(chunks) {
  const lines = [];
  const tables = tablesOf(chunks);
  for (const [table, columns] of columnsAskedFor()) {
    if (!tables.has(table)) lines.push(`table ${table}: not in this release`);
    const missing = [...columns].filter((column) => tables.has(table) && !tables.get(table).has(column));
    if (missing.length) lines.push(`table ${table}: has no ${missing.join(", ")}`);
  }
  const unknown = (what, words) => {
    const left = [...words].filter((word) => !isKnown(word)).sort();
    if (left.length) lines.push(`${what} not known: ${left.join(" · ")}`);
  };
  const ofLeases = /state_leases|StateLease/;
  unknown("lease scopes", all(chunks, /(?:LEASE_SCOPE|LIFECYCLE_SCOPE|MIGRATIONS?_SCOPE|MAINTENANCE_SCOPE|CREATE_SCOPE) = "([^"]+)"/g, ofLeases));
  unknown("coordinators", all(chunks, /Coordinator\("([a-z-]+)"[,)]/g));
  const outcomes = /(?:clean_stop|planned_restart|forced_stop|startup_\w+|safe_mode_\w+)/g;
  unknown("outcomes of a start", all(chunks, new RegExp(`outcome: "(${outcomes.source}|[a-z]+_[a-z_]+)"`, "g"), /gateway_boot_lifecycle|completeGatewayBootLifecycle/));
  unknown("words of /readyz", all(chunks, /failing: \["([a-z-]+)"\]/g));
  const errors = all(chunks, /new \w*Error\(`?"?([A-Za-z][^"`$]{12,60})/g, /gateway-lifecycle|state_leases|GatewayLockError|StateLease/);
  const refuses = [...errors].filter((text) => /\b(already running|still active|in progress|locked by|owns|another (embedded|OpenClaw))/i.test(text));
  // Judged: of worktrees, archives, sandboxes and the like, or of OpenClaw's own steps; none keeps a gateway from starting.
  const others = /^(Archive|Conversation|LaunchAgent|Local sandbox|Session no longer|Worktree|Gateway stop prep|state lease file excl)/;
  unknown("refusals", refuses.filter((text) => !others.test(text)).map((text) => text.slice(0, 40).trim()));
  // What the configuration or an option alone forbids, before a start is tried.
  const said = /(?:Runtime\.error\(\[?|return \[|\? \[|\] : |: )\s*["`]((?:Gateway|Missing|Invalid|Refusing|Could not)[^"`$]{4,40})/g;
  // `--force` on a busy port and a log style are typed by hand and told on that terminal; the others are of a stop.
  const byHand = /^(Could not free port|Invalid --ws-log|Gateway (host completed|stop policy))/;
  const guards = all(chunks, said, /function getGatewayStartGuardErrors|await getGatewayStartGuardErrors|guardErrors/);
  unknown("guards of a start", [...guards].filter((text) => !byHand.test(text)).map((text) => text.slice(0, 40).trim()));
  return lines;
}

let differs = false;
for (const version of versions) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "lockdoctor-release-"));
  try {
    const lines = compare(unpack(version, directory));
    differs ||= lines.length > 0;
    console.log(`${version}: ${lines.length ? "" : "nothing that lockdoctor does not know"}`);
    for (const line of lines) console.log(`  ${line}`);
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}
process.exit(differs ? 1 : 0);
