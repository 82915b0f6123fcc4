import assert from "node:assert/strict";
import { twinKeys } from "../../../tests/fake/tt_twin.ts";
import { utf8 } from "../../base/bytes.ts";
import type { Cipher, CipherFactory } from "../../contract/cipher.ts";
import { makePureCipher } from "../../core/cipher/pure_cipher.ts";
import { FrameOpener, FrameSealer } from "../../core/tt/frame.ts";
import { RandomBlock } from "../../core/tt/random_pool.ts";
import { seededRng } from "../../../tests/fake/rng.ts";
import { MinuteKeyCache, type MinuteKeysLease } from "./minute_keys.ts";

const PASSWORD = "of the test";
const NOW = 26_173_462;

/** Ciphers that were made, and how often each was disposed of. */
function counted() {
  const disposals: number[] = [];
  const makeCipher: CipherFactory = (name, key) => {
    const inner = makePureCipher(name, key);
    const index = disposals.push(0) - 1;
    const alive = () => assert.equal(disposals[index], 0, "a cipher was used after its end");
    const cipher: Cipher = {
      tagSize: inner.tagSize,
      seal: (...args) => (alive(), inner.seal(...args)),
      open: (...args) => (alive(), inner.open(...args)),
      [Symbol.dispose]: () => {
        disposals[index]!++;
        inner[Symbol.dispose]();
      },
    };
    return cipher;
  };
  const secrets = new MinuteKeyCache(utf8(PASSWORD), { cipher: "chacha20-poly1305", makeCipher });
  return { secrets, disposals, ended: () => disposals.filter((count) => count > 0).length };
}

/** Checks that frames can still be sealed and opened with it. */
function works({ secrets }: MinuteKeysLease): void {
  const sealer = new FrameSealer(secrets, new RandomBlock(seededRng(1)));
  const bytes = new Uint8Array(100);
  const size = sealer.seal(new Uint8Array(40).fill(7), bytes, 0);
  const text = new Uint8Array(40);
  assert.equal(new FrameOpener(secrets).open(bytes, 0, size, text), 40);
  assert.ok(text.every((byte) => byte === 7));
}

Deno.test("keys are those of the password and the minute", () => {
  const { secrets } = counted();
  const { otp, k, x } = twinKeys("chacha20-poly1305", PASSWORD, NOW);
  using borrowed = secrets.borrow(NOW);
  assert.deepEqual([borrowed.keys.aeadKey, borrowed.keys.mask], [k, x]);
  assert.equal(secrets.keysAt(NOW).otp, otp);
  secrets[Symbol.dispose]();
});

Deno.test("all users of a minute share one cipher", () => {
  const { secrets, disposals } = counted();
  const many = Array.from({ length: 1000 }, () => secrets.borrow(NOW));
  assert.equal(disposals.length, 1);
  for (const one of many) one[Symbol.dispose]();
  assert.deepEqual(disposals, [0]); // kept for the next
  secrets[Symbol.dispose]();
  assert.deepEqual(disposals, [1]);
});

Deno.test("asking for keys makes no cipher", () => {
  const { secrets, disposals } = counted();
  for (let i = 0; i < 100; i++) secrets.keysAt(NOW + i);
  assert.equal(disposals.length, 0);
  secrets[Symbol.dispose]();
});

Deno.test("hours of minutes keep a few ciphers, and each is disposed of once", () => {
  const { secrets, disposals, ended } = counted();
  for (let minute = NOW; minute < NOW + 300; minute++) {
    for (const tried of [minute, minute - 1, minute + 1, minute - 2]) {
      using _one = secrets.borrow(tried);
    }
    assert.ok(disposals.length - ended() <= 8);
  }
  assert.equal(disposals.length, 303); // none was made twice
  secrets[Symbol.dispose]();
  assert.ok(disposals.every((count) => count === 1));
});

Deno.test("a minute that is borrowed lives on after it has left the table", () => {
  const { secrets, disposals } = counted();
  const first = secrets.borrow(NOW);
  const second = secrets.borrow(NOW);
  for (let i = 1; i < 100; i++) secrets.borrow(NOW + i)[Symbol.dispose]();
  works(first);
  first[Symbol.dispose]();
  first[Symbol.dispose](); // twice is once
  works(second);
  assert.equal(disposals[0], 0);
  second[Symbol.dispose]();
  assert.equal(disposals[0], 1);
  secrets[Symbol.dispose]();
  assert.ok(disposals.every((count) => count === 1));
});

Deno.test("a minute that is borrowed lives on after the end, and goes with its last user", () => {
  const { secrets, disposals } = counted();
  const inTable = secrets.borrow(NOW);
  const other = secrets.borrow(NOW + 1);
  secrets[Symbol.dispose]();
  works(inTable);
  works(other);
  const { k } = twinKeys("chacha20-poly1305", PASSWORD, NOW);
  assert.deepEqual(inTable.keys.aeadKey, k); // not overwritten under its user
  inTable[Symbol.dispose]();
  assert.deepEqual(disposals, [1, 0]);
  other[Symbol.dispose]();
  assert.deepEqual(disposals, [1, 1]);
  assert.throws(() => secrets.borrow(NOW), { kind: "internal" });
});

Deno.test("a minute that comes back after it was dropped is another entry, and both are right", () => {
  const { secrets, disposals } = counted();
  const old = secrets.borrow(NOW);
  for (let i = 1; i < 20; i++) secrets.borrow(NOW + i)[Symbol.dispose]();
  const again = secrets.borrow(NOW);
  works(old);
  works(again);
  old[Symbol.dispose]();
  works(again);
  again[Symbol.dispose]();
  secrets[Symbol.dispose]();
  assert.ok(disposals.every((count) => count === 1));
});
