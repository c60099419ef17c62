// A registry on loopback with the packages of one directory and no others: node registry.mjs DIRECTORY PORT-FILE
import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';

const [directory, portFile] = process.argv.slice(2);
const archives = readdirSync(directory).filter((name) => name.endsWith('.tgz'));

function packument(archive, origin) {
  const bytes = readFileSync(join(directory, archive));
  const manifest = JSON.parse(execFileSync('tar', ['-xzOf', join(directory, archive), 'package/package.json']));
  const integrity = `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
  manifest.dist = { tarball: `${origin}/-/${archive}`, integrity };
  return { name: manifest.name, 'dist-tags': { latest: manifest.version }, versions: { [manifest.version]: manifest } };
}

const server = createServer((request, response) => {
  const origin = `http://127.0.0.1:${server.address().port}`;
  const wanted = decodeURIComponent(request.url.slice(1));
  const archive = archives.find((name) => wanted === `-/${name}`);
  if (archive) return response.end(readFileSync(join(directory, archive)));
  const found = archives.map((name) => packument(name, origin)).find(({ name }) => name === wanted);
  response.writeHead(found ? 200 : 404, { 'content-type': 'application/json' });
  response.end(JSON.stringify(found ?? { error: 'not found' }));
});
server.listen(0, '127.0.0.1', () => {
  // Renamed into place: whoever waits for it never reads half a number.
  writeFileSync(`${portFile}.new`, String(server.address().port));
  renameSync(`${portFile}.new`, portFile);
});
