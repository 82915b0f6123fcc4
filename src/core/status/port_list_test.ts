import assert from "node:assert/strict";
import { PortList } from "./port_list.ts";

Deno.test("ports of all schedules are listed, each once, those that close first standing first", () => {
  const list = new PortList();
  assert(list.isEmpty);
  using _one = list.add(() => [
    { port: 3, minutes: [2], state: "open", until: 120_000 },
    { port: 1, minutes: [1], state: "open", until: 60_000 },
  ]);
  const other = list.add(() => [
    { port: 1, minutes: [2], state: "asked", until: 120_000 },
    { port: 2, minutes: [0], state: "taken", until: 60_000 },
  ]);
  assert.deepEqual(list.describe(), [
    { port: 2, state: "taken", until: 60 },
    { port: 1, state: "open", until: 120 },
    { port: 3, state: "open", until: 120 },
  ]);
  other[Symbol.dispose]();
  assert.deepEqual(list.describe().map(({ port }) => port), [1, 3]);
});
