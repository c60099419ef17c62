// Reads the bundled chunks of a published package: which files a chunk needs, and, where the lock code
// is buried in a chunk of megabytes that imports every channel, the verbatim statements that make it up.
//
// A slice is the unchanged text of the top-level statements that a function needs, transitively and
// across chunks, one file a chunk. Nothing is rewritten but the import and export lines around them.
import fs from "node:fs";
import path from "node:path";
import { builtinModules } from "node:module";

const isBuiltin = (s) => s.startsWith("node:") || builtinModules.includes(s);
const isRelative = (s) => s.startsWith("./") || s.startsWith("../");

/** The static imports of `entry`, transitively: files below `dist`, and the packages they name. */
export function closure(acorn, entry) {
  const files = new Set();
  const packages = new Set();
  const queue = [path.resolve(entry)];
  while (queue.length > 0) {
    const file = queue.pop();
    if (files.has(file)) continue;
    files.add(file);
    for (const node of parse(acorn, file).body) {
      const source = node.source?.value;
      if (!source || isBuiltin(source)) continue;
      if (isRelative(source)) queue.push(path.resolve(path.dirname(file), source));
      else packages.add(source.split("/").slice(0, source.startsWith("@") ? 2 : 1).join("/"));
    }
  }
  return { files: [...files], packages: [...packages] };
}

/** Writes below `out` what `name`, a top-level function of `entry`, needs. Returns the module to import. */
export function slice(acorn, entry, name, out) {
  const chunks = new Map();
  const chunk = (file) => {
    if (!chunks.has(file)) chunks.set(file, { ...index(acorn, file), wanted: new Set(), imports: new Map(), exports: new Set() });
    return chunks.get(file);
  };
  const want = (file, local) => {
    const c = chunk(file);
    const statement = c.declared.get(local);
    if (statement !== undefined) {
      if (c.wanted.has(statement)) return true;
      c.wanted.add(statement);
      for (const used of identifiers(statement)) want(file, used);
      return true;
    }
    const imported = c.imported.get(local);
    if (!imported || c.imports.has(local)) return imported !== undefined;
    if (isBuiltin(imported.source)) {
      c.imports.set(local, imported);
    } else if (isRelative(imported.source)) {
      const target = path.resolve(path.dirname(file), imported.source);
      const inner = chunk(target).exported.get(imported.name);
      if (inner === undefined) throw new Error(`${target} does not export ${imported.name}`);
      c.imports.set(local, { source: `./${sliceName(target)}`, name: inner, relative: true });
      chunk(target).exports.add(inner);
      want(target, inner);
    } else {
      // Only ever reached through a name that merely looks alike (a local variable, say).
      return false;
    }
    return true;
  };
  if (!want(path.resolve(entry), name)) throw new Error(`${entry} declares no ${name}`);
  chunk(path.resolve(entry)).exports.add(name);
  fs.mkdirSync(out, { recursive: true });
  for (const [file, c] of chunks) {
    if (c.wanted.size === 0) continue;
    const statements = [...c.wanted].sort((a, b) => a.start - b.start);
    const text = [
      ...[...c.imports].map(([local, i]) => importLine(local, i)),
      ...statements.map((s) => c.text.slice(s.start, s.end).replace(/^export (?=async |function|class|const|let|var)/, "")),
      `export { ${[...c.exports].filter((e) => c.declared.has(e)).join(", ")} };`,
    ].join("\n");
    fs.writeFileSync(path.join(out, sliceName(file)), text + "\n");
  }
  return sliceName(path.resolve(entry));
}

const sliceName = (file) => path.basename(file).replace(/\.m?js$/, ".slice.mjs");

function importLine(local, { source, name }) {
  const from = JSON.stringify(source);
  if (name === "default") return `import ${local} from ${from};`;
  if (name === "*") return `import * as ${local} from ${from};`;
  return `import { ${name} as ${local} } from ${from};`;
}

function parse(acorn, file) {
  const options = { ecmaVersion: "latest", sourceType: "module", allowHashBang: true };
  return acorn.parse(fs.readFileSync(file, "utf8"), options);
}

function index(acorn, file) {
  const declared = new Map();
  const imported = new Map();
  const exported = new Map();
  for (const node of parse(acorn, file).body) {
    if (node.type === "ImportDeclaration") {
      for (const s of node.specifiers) {
        const name = { ImportDefaultSpecifier: "default", ImportNamespaceSpecifier: "*" }[s.type] ?? s.imported.name;
        imported.set(s.local.name, { source: node.source.value, name });
      }
    }
    const declaration = node.type === "ExportNamedDeclaration" ? node.declaration : node;
    if (node.type === "ExportNamedDeclaration" && !node.source) {
      for (const s of node.specifiers) exported.set(s.exported.name ?? s.exported.value, s.local.name);
    }
    for (const name of declaredNames(declaration)) {
      declared.set(name, node);
      if (node !== declaration) exported.set(name, name);
    }
  }
  return { declared, imported, exported, text: fs.readFileSync(file, "utf8") };
}

function declaredNames(node) {
  if (!node) return [];
  if (node.type === "FunctionDeclaration" || node.type === "ClassDeclaration") return [node.id.name];
  if (node.type !== "VariableDeclaration") return [];
  return node.declarations.flatMap((d) => (d.id.type === "Identifier" ? [d.id.name] : []));
}

/** Every name that `node` may refer to. Local names are among them: a slice may hold too much, never too little. */
function identifiers(node, found = new Set()) {
  if (!node || typeof node.type !== "string") return found;
  if (node.type === "Identifier") return found.add(node.name);
  for (const [key, value] of Object.entries(node)) {
    if (key === "property" && node.type === "MemberExpression" && !node.computed) continue;
    if (key === "key" && !node.computed && !node.shorthand) continue;
    for (const child of Array.isArray(value) ? value : [value]) identifiers(child, found);
  }
  return found;
}
