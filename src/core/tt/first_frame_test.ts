import assert from "node:assert/strict";
import { CountedCiphers } from "../../../tests/fake/ciphers.ts";
import { seededRng } from "../../../tests/fake/rng.ts";
import { twinDecode, twinKeys, twinSeal } from "../../../tests/fake/tt_twin.ts";
import { concat, toHex, utf8 } from "../../base/bytes.ts";
import type { Cipher, CipherFactory } from "../../contract/cipher.ts";
import { makePureCipher } from "../cipher/pure_cipher.ts";
import {
  FirstFrameFinder,
  MAX_FIRST_FRAME,
  MAX_FIRST_TEXT,
  type MinuteCandidate,
} from "./first_frame.ts";
import { FrameSecrets } from "./frame.ts";
import { minutesToTry, TtKeys } from "./keys.ts";

const NOW = 26173464;
const CHACHA = "chacha20-poly1305";

function candidates(makeCipher: CipherFactory = makePureCipher, now = NOW): MinuteCandidate[] {
  using keys = new TtKeys(utf8("password"));
  return minutesToTry(now).map((minute) => ({
    minute,
    secrets: new FrameSecrets(keys.at(minute), CHACHA, makeCipher),
  }));
}

const twinOf = (minute: number) => twinKeys(CHACHA, "password", minute);
const r = (seed: number, size: number) => seededRng(seed)(size);
const greeting = Uint8Array.of(5, 1, 0);

for (const minute of minutesToTry(NOW)) {
  Deno.test(`a frame of a minute ${minute - NOW} from ours is found, at its last byte`, () => {
    const random = r(minute, 20);
    const frame = twinSeal(twinOf(minute), random, greeting);
    const bytes = concat(frame, Uint8Array.of(9, 9, 9));
    const finder = new FirstFrameFinder(candidates());
    for (let end = 0; end < frame.length; end++) {
      assert.deepEqual(finder.find(bytes, 0, end), { kind: "more" }, `${end} bytes`);
    }
    const found = finder.find(bytes, 0, bytes.length);
    assert.ok(found.kind === "frame");
    assert.equal(found.candidate.minute, minute);
    assert.deepEqual([found.random, found.text, found.size], [random, greeting, frame.length]);
    assert.deepEqual(bytes, concat(frame, Uint8Array.of(9, 9, 9)));
  });
}

Deno.test("a frame of a minute that is not tried, or of another password, is none", () => {
  for (const keys of [twinOf(NOW - 3), twinOf(NOW + 2), twinKeys(CHACHA, "passwort", NOW)]) {
    const frame = twinSeal(keys, r(1, 20), greeting);
    const bytes = concat(frame, new Uint8Array(MAX_FIRST_FRAME));
    const found = new FirstFrameFinder(candidates()).find(bytes, 0, MAX_FIRST_FRAME);
    assert.deepEqual(found, { kind: "none" });
  }
});

Deno.test("what is found is a copy, and bytes may begin anywhere in their buffer", () => {
  const random = r(1, 32);
  const frame = twinSeal(twinOf(NOW), random, greeting);
  const bytes = concat(Uint8Array.of(7, 7, 7, 7), frame);
  const finder = new FirstFrameFinder(candidates());
  for (let end = 4; end < bytes.length; end++) {
    assert.equal(finder.find(bytes, 4, end).kind, "more");
  }
  const found = finder.find(bytes, 4, bytes.length);
  bytes.fill(0);
  assert.ok(found.kind === "frame");
  assert.deepEqual([found.random, found.text], [random, greeting]);
});

Deno.test("the largest first frame has 255 random bytes and 4096 of text", () => {
  assert.equal(MAX_FIRST_FRAME, 19 + 255 + 4096);
  const text = r(2, MAX_FIRST_TEXT);
  const largest = twinSeal(twinOf(NOW), r(1, 255), text);
  assert.equal(largest.length, MAX_FIRST_FRAME);
  const found = new FirstFrameFinder(candidates()).find(largest, 0, largest.length);
  assert.ok(found.kind === "frame");
  assert.deepEqual(found.text, text);
  const larger = twinSeal(twinOf(NOW), r(1, 255), r(2, MAX_FIRST_TEXT + 1));
  const finder = new FirstFrameFinder(candidates());
  assert.deepEqual(finder.find(larger, 0, MAX_FIRST_FRAME), { kind: "none" });
});

/** A cipher that leaves nothing of a text whose tag is wrong, as the contract allows. */
function destructive(log: number[]): CipherFactory {
  return (name, key) => {
    const inner: Cipher = makePureCipher(name, key);
    return {
      tagSize: inner.tagSize,
      seal: (...args) => inner.seal(...args),
      open: (nonce, aad, buf, start, end, tagAt, into = buf.subarray(start, end)) => {
        log.push(end - start);
        const isRight = inner.open(nonce, aad, buf, start, end, tagAt, into);
        if (!isRight) into.fill(0);
        return isRight;
      },
      [Symbol.dispose]: () => inner[Symbol.dispose](),
    };
  };
}

/** A text so long that, read with another minute's mask, a whole and shorter frame lies in it. */
function hiddenIn(minute: number, other: number): Uint8Array {
  for (let seed = 1; seed < 100_000; seed++) {
    const frame = twinSeal(twinOf(minute), r(seed, 20), r(seed, 2000));
    const x = twinOf(other).x;
    const rs = frame[0]! ^ x[frame[1]! % 32]!;
    if (rs < 12) continue;
    const l = 256 * (frame[1 + rs]! ^ x[frame[1]! % 32]!) + (frame[2 + rs]! ^ x[frame[2]! % 32]!);
    if (l > 0 && 19 + rs + l < frame.length) return frame;
  }
  throw new Error("no such frame");
}

Deno.test("a candidate's failure takes nothing from the next, and is not tried again", () => {
  const frame = hiddenIn(NOW - 2, NOW);
  const tried: number[] = [];
  const finder = new FirstFrameFinder(candidates(destructive(tried)));
  for (let end = 0; end < frame.length; end++) {
    assert.equal(finder.find(frame, 0, end).kind, "more");
  }
  const before = tried.length;
  assert.ok(before >= 1 && before <= 3, `${before} tags were tried`);
  const found = finder.find(frame, 0, frame.length);
  assert.ok(found.kind === "frame");
  assert.equal(found.candidate.minute, NOW - 2);
  assert.equal(found.text.length, 2000);
  assert.ok(tried.length <= 4);
});

Deno.test("however a stranger cuts his bytes, each candidate's tag is tried once at the most", () => {
  const tried: number[] = [];
  const all = candidates(destructive(tried));
  let most = 0;
  for (let seed = 1; seed <= 300; seed++) {
    tried.length = 0;
    const bytes = r(seed, MAX_FIRST_FRAME);
    const finder = new FirstFrameFinder(all);
    let kind = "more";
    for (let end = 0; end <= bytes.length && kind === "more"; end += 1 + seed % 7) {
      kind = finder.find(bytes, 0, end).kind;
    }
    if (kind === "more") kind = finder.find(bytes, 0, bytes.length).kind;
    assert.equal(kind, "none");
    assert.equal(finder.find(bytes, 0, bytes.length).kind, "none");
    assert.ok(tried.length <= all.length);
    assert.ok(tried.every((size) => size >= 1 && size <= MAX_FIRST_TEXT));
    most = Math.max(most, tried.length);
  }
  assert.ok(most >= 1, "no tag was tried: this test shows nothing");
});

Deno.test("the finder says what the twin says of each candidate, at every length", () => {
  for (let seed = 1; seed <= 60; seed++) {
    // Some are frames of ours, some of a stranger, all with garbage behind them.
    const minute = NOW - 4 + seed % 7;
    const bytes = concat(
      twinSeal(twinOf(minute), r(seed, 12 + seed % 40), r(seed, seed)),
      r(9, 500),
    );
    const finder = new FirstFrameFinder(candidates());
    const twins = minutesToTry(NOW).map(twinOf);
    for (let end = 0; end <= bytes.length; end += 1 + seed % 5) {
      const said = twins.map((twin) => {
        const found = twinDecode(twin, bytes.subarray(0, end));
        if (found !== "more" || end < 3) return found;
        // The twin would wait for any length.
        const rs = bytes[0]! ^ twin.x[bytes[1]! % 32]!;
        const high = (bytes[1 + rs] ?? 0) ^ twin.x[bytes[1]! % 32]!;
        const low = (bytes[2 + rs] ?? 0) ^ twin.x[bytes[2]! % 32]!;
        return end >= 3 + rs && 256 * high + low > MAX_FIRST_TEXT ? "fail" : "more";
      });
      const frame = said.find((one) => typeof one === "object");
      const found = finder.find(bytes, 0, end);
      if (frame !== undefined) {
        assert.ok(found.kind === "frame");
        assert.equal(toHex(found.text), toHex(frame.text));
        assert.equal(found.size, frame.used);
        break;
      }
      assert.equal(found.kind, said.includes("more") ? "more" : "none", `seed ${seed}, ${end}`);
    }
  }
});

Deno.test("without candidates there is none, and the candidates stay the caller's", () => {
  assert.deepEqual(new FirstFrameFinder([]).find(new Uint8Array(), 0, 0), { kind: "none" });
  const counted = new CountedCiphers();
  const all = candidates(counted.factory);
  const finder = new FirstFrameFinder(all);
  finder.find(r(1, MAX_FIRST_FRAME), 0, MAX_FIRST_FRAME);
  assert.deepEqual([all.length, counted.live], [4, 4]);
  for (const { secrets } of all) secrets[Symbol.dispose]();
  assert.equal(counted.live, 0);
});
