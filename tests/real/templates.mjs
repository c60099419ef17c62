#!/usr/bin/env node
// templates.mjs [NAME@VERSION…] [--list]: holds every message template of OpenClaw's diagnostic, lane, session, lock,
// recovery, gateway-lock, lease and channel-ingress code, as published on npm, against the recogniser. Each template is
// rendered with plausible values and put through `lockdoctor diagnose`; it has to be counted as recognised, or stand in
// LEFT_ALONE with the reason. `--list` prints what is neither; `--cached` takes what the cache has; `--save FILE` writes
// the rendered lines with the versions that have them, for a test that needs no npm
// (tests/fixtures/logs/templates.txt). Needs npm, or a package directory in $LOCKDOCTOR_PACKAGES
// (NAME-VERSION/package/dist), and the binary in $LOCKDOCTOR_BIN.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { execFileSync, spawnSync } from "node:child_process";

const PACKAGES = [
  "clawdbot@2026.1.24-3", "openclaw@2026.2.26", "openclaw@2026.3.13", "openclaw@2026.4.29", "openclaw@2026.5.22",
  "openclaw@2026.6.11", "openclaw@2026.7.1-2", "openclaw@2026.8.2", "openclaw@2026.9.6",
];
const tool = process.env.LOCKDOCTOR_BIN ?? path.resolve(import.meta.dirname, "../../target/debug/lockdoctor");
const cache = process.env.LOCKDOCTOR_PACKAGES ?? path.join(os.homedir(), ".cache/lockdoctor-packages");
const EX_UNAVAILABLE = 69;
const args = process.argv.slice(2);

/** How the messages that matter begin: what the source has to say in these words, lockdoctor has to know. */
const OURS = [
  /^lane (wait exceeded|task|enqueue|dequeue|onWait|onQueued)/, /^drainLane blocked/,
  /^(stuck|stalled|long-running) session/, /^stuck session recovery/, /^\$\{[^}]*\} ?session: sessionId=/,
  /^session state: /, /^message (queued|received|processed|dispatch)/, /^run (registered|cleared|clear skipped|attempt)/,
  /^session turn created/, /^heartbeat: webhooks/, /^queue message failed: /, /^wait timeout: /,
  /^embedded run (timeout|abort|start|done|failover)/, /abort settle timed out: /, /^Embedded agent failed before reply/,
  /^session file (locked|lock stale|changed while)/, /^timeout (acquiring|waiting for) session store lock/,
  /releasing lock held for /, /^removed stale session lock/, /^failed to release .*session lock/,
  /^marked \$\{.*main session\(s\)/, /^(resumed|started) interrupted main session/,
  /^gateway already running/, /^failed to acquire gateway lock/, /owner lease is still active/, /^Gateway failed to start/,
  /^liveness (warning|heartbeat)/, /^memory pressure: /, /^slow SQLite /, /^log file size cap/,
  /ngress claim.*stalled for event/, /spooled update .*(failed|retry limit|timed out)/, /spool handler timed out behind update/,
  /^Subagent announce /, /^(cron: )?job (failed|execution timed out)/, /already has an active turn claim/,
  /session initialization conflicted/, /changed while starting work/, /handler failed: \$\{/, /^Polling stall detected/,
];

/** Known, and of no use to a diagnosis. */
const LEFT_ALONE = [
  [/^message dispatch started|^message received/, "nothing has happened yet"],
  [/^stuck session recovery (lane|session|run)\b/, "a name of a metric"],
  [/^run attempt: |^session turn created: /, "joins names, is no event of its own"],
  [/^embedded run (prompt|tool|compaction|agent|timeout reached during)/, "steps inside a run"],
  [/^embedded run (start|done|abort|timeout)$/, "a fragment"],
  [/^heartbeat: webhooks/, "counted by its spacing"],
  [/reacquire|retained|gateway start/, "a help text"],
  [/^session file changed while embedded prompt lock was released$/, "without its path it names no session"],
  [/spooled update .*(completed|heartbeat|claim refresh|claim failed|completion retry|buffered)/, "the message was answered"],
  [/^lane task$|^(stuck|stalled|long-running) session$/, "a fragment"],
  [/^stuck session recovery (skipped|outcome|no-op|reclaiming[^:]*): \$\{\w+(\([^)]*\))?\}$/, "its fields are composed elsewhere, sessionId= first of all"],
  [/^stuck session recovery (skipped|no-op): reason=\w+ action=\w+ ?\$\{/, "its fields are composed elsewhere, sessionId= first of all"],
  [/^stuck session recovery unavailable/, "names no chat"],
  [/^liveness warning: reasons=.* interval=.*s$/, "its fields are composed elsewhere"],
  [/callback failed: |abortCompaction failed/, "a hook of the gateway's own, of no message"],
];

const VALUES = [
  [/path|file|lock/i, "/home/node/.openclaw/agents/main/sessions/3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42.jsonl.lock"],
  [/lane/i, "session:agent:main:main"],
  [/ms$|interval|overdue|waiting|utilization|ratio|age|count|size|depth|queue|active|timeout|elapsed|duration|attempt|pid|num|length|waited|budget|max|total/i, "4711"],
  [/key|session/i, "agent:main:main"], [/id/i, "3f0d8c1e-9d0b-4b61-9a6e-0f5c2a7d1e42"],
  [/err|message|reason|cause/i, "Error: x"],
];
/** By the name of the field that it stands behind, else by its own. */
function value(expression, before) {
  const field = /([A-Za-z]+)=$/.exec(before)?.[1];
  if (/^(aborted|drained|alive|isError|forceCleared)$/.test(field ?? "")) return "true";
  if (/^marked $/.test(before)) return "2";
  return VALUES.find(([pattern]) => pattern.test(field ?? expression))?.[1] ?? "main";
}

/** The template literals and strings of one source text that begin as ours do. */
function* templates(text) {
  const literal = /`((?:[^`\\]|\\.){6,600})`|"((?:[^"\\\n]|\\.){6,300})"/g;
  for (const line of text.split("\n")) {
    // Minified bundles of other packages.
    if (line.length > 4000) continue;
    for (const match of line.matchAll(literal)) {
      const found = match[1] ?? match[2];
      if (OURS.some((pattern) => pattern.test(found))) yield found;
    }
  }
}

/** `${…}` filled in, nested braces and all. */
function render(template) {
  let out = "";
  for (let at = 0; at < template.length; at++) {
    if (template.startsWith("${", at)) {
      let depth = 1, end = at + 2;
      while (end < template.length && depth > 0) {
        depth += template[end] === "{" ? 1 : template[end] === "}" ? -1 : 0;
        end++;
      }
      const expression = template.slice(at + 2, end - 1);
      // A conditional part is left out; a name is filled in.
      out += /\?[^.?]|&&/.test(expression) && !/=$/.test(out) ? "" : value(expression, out);
      at = end - 1;
    } else {
      out += template[at];
    }
  }
  return out.replaceAll("\\n", " ").replaceAll('\\"', '"').replaceAll("\\`", "`");
}

function sources(dist) {
  return fs.readdirSync(dist, { recursive: true }).map((file) => path.join(dist, file))
    .filter((file) => /\.m?js$/.test(file) && !/control-ui|[/\\]assets[/\\]/.test(file));
}

function fetched(spec) {
  const home = path.join(cache, spec.replace(/@(?=\d)/, "-"));
  const dist = path.join(home, "package", "dist");
  if (fs.existsSync(dist)) return dist;
  if (args.includes("--cached")) {
    console.error(`SKIPPED: not in the cache: ${spec}`);
    return null;
  }
  fs.mkdirSync(home, { recursive: true });
  try {
    const tarball = execFileSync("npm", ["--loglevel=error", "pack", "--silent", spec], { cwd: home, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim().split("\n").pop();
    execFileSync("tar", ["-xzf", tarball, "package/dist"], { cwd: home });
    fs.rmSync(path.join(home, tarball));
  } catch (error) {
    fs.rmSync(home, { recursive: true, force: true });
    console.error(`SKIPPED: npm not reachable: ${spec}: ${String(error.stderr ?? error).trim().split("\n")[0]}`);
    return null;
  }
  return dist;
}

/** Whether lockdoctor makes an event of the line. */
function recognised(line) {
  const said = spawnSync(tool, ["diagnose", "--json", "--log", "-"], { input: `2026-11-22T14:07:28.000Z [gateway] ${line}\n`, encoding: "utf8" });
  try {
    return JSON.parse(said.stdout).sources[0].parsed === 1;
  } catch {
    throw new Error(`${tool}: ${said.stderr}`);
  }
}

const list = args.includes("--list");
const save = args.includes("--save") ? args[args.indexOf("--save") + 1] : undefined;
const specs = args.filter((arg) => !arg.startsWith("--") && arg !== save);
const versions = new Map();
const known = new Map();
let worst = 0, all = 0, unknown = 0;
for (const spec of specs.length > 0 ? specs : PACKAGES) {
  const dist = fetched(spec);
  if (!dist) {
    worst = Math.max(worst, args.includes("--cached") ? 0 : EX_UNAVAILABLE);
    continue;
  }
  const found = new Set(sources(dist).flatMap((file) => [...templates(fs.readFileSync(file, "utf8"))]));
  let here = 0;
  for (const template of found) {
    if (LEFT_ALONE.some(([pattern]) => pattern.test(template))) continue;
    const line = render(template);
    if (save) {
      versions.set(line, [...(versions.get(line) ?? []), spec.split("@2026.")[1]]);
      here++;
      continue;
    }
    if (!known.has(line)) known.set(line, recognised(line));
    here++;
    if (!known.get(line)) {
      unknown++;
      console.log(list ? `${spec}\t${template}` : `NOT RECOGNISED: ${spec}: ${line.slice(0, 200)}`);
    }
  }
  all += here;
  console.error(`${spec}: ${here} templates`);
  if (here < 20) throw new Error(`${spec}: only ${here} templates were found: the patterns no longer fit`);
}
if (save) {
  const rows = [...versions].map(([line, of]) => `${[...new Set(of)].join(" ")}\t${line.replaceAll("\n", " ")}`);
  fs.writeFileSync(save, rows.sort().join("\n") + "\n");
}
console.error(save ? `${versions.size} lines` : `${all} templates, ${unknown} not recognised`);
process.exit(unknown > 0 ? 1 : worst);
