import assert from "node:assert/strict";
import { ServerMemory } from "./session_memory.ts";

const MIB = 1 << 20;

Deno.test("the sessions of one address take half, and make no window of another shrink", () => {
  const memory = new ServerMemory();
  const [one, two, other] = ["192.0.2.1", "192.0.2.1", "192.0.2.2"].map((at) => memory.enter(at));
  for (const kind of ["windows", "kept"] as const) {
    assert(one![kind].take(200 * MIB));
    assert(!two![kind].take(57 * MIB) && two![kind].take(56 * MIB));
    assert(one![kind].isShort && two![kind].isShort);
    assert(!other![kind].isShort && other![kind].take(128 * MIB));
    one![kind].give(256 * MIB);
    other![kind].give(128 * MIB);
  }
  for (const at of ["192.0.2.1", "192.0.2.1", "192.0.2.2"]) memory.leave(at);
});
