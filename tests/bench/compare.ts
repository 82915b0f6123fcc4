/**
 * `deno run --allow-read tests/bench/compare.ts BEFORE AFTER`: lays the printed results of two runs of
 * one benchmark beside each other (tests/bench/results/). Rows belong together when their text cells
 * are equal; for each number it prints both and the ratio of the second to the first.
 */
import { table } from "./results.ts";

export interface Table {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** All Markdown tables of a text, in their order. */
export function readTables(text: string): Table[] {
  const tables: Table[] = [];
  let lines: string[] = [];
  for (const line of [...text.split("\n"), ""]) {
    if (line.trimStart().startsWith("|")) {
      lines.push(line);
      continue;
    }
    if (lines.length >= 2) {
      const [head, , ...rows] = lines.map(cellsOf);
      tables.push({ head: head!, rows });
    }
    lines = [];
  }
  return tables;
}

function cellsOf(line: string): string[] {
  return line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());
}

/** The number that a cell begins with; null where it is text or nothing was measured. */
function numberOf(cell: string): number | null {
  const found = /^-?\d+(?:\.\d+)?(?=$|[ (%])/.exec(cell);
  return found === null ? null : Number(found[0]);
}

/** Contents of cells without a figure. */
const NO_FIGURE = ["", "-", "–", "lost"];

const labelsOf = (row: readonly string[]) =>
  row.filter((cell) => numberOf(cell) === null && !NO_FIGURE.includes(cell)).join("\n");

/** The tables of both texts that have the same head, as tables of `before → after (ratio)`. */
export function compareTables(before: string, after: string): string[] {
  const others = readTables(after);
  return readTables(before).flatMap(({ head, rows }) => {
    const other = others.find((one) => one.head.join("|") === head.join("|"));
    if (other === undefined) return [];
    const together = rows.flatMap((row) => {
      const match = other.rows.find((one) => labelsOf(one) === labelsOf(row));
      return match === undefined ? [] : [row.map((cell, i) => sideBySide(cell, match[i] ?? ""))];
    });
    return [table(head, together)];
  });
}

function sideBySide(before: string, after: string): string {
  const [a, b] = [numberOf(before), numberOf(after)];
  if (a === null || b === null) return before === after ? before : `${before} → ${after}`;
  const ratio = a === 0 ? "" : ` (${(b / a).toFixed(2)})`;
  return `${a} → ${b}${ratio}`;
}

if (import.meta.main) {
  const [before, after] = Deno.args;
  if (before === undefined || after === undefined) {
    console.error("Usage: deno task bench:compare BEFORE AFTER");
    Deno.exit(2);
  }
  const tables = compareTables(Deno.readTextFileSync(before), Deno.readTextFileSync(after));
  console.log(tables.length > 0 ? tables.join("\n\n") : "The two have no table in common");
}
