import assert from "node:assert/strict";
import { utf8 } from "../../base/bytes.ts";
import { type Logger, makeLogger } from "../../base/log.ts";
import { warnOfWeakKey, warnOfWeakPassword } from "./key_strength.ts";

function told(run: (log: Logger) => void): string[] {
  const lines: string[] = [];
  run(makeLogger(({ level, message }) => lines.push(`${level} ${message}`), () => 0));
  return lines;
}

const STRONG = "vbYTtPqk3wU4yhDZ1s0dLQ";

Deno.test("a strong key draws no warning", () => {
  assert.deepEqual(told((log) => warnOfWeakKey(utf8(STRONG), log)), []);
  assert.deepEqual(told((log) => warnOfWeakPassword(utf8(STRONG), "ann", log)), []);
});

Deno.test("a short or common key draws one, in the words of a tunnel or a proxy, without the key", () => {
  for (const [key, why] of [["n0body", "short"], ["psk", "one of"], ["x".repeat(40), "one of"]]) {
    const [tunnel, ...more] = told((log) => warnOfWeakKey(utf8(key!), log));
    assert.match(tunnel!, new RegExp(`^warn The key is ${why}.*handshake.*ttun genkey`));
    assert.deepEqual(more, []);
    const [proxy, ...others] = told((log) => warnOfWeakPassword(utf8(key!), "", log));
    assert.match(proxy!, new RegExp(`^warn The key is ${why}.*connection.*ports.*ttun genkey`));
    assert.deepEqual(others, []);
    for (const line of [tunnel!, proxy!]) assert.ok(!line.includes("n0body"));
  }
});

Deno.test("of several keys the weak one is named", () => {
  const [line] = told((log) => warnOfWeakPassword(utf8("short"), "ann", log));
  assert.match(line!, /^warn The key of ann is short/);
});
