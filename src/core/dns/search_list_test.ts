import assert from "node:assert/strict";
import { namesToAsk } from "./search_list.ts";

Deno.test("a name with dots enough is asked as it is first, another one last", () => {
  const conf = { search: ["a.example", "example"], ndots: 1 };
  assert.deepEqual(namesToAsk("host", false, conf), ["host.a.example", "host.example", "host"]);
  assert.deepEqual(namesToAsk("x.y", false, conf), ["x.y", "x.y.a.example", "x.y.example"]);
  assert.deepEqual(namesToAsk("x.y", false, { ...conf, ndots: 2 }).at(-1), "x.y");
  assert.deepEqual(namesToAsk("host", false, { ...conf, ndots: 0 })[0], "host");
  assert.deepEqual(
    namesToAsk("host", true, conf),
    ["host"],
    "a dot at the end says that it is whole",
  );
  assert.deepEqual(namesToAsk("host", false, { search: [], ndots: 1 }), ["host"]);
});

Deno.test("what would be too long with its domain is left out", () => {
  const label = "a".repeat(63);
  const conf = { search: [`${label}.${label}.${label}.example`, "example"], ndots: 1 };
  assert.deepEqual(namesToAsk(label, false, conf), [`${label}.example`, label]);
});
