import { deepEqual } from "node:assert/strict";
import { compareTables, readTables } from "./compare.ts";

const BEFORE = `Some words.

| program | up | p99, ms |
| --- | --- | --- |
| ttun v2 | 4000 (1.50, 4.00) | 0.5 |
| OpenVPN | 1000 | – |
| gone | 1 | 1 |

| other | x |
| --- | --- |
| a | 0 |
`;

const AFTER = `| program | up | p99, ms |
| --- | --- | --- |
| OpenVPN | 1100 | 2 |
| ttun v2 | 5000 | 0.25 |
`;

Deno.test("compare: the tables of a printed result are found", () => {
  const [first, second, ...more] = readTables(BEFORE);
  deepEqual(first!.head, ["program", "up", "p99, ms"]);
  deepEqual(first!.rows.length, 3);
  deepEqual([second!.rows, more], [[["a", "0"]], []]);
});

Deno.test("compare: rows of one program are laid beside each other, with ratios of their numbers", () => {
  deepEqual(compareTables(BEFORE, AFTER), [
    [
      "| program | up | p99, ms |",
      "| --- | --- | --- |",
      "| ttun v2 | 4000 → 5000 (1.25) | 0.5 → 0.25 (0.50) |",
      "| OpenVPN | 1000 → 1100 (1.10) | – → 2 |",
    ].join("\n"),
  ]);
});

Deno.test("compare: what was not measured is no number, and nothing is divided by zero", () => {
  const one = (cell: string) => `| name | value |\n| --- | --- |\n| a | ${cell} |\n`;
  const [found] = compareTables(one("0"), one("5"));
  deepEqual(found!.split("\n")[2], "| a | 0 → 5 |");
});
