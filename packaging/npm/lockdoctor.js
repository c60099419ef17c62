#!/usr/bin/env node
// Finds the binary in the package that npm installed for this machine, and becomes it; or says what to do instead.
'use strict';
const { accessSync, constants } = require('node:fs');
const { spawn } = require('node:child_process');

const machine = `${process.platform}-${process.arch}`;
const packages = { 'linux-x64': 'lockdoctor-linux-x64', 'linux-arm64': 'lockdoctor-linux-arm64' };
const words = process.argv.slice(2);

function refuse(...lines) {
  console.error(`lockdoctor: ${lines.join('\n  ')}`);
  // 3 is UNKNOWN to a monitoring system.
  process.exit(words[0] === 'check' ? 3 : 2);
}

function installed() {
  const name = packages[machine];
  if (process.platform !== 'linux') {
    refuse(
      `there is no lockdoctor for ${machine}: it asks the Linux kernel who has a lock open.`,
      'Run it where the gateway runs: on the server, in WSL 2, or beside its container:',
      'docker run --rm --pid container:GATEWAY --volumes-from GATEWAY --user 1000:1000 ghcr.io/OWNER/lockdoctor',
    );
  }
  if (!name) {
    refuse(
      `there is no binary for ${machine}; npm has it for x64 and arm64.`,
      'With Rust it can be built: cargo install lockdoctor',
    );
  }
  try {
    return require.resolve(`${name}/bin/lockdoctor`);
  } catch {
    return refuse(
      `the package ${name} is missing: optional dependencies were left out, or node_modules is another machine's.`,
      'Install it again, on this machine: npm install --include=optional lockdoctor',
    );
  }
}

const binary = installed();
try {
  accessSync(binary, constants.X_OK);
} catch (error) {
  refuse(`${binary} may not be run (${error.code}): is its file system mounted noexec?`);
}

if (process.execve) {
  // Node still calls it experimental, on the standard error of whoever uses it.
  process.emitWarning = () => {};
  process.execve(binary, ['lockdoctor', ...words]);
}

// Before Node 22.15 two processes: what is sent to this one is meant for the other, and it ends as the other does.
const child = spawn(binary, words, { argv0: 'lockdoctor', stdio: 'inherit' });
for (const signal of ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM']) {
  process.on(signal, () => child.kill(signal));
}
child.on('error', (error) => refuse(`${binary} does not start: ${error.message}`));
child.on('exit', (code, signal) => {
  if (signal) {
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  } else {
    process.exit(code);
  }
});
