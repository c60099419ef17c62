#!/usr/bin/env node
// install.mjs NAME@VERSION…: real gateways from npm, below $LOCKDOCTOR_GATEWAYS (else gateways/ in the lab
// directory), about 500 MB each. Two dependencies that play no part here are replaced by stubs: libsignal
// (WhatsApp; it comes by git) and node-llama-cpp (local embeddings; hundreds of megabytes).
import fs from "node:fs";
import path from "node:path";
import { execFileSync } from "node:child_process";
import { gateways } from "./lockcode.mjs";

const STUBS = {
  libsignal: {
    "index.js": `class Stub {}
for (const name of ["ProtocolAddress", "SessionBuilder", "SessionCipher", "SessionRecord", "SessionEntry"]) exports[name] = Stub;
exports.curve = {}; exports.keyhelper = {}; exports.crypto = {};`,
    "src/curve.js": "exports.generateKeyPair = () => ({}); exports.calculateAgreement = exports.calculateSignature = exports.verifySignature = () => {};",
    "src/crypto.js": "exports.calculateMAC = exports.encrypt = exports.decrypt = () => {}; exports.deriveSecrets = () => [];",
  },
  "node-llama-cpp": { "index.js": "module.exports = {};" },
};

for (const [name, files] of Object.entries(STUBS)) {
  const home = path.join(gateways(), `stub-${name}`);
  for (const [file, text] of Object.entries({ ...files, "package.json": JSON.stringify({ name, version: "3.15.0", main: "index.js" }) })) {
    fs.mkdirSync(path.dirname(path.join(home, file)), { recursive: true });
    fs.writeFileSync(path.join(home, file), text);
  }
}
for (const spec of process.argv.slice(2)) {
  const home = path.join(gateways(), spec.replace(/@(?=\d)/, "-"));
  const bin = path.join(home, "node_modules", ".bin", spec.split("@")[0]);
  if (fs.existsSync(bin)) {
    console.log(`${home}\tcached`);
    continue;
  }
  fs.mkdirSync(home, { recursive: true });
  const overrides = Object.fromEntries(Object.keys(STUBS).map((name) => [name, `file:${path.join(gateways(), `stub-${name}`)}`]));
  fs.writeFileSync(path.join(home, "package.json"), JSON.stringify({ private: true, overrides }));
  // Some versions use strip-ansi without naming it. Optional dependencies stay: native bindings are among them.
  const args = ["install", "--loglevel=error", "--ignore-scripts", "--omit=peer", "--no-audit", "--no-fund", spec, "strip-ansi@7"];
  execFileSync("npm", args, { cwd: home, stdio: "inherit" });
  console.log(home);
}
