// What was measured is kept in $LOCKDOCTOR_LAB/rescue, a file for each version, section and column; --table renders
// what is there as Markdown.
import fs from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { lab } from "./lockcode.mjs";

const file = (key, section, column) => path.join(lab(), "rescue", key, section, `${column}.json`);

/**
 * The command line of a script: KEY… [--beside COLUMN,…] [--only SECTION,…] [--row TEXT] [--table]. With --row only
 * the rows with TEXT in their name are measured again.
 * `sections`: name → { title, columns, rows, run(key, column, results, wanted), cell(result) → text }; `run` puts what it
 * measures into `results`, and asks `wanted` for each row that can be measured alone.
 */
export async function main(sections) {
  const { values, positionals: keys } = parseArgs({
    allowPositionals: true,
    options: { beside: { type: "string" }, only: { type: "string", default: Object.keys(sections).join(",") }, row: { type: "string", default: "" }, table: { type: "boolean" } },
  });
  const wanted = (row) => row.includes(values.row);
  for (const key of keys) {
    for (const section of values.only.split(",")) {
      const { run, columns } = sections[section];
      for (const column of values.beside?.split(",") ?? columns) await measure(key, section, column, (results) => run(key, column, results, wanted));
    }
  }
  if (values.table) table(sections);
  else process.exit();
}

async function measure(key, section, column, run) {
  const results = {};
  try {
    await run(results);
  } catch (error) {
    console.error(`FAILED: ${key} ${section}, ${column}: ${error.stack}`);
    process.exitCode = 1;
  }
  for (const [row, result] of Object.entries(results)) console.log(`${key} ${section}, ${column}: ${row}: ${JSON.stringify(result)}`);
  const kept = file(key, section, column);
  const before = fs.existsSync(kept) ? JSON.parse(fs.readFileSync(kept, "utf8")) : {};
  fs.mkdirSync(path.dirname(kept), { recursive: true });
  fs.writeFileSync(kept, JSON.stringify({ ...before, ...results }, null, 1) + "\n");
}

/** One table for each section and version: a column for each thing that was done. */
function table(sections) {
  const root = path.join(lab(), "rescue");
  const keys = fs.existsSync(root) ? fs.readdirSync(root).sort() : [];
  for (const [section, { title, columns, rows = [], cell = delivery }] of Object.entries(sections)) {
    const lines = [];
    for (const key of keys) {
      const measured = columns.filter((column) => fs.existsSync(file(key, section, column)));
      if (measured.length === 0) continue;
      const results = measured.map((column) => JSON.parse(fs.readFileSync(file(key, section, column), "utf8")));
      lines.push("", `| ${key.replace("-", " ")} | ${measured.join(" | ")} |`, `|---|${"---|".repeat(measured.length)}`);
      for (const row of new Set([...rows, ...results.flatMap(Object.keys)])) {
        lines.push(`| ${row} | ${results.map((result) => (row in result ? cell(result[row]) : "–")).join(" | ")} |`);
      }
    }
    if (lines.length > 0) console.log([`### ${title}`, ...lines, ""].join("\n"));
  }
}

export const delivery = (result) => {
  if (typeof result === "string") return result;
  return `${result.delivered ? "delivered" : "**lost**"}, ${(result.ms / 1000).toFixed(1)} s`;
};
