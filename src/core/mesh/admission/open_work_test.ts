import assert from "node:assert/strict";
import { findWork, isWorkDone } from "./open_work.ts";

const [NONCE, KEY] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];

function search(bits: number): Uint8Array | null {
  const steps = findWork({ nonce: NONCE, publicKey: KEY }, bits);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

Deno.test("work is found and checked, and is for one connection and one key", () => {
  const work = search(10)!;
  const of = { nonce: NONCE, publicKey: KEY };
  assert.equal(isWorkDone(work, of, 10), true);
  const others = [
    { nonce: KEY, publicKey: KEY },
    { nonce: NONCE, publicKey: NONCE },
  ];
  for (const other of others) assert.equal(isWorkDone(work, other, 10), false);
  assert.equal(isWorkDone(new Uint8Array([...work, 0]), of, 10), false);
  assert.equal(isWorkDone(new Uint8Array(), of, 0), false);
  assert.equal(search(60), null);
});

Deno.test("a known answer", () => {
  assert.deepEqual([...search(12)!], KNOWN);
});

/** By a script of its own: hashlib.sha256 of Python over the same bytes. */
const KNOWN = [0, 0, 2, 200];
