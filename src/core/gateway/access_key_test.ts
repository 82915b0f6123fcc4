import assert from "node:assert/strict";
import fc from "fast-check";
import { toHex, utf8 } from "../../base/bytes.ts";
import {
  ACCESS_BYTES,
  formatAccessKey,
  isAccessLabel,
  PUBLIC_ACCESS,
  readAccessKey,
} from "./access_key.ts";

const RANDOM = new Uint8Array(ACCESS_BYTES).map((_, i) => i);

Deno.test("a key is read as it is written, with a line's end or without", () => {
  const text = formatAccessKey(RANDOM);
  assert.match(text, /^ttun-access:[A-Za-z0-9_-]{43}$/);
  assert.deepEqual(readAccessKey(`${text}\n`), utf8(text));
  assert.notEqual(toHex(readAccessKey(text)), toHex(PUBLIC_ACCESS));
});

Deno.test("what is no key is refused, and not repeated", () => {
  const text = formatAccessKey(RANDOM);
  const others = ["", "secret", text.slice(0, -1), `${text}AA`, `x${text}`, "ttun-access:public"];
  for (const other of others) {
    assert.throws(
      () => readAccessKey(other),
      (error: Error & { kind?: string }) =>
        error.kind === "usage" && !error.message.includes(text.slice(12, 24)),
    );
  }
  fc.assert(fc.property(fc.string(), (other) => {
    assert.throws(() => readAccessKey(other), { kind: "usage" });
  }));
});

Deno.test("labels are plain words", () => {
  for (const label of ["ann", "Ann.laptop-2", "a_b"]) assert(isAccessLabel(label));
  for (const label of ["", "a b", "-a", "a/b", "x".repeat(64), "a\n"]) {
    assert(!isAccessLabel(label), label);
  }
});
