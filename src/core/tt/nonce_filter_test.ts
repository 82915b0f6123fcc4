import assert from "node:assert/strict";
import fc from "fast-check";
import { seededRng } from "../../../tests/fake/rng.ts";
import { toHex, writeU32 } from "../../base/bytes.ts";
import { NonceMemory } from "./nonce_filter.ts";

const NOW = 26173464;
const internal = { name: "TtunError", kind: "internal" };

function nonce(i: number): Uint8Array {
  const bytes = new Uint8Array(12);
  writeU32(bytes, 4, i);
  return bytes;
}

/** Each minute has an OTP of its own, unless one is given. */
const of = (minute: number, otp = minute % 1_000_000) => ({ minute, otp });

function memory(o: { reach?: number; most?: number } = {}): NonceMemory {
  return new NonceMemory(seededRng(1), o);
}

Deno.test("a nonce is new once, whichever way it went first", () => {
  const known = memory();
  assert.equal(known.noteReceived(of(NOW), nonce(1), NOW), "new");
  assert.equal(known.noteReceived(of(NOW), nonce(1), NOW), "known");
  assert.equal(known.noteSent(of(NOW), nonce(1), NOW), "known");
  assert.equal(known.noteSent(of(NOW), nonce(2), NOW), "new");
  assert.equal(known.noteReceived(of(NOW), nonce(2), NOW), "known"); // reflected
  assert.equal(known.noteSent(of(NOW), nonce(2), NOW), "known");
  assert.equal(known.noteReceived(of(NOW), nonce(3), NOW), "new");
});

Deno.test("every bit of a nonce counts, and the array it came in does not", () => {
  const known = memory();
  const lent = new Uint8Array(12);
  assert.equal(known.noteReceived(of(NOW), lent, NOW), "new");
  for (let bit = 0; bit < 96; bit++) {
    lent.fill(0);
    lent[bit >>> 3] = 1 << (bit & 7);
    assert.equal(known.noteReceived(of(NOW), lent, NOW), "new", `bit ${bit}`);
    assert.equal(known.noteReceived(of(NOW), lent.slice(), NOW), "known", `bit ${bit}`);
  }
});

Deno.test("keys are apart, and minutes with the same OTP are one key", () => {
  const known = memory();
  assert.equal(known.noteReceived(of(NOW, 5), nonce(1), NOW), "new");
  assert.equal(known.noteReceived(of(NOW + 1, 6), nonce(1), NOW), "new");
  assert.equal(known.noteReceived(of(NOW + 1, 5), nonce(1), NOW), "known");
  // Seen under the older minute, it is known as long as the younger one is in reach.
  assert.equal(known.noteReceived(of(NOW + 1, 5), nonce(1), NOW + 3), "known");
  assert.equal(known.noteReceived(of(NOW + 1, 5), nonce(1), NOW + 4), "late");
});

Deno.test("a nonce is known as long as its minute is in reach, and late from then on", () => {
  for (const reach of [2, 15]) {
    const known = memory({ reach });
    for (let now = NOW - 1; now <= NOW + reach; now++) {
      const verdict = known.noteReceived(of(NOW), nonce(1), now);
      assert.equal(verdict, now === NOW - 1 ? "new" : "known");
      assert.equal(known.noteReceived(of(NOW), nonce(now), now), "new");
    }
    assert.equal(known.noteReceived(of(NOW), nonce(1), NOW + reach + 1), "late");
    assert.equal(known.noteReceived(of(NOW), nonce(99), NOW + reach + 1), "late");
    assert.equal(known.size.nonces, 0);
  }
});

Deno.test("what is out of reach takes no memory, also what is sent so late", () => {
  const known = memory();
  for (let now = NOW; now < NOW + 200; now++) {
    for (let i = 0; i < 20; i++) known.noteReceived(of(now), nonce(i), now);
    for (let old = 3; old < 30; old++) {
      assert.equal(known.noteSent(of(now - old), nonce(7), now), "new");
    }
    assert.ok(known.size.nonces <= 3 * 20);
    assert.ok(known.size.bytes <= 3 * 1536);
  }
});

Deno.test("a clock that goes back forgets nothing that it has not forgotten already", () => {
  const known = memory();
  for (let now = NOW; now < NOW + 10; now++) {
    assert.equal(known.noteReceived(of(now), nonce(1), now), "new");
  }
  // NOW+7 to NOW+9 are remembered, NOW to NOW+6 are gone: nothing of those may be received.
  for (let back = NOW + 9; back > NOW - 5; back--) {
    for (let minute = back - 2; minute <= back + 1; minute++) {
      const verdict = known.noteReceived(of(minute), nonce(1), back);
      const wanted = minute <= NOW + 6 ? "late" : minute <= NOW + 9 ? "known" : "new";
      if (minute === NOW + 10 && back === NOW + 9) assert.equal(verdict, "new");
      else assert.equal(verdict, wanted, `minute ${minute - NOW} at ${back - NOW}`);
    }
  }
  // A forgotten nonce is new again once the clock has gone on.
  assert.equal(known.noteReceived(of(NOW + 11), nonce(1), NOW + 11), "new");
});

Deno.test("a clock that jumps ahead for a moment opens nothing when it is right again", () => {
  for (const jump of [3, 15, 16, 9000]) {
    const known = memory();
    assert.equal(known.noteReceived(of(NOW), nonce(1), NOW), "new");
    assert.equal(known.noteReceived(of(NOW + jump), nonce(2), NOW + jump), "new");
    assert.equal(known.noteReceived(of(NOW), nonce(1), NOW), "late");
    assert.equal(known.noteReceived(of(NOW), nonce(3), NOW), "late");
    assert.equal(known.noteReceived(of(NOW + 1), nonce(1), NOW), "new"); // it ends by itself
  }
});

Deno.test("a clock set back further than a key can live is a new beginning", () => {
  const known = memory();
  for (let now = NOW; now < NOW + 10; now++) known.noteReceived(of(now), nonce(1), now);
  const back = NOW - 30;
  assert.equal(known.noteReceived(of(back), nonce(1), back), "new");
  assert.equal(known.size.nonces, 1);
  assert.equal(known.noteReceived(of(back), nonce(1), back), "known");
});

Deno.test("what was only sent does not keep a minute from being received, once the clock is right", () => {
  const known = memory();
  assert.equal(known.noteSent(of(NOW + 10), nonce(1), NOW + 10), "new");
  assert.equal(known.noteSent(of(NOW + 14), nonce(1), NOW + 14), "new");
  assert.equal(known.noteReceived(of(NOW + 3), nonce(2), NOW + 3), "new");
});

Deno.test("a full key takes nothing for new and forgets nothing; others are not touched", () => {
  const most = 500;
  const known = memory({ most });
  for (let i = 0; i < most; i++) {
    assert.equal(known.noteReceived(of(NOW), nonce(i), NOW), "new");
  }
  assert.equal(known.noteReceived(of(NOW), nonce(most), NOW), "full");
  assert.equal(known.noteReceived(of(NOW), nonce(0), NOW), "full");
  // The answers have room of their own.
  for (let i = 0; i < most; i++) {
    assert.equal(known.noteSent(of(NOW), nonce(1000 + i), NOW), "new");
  }
  assert.equal(known.noteSent(of(NOW), nonce(5000), NOW), "full");
  assert.equal(known.noteReceived(of(NOW + 1), nonce(0), NOW), "new");
  assert.equal(known.noteReceived(of(NOW), nonce(9000), NOW + 2), "full");
  assert.equal(known.size.nonces, 2 * most + 1);
});

Deno.test("200 000 connections of a minute take 6 MiB, and each is known again", () => {
  const known = memory();
  const COUNT = 200_000;
  for (let i = 0; i < COUNT; i++) {
    if (known.noteReceived(of(NOW), nonce(i), NOW) !== "new") assert.fail(`nonce ${i}`);
  }
  for (let i = 0; i < COUNT; i += 97) {
    assert.equal(known.noteReceived(of(NOW), nonce(i), NOW), "known");
  }
  assert.deepEqual(known.size, { nonces: COUNT, bytes: 6 * 2 ** 20 });
});

Deno.test("the memory is a set for each key: any order of received and sent", () => {
  const act = fc.record({
    minute: fc.integer({ min: NOW - 2, max: NOW + 1 }),
    i: fc.nat(40),
    isSent: fc.boolean(),
  });
  fc.assert(fc.property(fc.array(act, { maxLength: 300 }), fc.nat(), (acts, seed) => {
    const known = new NonceMemory(seededRng(seed));
    const model = new Set<string>();
    for (const { minute, i, isSent } of acts) {
      const name = `${minute} ${toHex(nonce(i))}`;
      const verdict = isSent
        ? known.noteSent(of(minute), nonce(i), NOW)
        : known.noteReceived(of(minute), nonce(i), NOW);
      assert.equal(verdict, model.has(name) ? "known" : "new");
      model.add(name);
    }
    assert.equal(known.size.nonces, model.size);
  }));
});

Deno.test("a nonce has 12 bytes, whatever follows", () => {
  for (const size of [0, 11]) {
    assert.throws(() => memory().noteReceived(of(NOW), new Uint8Array(size), NOW), internal);
    assert.throws(() => memory().noteSent(of(NOW), new Uint8Array(size), NOW), internal);
  }
  const known = memory();
  const more = new Uint8Array(32).fill(1);
  assert.equal(known.noteReceived(of(NOW), more, NOW), "new");
  more.fill(2, 12);
  assert.equal(known.noteReceived(of(NOW), more, NOW), "known");
  assert.equal(known.noteSent(of(NOW), more.subarray(0, 12), NOW), "known");
});
