// load(KEY): the real lock code of one published package, as fetch.mjs put it into the lab directory.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";

export const lab = () => process.env.LOCKDOCTOR_LAB || path.join(os.homedir(), ".cache", "lockdoctor-lab");
export const gateways = () => process.env.LOCKDOCTOR_GATEWAYS || path.join(lab(), "gateways");

/**
 * acquire(sessionFile, timeoutMs) → { release() };
 * store(storePath, inside, timeoutMs) runs `inside` under the store lock (null from 2026.2.17, which has none of its own).
 */
export async function load(key) {
  const home = path.join(lab(), key);
  const code = JSON.parse(fs.readFileSync(path.join(home, "lockcode.json"), "utf8"));
  const from = async ({ module, as }) => (await import(pathToFileURL(path.join(home, module)).href))[as];
  const acquire = await from(code.session);
  const store = code.store && (await from(code.store));
  return {
    version: code.version,
    acquire: (sessionFile, timeoutMs) => acquire({ sessionFile, timeoutMs }),
    store: store ? (storePath, inside, timeoutMs) => store(storePath, inside, { timeoutMs }) : null,
  };
}
