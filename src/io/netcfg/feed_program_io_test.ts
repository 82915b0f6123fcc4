import { equal, throws } from "node:assert/strict";
import { test } from "../../../tests/check.ts";
import { feedingCommand, feedProgram } from "./feed_program.ts";
import { runCommand } from "./command_steps.ts";

test("a program reads a text that is longer than an argument may be", () => {
  const text = "rule \u{1F600}\n".repeat(60_000);
  const bytes = new TextEncoder().encode(text).length;
  const { code, output } = runCommand(feedingCommand(["wc", "-c"], text));
  equal(code, 0);
  equal(Number(output), bytes);
  const { output: same } = runCommand(feedingCommand(["cat"], "a 'b' $c \"d\" %s\\n"));
  equal(same, "\na 'b' $c \"d\" %s\\n");
});

test("a program that refuses its text is told by its own name", () => {
  throws(() => feedProgram(["sh", "-s"], "echo no >&2\nexit 3"), {
    kind: "system",
    message: "sh says: no",
  });
});

test("a program that reads its text is not ended by Ctrl-C", () => {
  const { output } = runCommand(feedingCommand(["grep", "SigIgn", "/proc/self/status"], ""));
  const ignored = BigInt(`0x${/SigIgn:\s*([0-9a-f]+)/.exec(output)![1]}`);
  for (const signal of [1n, 2n, 15n]) equal(ignored >> (signal - 1n) & 1n, 1n, `${signal}`);
});
