// Bytes and times of every database, log and index below a directory, a line each: what must be the same after
// lockdoctor has looked.
import fs from "node:fs";
import path from "node:path";
import { createHash } from "node:crypto";

export function fingerprint(state) {
  const files = fs.readdirSync(state, { recursive: true }).filter((f) => /\.sqlite(-wal|-shm)?$/.test(f)).sort();
  return files.map((f) => {
    const at = path.join(state, f);
    const { ino, size, mtimeNs, ctimeNs } = fs.statSync(at, { bigint: true });
    return [f, ino, size, mtimeNs, ctimeNs, createHash("sha256").update(fs.readFileSync(at)).digest("hex")].join(" ");
  });
}
