import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import { ownerLine, readJournal, stepLine, undoneLine } from "./journal_text.ts";
import { startIn } from "./process_identity.ts";
import { describeStep, type UndoStep } from "./undo_step.ts";

const OWNER = { pid: 4711, start: "815", boot: "b", network: "net:[1]" };
const ROUTES: UndoStep = { kind: "routes", table: 29812 };
const RULE: UndoStep = { kind: "rule", family: 6, priority: 32765, table: 29812 };

const TEXT = ownerLine(OWNER) +
  stepLine({ number: 1, step: ROUTES, outlives: false }) +
  stepLine({ number: 2, step: RULE, outlives: true });

Deno.test("journal: steps are read in the order in which they were made", () => {
  deepEqual(readJournal(TEXT), {
    owner: OWNER,
    open: [
      { number: 1, step: ROUTES, outlives: false },
      { number: 2, step: RULE, outlives: true },
    ],
    strange: 0,
  });
});

Deno.test("journal: what has been undone is not read", () => {
  deepEqual(readJournal(TEXT + undoneLine(1))!.open.map(({ number }) => number), [2]);
  deepEqual(readJournal(TEXT + undoneLine(1) + undoneLine(2))!.open, []);
});

Deno.test("journal: of a file that is cut short anywhere the whole lines are read", () => {
  const whole = TEXT + undoneLine(2);
  fc.assert(fc.property(fc.integer({ min: 0, max: whole.length }), (end) => {
    const begun = whole.slice(0, end).split("\n").length - 1;
    const isWhole = end === whole.length || whole[end] === "\n";
    const open = readJournal(whole.slice(0, end))?.open.length;
    equal(open, [undefined, 0, 1, 2, 1][Math.max(0, isWhole ? begun : begun - 1)]);
  }));
});

Deno.test("journal: a line that a full disk has cut short does not spoil the next one", () => {
  const line = stepLine({ number: 3, step: ROUTES, outlives: false });
  fc.assert(fc.property(fc.integer({ min: 0, max: line.length - 1 }), (end) => {
    deepEqual(
      readJournal(TEXT + line.slice(0, end) + undoneLine(1))!.open.map(({ number }) => number),
      [2],
    );
  }));
});

Deno.test("journal: a line that is not ttun's is counted and not undone", () => {
  const lines = ['{"number":9,"step":{"kind":"sysctl","path":"/etc/passwd"}}', '{"undone":"1"}'];
  const { open, strange } = readJournal(`${TEXT}\n${lines.join("\n")}`)!;
  deepEqual([open.length, strange], [2, 2]);
});

Deno.test("journal: any text whatever is read to an end", () => {
  fc.assert(fc.property(fc.string(), (text) => {
    equal(readJournal(text), null);
    readJournal(TEXT + text);
  }));
  equal(readJournal('{"version":2}\n'), null);
});

Deno.test("journal: a process's start is found behind any name, and an ended one has none", () => {
  const rest = Array.from({ length: 18 }, (_, i) => i).join(" ");
  equal(startIn(`7 (a) b (c)) S ${rest} 815 1`), "815");
  equal(startIn(`7 (deno) Z ${rest} 815 1`), null);
  equal(startIn("7 (deno) R 1"), null);
});

Deno.test("journal: a step is told in the words of its system", () => {
  const sysctl: UndoStep = {
    kind: "sysctl",
    path: "/proc/sys/net/ipv4/ip_forward",
    before: "0",
    after: "1",
  };
  equal(describeStep(sysctl), "net.ipv4.ip_forward = 1");
  equal(describeStep(RULE), "the IPv6 rule 32765 for table 29812");
});
