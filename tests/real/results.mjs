// What was measured is kept in $LOCKDOCTOR_LAB/rescue, a file for each version, section and column; --table renders
// what is there as Markdown.
import fs from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { lab } from "./lockcode.mjs";

const file = (key, section, column) => path.join(lab(), "rescue", key, section, `${column}.json`);

/**
 * The command line of a script: KEY… [--beside COLUMN,…] [--only SECTION,…] [--table].
 * `sections`: name → { title, columns, rows, run(key, column) → { row: result }, cell(result) → text }.
 */
export async function main(sections) {
  const { values, positionals: keys } = parseArgs({
    allowPositionals: true,
    options: { beside: { type: "string" }, only: { type: "string", default: Object.keys(sections).join(",") }, table: { type: "boolean" } },
  });
  for (const key of keys) {
    for (const section of values.only.split(",")) {
      const { run, columns } = sections[section];
      for (const column of values.beside?.split(",") ?? columns) await measure(key, section, column, run);
    }
  }
  if (values.table) table(sections);
  else process.exit();
}

async function measure(key, section, column, run) {
  try {
    const results = await run(key, column);
    for (const [row, result] of Object.entries(results)) console.log(`${key} ${section}, ${column}: ${row}: ${JSON.stringify(result)}`);
    fs.mkdirSync(path.dirname(file(key, section, column)), { recursive: true });
    fs.writeFileSync(file(key, section, column), JSON.stringify(results, null, 1) + "\n");
  } catch (error) {
    console.error(`FAILED: ${key} ${section}, ${column}: ${error.stack}`);
    process.exitCode = 1;
  }
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
