import assert from "node:assert/strict";
import fc from "fast-check";
import { concat, toHex, utf8 } from "../../src/base/bytes.ts";
import { TtunError } from "../../src/base/errors.ts";
import { CIPHER_NAMES, type CipherFactory, type CipherName } from "../../src/contract/cipher.ts";
import { makePureCipher } from "../../src/core/cipher/pure_cipher.ts";
import {
  FirstFrameFinder,
  MAX_FIRST_FRAME,
  type MinuteCandidate,
} from "../../src/core/tt/first_frame.ts";
import {
  FrameOpener,
  FrameSealer,
  FrameSecrets,
  IMPOSSIBLE,
  measureFrame,
  NEEDS_MORE,
} from "../../src/core/tt/frame.ts";
import { LONGEST_TEXT, MAX_FRAME_ROOM } from "../../src/core/tt/frame_sizes.ts";
import { minutesToTry, TtKeys } from "../../src/core/tt/keys.ts";
import { RandomBlock } from "../../src/core/tt/random_pool.ts";
import { makeNodeCipher } from "../../src/io/crypto/node_cipher.ts";
import { seededRng } from "../fake/rng.ts";
import { twinDecode, twinKeys, twinSeal } from "../fake/tt_twin.ts";

const NOW = 26173464;
const PASSWORD = "password";
const MAKERS: Record<string, CipherFactory> = { pure: makePureCipher, node: makeNodeCipher };

function secrets(cipher: CipherName, minute = NOW, maker = "pure"): FrameSecrets {
  using keys = new TtKeys(utf8(PASSWORD));
  return new FrameSecrets(keys.at(minute), cipher, MAKERS[maker]!);
}

function candidates(cipher: CipherName, maker = "pure"): MinuteCandidate[] {
  return minutesToTry(NOW).map((minute) => ({ minute, secrets: secrets(cipher, minute, maker) }));
}

function frameOf(by: FrameSecrets, text: Uint8Array, seed: number, r?: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(MAX_FRAME_ROOM + text.length);
  const sealer = new FrameSealer(by, new RandomBlock(seededRng(seed)));
  return bytes.subarray(0, sealer.seal(text, bytes, 0, r));
}

/** All of `bytes`, cut where `cuts` say. */
function pieces(bytes: Uint8Array, cuts: number[]): Uint8Array[] {
  const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((from, i) => bytes.subarray(from, at[i] ?? bytes.length));
}

/** The texts in a stream that comes in pieces, in a buffer that is used again and again. */
class Reading {
  readonly texts: string[] = [];
  readonly #opener: FrameOpener;
  readonly #least: number;
  #buffer: Uint8Array = new Uint8Array(64);
  #end = 0;

  constructor(by: FrameSecrets, least = 1) {
    this.#opener = new FrameOpener(by);
    this.#least = least;
  }

  /** @throws what the opener throws */
  add(piece: Uint8Array): this {
    if (this.#end + piece.length > this.#buffer.length) {
      this.#buffer = concat(this.#buffer.subarray(0, this.#end), piece, new Uint8Array(64));
    } else this.#buffer.set(piece, this.#end);
    this.#end += piece.length;
    let at = 0;
    for (;;) {
      const size = this.#opener.sizeAt(this.#buffer, at, this.#end, this.#least);
      if (size === null || at + size > this.#end) break;
      const text = new Uint8Array(size);
      const length = this.#opener.open(this.#buffer, at, size, text);
      at += size;
      this.texts.push(toHex(text.subarray(0, length)));
    }
    this.#buffer.copyWithin(0, at, this.#end);
    this.#end -= at;
    return this;
  }

  get left(): number {
    return this.#end;
  }
}

function isRefusal(error: unknown): true {
  assert.ok(error instanceof TtunError && error.kind === "protocol", String(error));
  return true;
}

const anyCipher = fc.constantFrom(...CIPHER_NAMES);
const anyMaker = fc.constantFrom(...Object.keys(MAKERS));
const anyText = fc.uint8Array({ minLength: 1, maxLength: 80 });
const anyR = fc.uint8Array({ minLength: 12, maxLength: 255, size: "max" });
const anyCuts = fc.array(fc.nat(), { maxLength: 12 });
const byteByByte = Array.from({ length: 8192 }, (_, i) => i);

Deno.test("however a stream is cut, its frames are the same", () => {
  const frames = fc.array(fc.tuple(anyText, fc.option(anyR)), { maxLength: 6 });
  fc.assert(fc.property(anyCipher, anyMaker, frames, anyCuts, (cipher, maker, some, cuts) => {
    using by = secrets(cipher, NOW, maker);
    const twin = twinKeys(cipher, PASSWORD, NOW);
    // Some are the twin's, with any R; some are ours.
    const stream = concat(
      ...some.map(([text, r], i) =>
        r === null ? frameOf(by, text, i + 1) : twinSeal(twin, r, text)
      ),
    );
    for (const at of [[], cuts, byteByByte]) {
      const reading = new Reading(by);
      for (const piece of pieces(stream, at)) reading.add(piece);
      assert.deepEqual(reading.texts, some.map(([text]) => toHex(text)));
      assert.equal(reading.left, 0);
    }
  }));
});

Deno.test("however a connection's first bytes are cut, the same frame is found, at its end", () => {
  const minute = fc.constantFrom(...minutesToTry(NOW));
  const behind = fc.uint8Array({ maxLength: 40 });
  fc.assert(
    fc.property(
      anyCipher,
      anyMaker,
      minute,
      anyR,
      anyText,
      behind,
      (cipher, maker, minute, r, text, more) => {
        const all = candidates(cipher, maker);
        const frame = twinSeal(twinKeys(cipher, PASSWORD, minute), r, text);
        const bytes = concat(frame, more);
        const finder = new FirstFrameFinder(all);
        for (let end = 0; end < frame.length; end++) {
          assert.equal(finder.find(bytes, 0, end).kind, "more");
        }
        for (const last of [finder, new FirstFrameFinder(all)]) {
          const found = last.find(bytes, 0, bytes.length);
          assert.ok(found.kind === "frame");
          assert.equal(found.candidate.minute, minute);
          assert.deepEqual([found.random, found.text, found.size], [r, text, frame.length]);
        }
        assert.deepEqual(bytes, concat(frame, more));
        for (const one of all) one.secrets[Symbol.dispose]();
      },
    ),
    { numRuns: 60 },
  );
});

/** Effect of a flipped bit on a frame: it passes, it fails, or more bytes are waited for. */
function fate(by: FrameSecrets, frame: Uint8Array, text: Uint8Array): "passes" | "fails" | "more" {
  const bytes = frame.slice();
  const opener = new FrameOpener(by);
  try {
    const size = opener.sizeAt(bytes, 0, bytes.length);
    if (size === null || size > bytes.length) return "more";
    const found = new Uint8Array(size);
    const length = opener.open(bytes, 0, size, found);
    assert.equal(toHex(found.subarray(0, length)), toHex(text), "another text passed");
    return "passes";
  } catch (error) {
    isRefusal(error);
    return "fails";
  }
}

Deno.test("of all bits of a frame, those of the padding behind the nonce pass, and no others", () => {
  for (const cipher of CIPHER_NAMES) {
    for (const maker of Object.keys(MAKERS)) {
      for (const size of [12, 20, 32, 255]) {
        using by = secrets(cipher, NOW, maker);
        const text = seededRng(size)(37);
        const frame = frameOf(by, text, 1, seededRng(size + 1)(size));
        const fates = { passes: 0, fails: 0, more: 0 };
        for (let bit = 0; bit < 8 * frame.length; bit++) {
          const flipped = frame.slice();
          flipped[bit >>> 3]! ^= 1 << (bit & 7);
          const found = fate(by, flipped, text);
          const at = bit >>> 3;
          const isPadding = at >= 13 && at < 1 + size;
          assert.equal(found === "passes", isPadding, `byte ${at}, bit ${bit & 7}: ${found}`);
          // Only what changes a length may make it wait.
          if (found === "more") assert.ok(at < 3 || (at > size && at < 3 + size), `byte ${at}`);
          fates[found]++;
        }
        assert.equal(fates.passes, 8 * (size - 12));
        assert.ok(fates.more >= 8 && fates.fails >= 8 * (37 + 16 + 10));
      }
    }
  }
});

Deno.test("a flipped bit that makes a frame longer fails when so many bytes are there", () => {
  using by = secrets("chacha20-poly1305");
  const text = seededRng(1)(37);
  const frame = frameOf(by, text, 1, seededRng(2)(20));
  const enough = concat(frame, seededRng(3)(70_000));
  for (let bit = 0; bit < 8 * frame.length; bit++) {
    const flipped = enough.slice();
    flipped[bit >>> 3]! ^= 1 << (bit & 7);
    const isPadding = bit >= 8 * 13 && bit < 8 * 21;
    const found = fate(by, flipped, text);
    assert.equal(found, isPadding ? "passes" : "fails", `bit ${bit}`);
  }
});

Deno.test("a first frame with a flipped bit is found only where the padding is flipped", () => {
  const all = candidates("chacha20-poly1305");
  const text = seededRng(1)(37);
  const frame = frameOf(all[1]!.secrets, text, 1, seededRng(2)(20));
  const enough = concat(frame, seededRng(3)(MAX_FIRST_FRAME));
  for (let bit = 0; bit < 8 * frame.length; bit++) {
    const flipped = enough.slice();
    flipped[bit >>> 3]! ^= 1 << (bit & 7);
    const isPadding = bit >= 8 * 13 && bit < 8 * 21;
    const { kind } = new FirstFrameFinder(all).find(flipped, 0, MAX_FIRST_FRAME);
    assert.equal(kind, isPadding ? "frame" : "none", `bit ${bit}`);
  }
});

Deno.test("any damage to a stream is refused or waited for, and what came before it stands", () => {
  const damage = fc.record({
    at: fc.nat(),
    remove: fc.nat(40),
    insert: fc.uint8Array({ maxLength: 40 }),
  });
  const frames = fc.array(anyText, { minLength: 1, maxLength: 5 });
  let refused = 0;
  fc.assert(
    fc.property(anyCipher, frames, damage, anyCuts, (cipher, texts, where, cuts) => {
      using by = secrets(cipher);
      const sealed = texts.map((text, i) => frameOf(by, text, i + 1, seededRng(i + 9)(12)));
      const right = concat(...sealed);
      const at = where.at % right.length;
      const bytes = concat(
        right.subarray(0, at),
        where.insert,
        right.subarray(at + where.remove),
      );
      const reading = new Reading(by);
      try {
        for (const piece of pieces(bytes, cuts)) reading.add(piece);
      } catch (error) {
        isRefusal(error);
        refused++;
      }
      // Without padding all that was changed shows; but whole frames may be gone (or come twice).
      let end = 0;
      const sound = sealed.filter((frame) => (end += frame.length) <= at).length;
      assert.ok(reading.texts.length >= sound);
      assert.deepEqual(reading.texts.slice(0, sound), texts.slice(0, sound).map(toHex));
      const own = new Set(texts.map(toHex));
      assert.ok(reading.texts.every((text) => own.has(text)), "a text that nobody sent");
    }),
    { numRuns: 500 },
  );
  assert.ok(refused > 100, `${refused} were refused`);
});

/** Random bytes hardly ever have a header that can be: most are given one, and a short length. */
const garbage = (x: Uint8Array) =>
  fc.tuple(fc.uint8Array({ maxLength: 400, size: "max" }), fc.nat(9), fc.nat(120)).map(
    ([bytes, kind, length]) => {
      if (kind < 2 || bytes.length < 40) return bytes;
      const rs = 12 + kind;
      const [high, low] = [x[bytes[1]! % 32]!, x[bytes[2]! % 32]!];
      bytes[0] = rs ^ high;
      if (kind < 8) bytes.set([high, length ^ low], 1 + rs);
      return bytes;
    },
  );

Deno.test("garbage is what the twin says of it, and never anything but a refusal", () => {
  const seen = { more: 0, fail: 0, empty: 0 };
  for (const cipher of CIPHER_NAMES) {
    const twin = twinKeys(cipher, PASSWORD, NOW);
    using by = secrets(cipher);
    fc.assert(
      fc.property(garbage(twin.x), anyCuts, fc.nat(1), (bytes, cuts, least) => {
        const wanted = twinDecode(twin, bytes, least === 0);
        const reading = new Reading(by, least);
        let found = "more";
        try {
          for (const piece of pieces(bytes, cuts)) reading.add(piece);
        } catch (error) {
          isRefusal(error);
          found = "fail";
        }
        assert.equal(found, wanted);
        assert.deepEqual(reading.texts, []);
        seen[found as "more" | "fail"]++;
        const rs = (bytes[0] ?? 0) ^ twin.x[(bytes[1] ?? 0) % 32]!;
        const size = bytes.length < 3 + rs ? null : twinSize(twin.x, bytes);
        if (size === 0) seen.empty++;
      }),
      { numRuns: 1500 },
    );
  }
  assert.ok(seen.more > 100 && seen.fail > 300 && seen.empty > 3, JSON.stringify(seen));
});

function twinSize(x: Uint8Array, bytes: Uint8Array): number {
  const rs = bytes[0]! ^ x[bytes[1]! % 32]!;
  return 256 * (bytes[1 + rs]! ^ x[bytes[1]! % 32]!) + (bytes[2 + rs]! ^ x[bytes[2]! % 32]!);
}

Deno.test("no garbage is a first frame; from the limit on the answer is final", () => {
  const cipher = "chacha20-poly1305";
  const all = candidates(cipher);
  const x = twinKeys(cipher, PASSWORD, NOW - 1).x;
  let late = 0;
  fc.assert(
    fc.property(garbage(x), anyCuts, fc.nat(), (bytes, cuts, seed) => {
      const whole = concat(bytes, seededRng(seed)(MAX_FIRST_FRAME)).subarray(0, MAX_FIRST_FRAME);
      const finder = new FirstFrameFinder(all);
      let end = 0;
      let before = "more";
      for (const piece of pieces(bytes, cuts)) {
        end += piece.length;
        const { kind } = finder.find(whole, 0, end);
        assert.ok(kind === "more" || kind === "none");
        assert.ok(before !== "none" || kind === "none", "what was none is something again");
        before = kind;
      }
      if (before === "more") late++;
      assert.equal(finder.find(whole, 0, MAX_FIRST_FRAME).kind, "none");
    }),
    { numRuns: 500 },
  );
  assert.ok(late > 20, `${late} were waited for`);
});

Deno.test("no length makes a reader wait for more than its limit", () => {
  const twin = twinKeys("aes-256-gcm", PASSWORD, NOW);
  using by = secrets("aes-256-gcm");
  const anyLength = fc.nat(LONGEST_TEXT);
  fc.assert(fc.property(anyR, anyLength, anyLength, fc.nat(1), (r, l, most, least) => {
    const [high, low] = [twin.x[r[0]! % 32]!, twin.x[r[1]! % 32]!];
    const header = concat(
      Uint8Array.of(r.length ^ high),
      r,
      Uint8Array.of((l >> 8) ^ high, (l & 255) ^ low),
    );
    const measure = (end: number) => measureFrame(by.mask, header, 0, end, most, least);
    assert.equal(measure(header.length - 1), NEEDS_MORE);
    const size = measure(header.length);
    assert.equal(size, l >= least && l <= most ? 19 + r.length + l : IMPOSSIBLE);
    assert.ok(size <= MAX_FRAME_ROOM + most);
  }));
});

Deno.test("what one end seals the other opens: TypeScript, node:crypto and the twin alike", () => {
  const text = fc.uint8Array({ minLength: 1, maxLength: 5000, size: "max" });
  fc.assert(
    fc.property(anyCipher, text, fc.nat(2 ** 26), fc.nat(), (cipher, text, minute, seed) => {
      using pure = secrets(cipher, minute, "pure");
      using node = secrets(cipher, minute, "node");
      const frame = frameOf(pure, text, seed);
      assert.deepEqual(frameOf(node, text, seed), frame);
      const found = twinDecode(twinKeys(cipher, PASSWORD, minute), frame);
      assert.ok(typeof found === "object");
      assert.deepEqual([found.text, found.used], [text, frame.length]);
      for (const by of [pure, node]) {
        const opener = new FrameOpener(by);
        const into = new Uint8Array(text.length);
        assert.equal(opener.open(frame, 0, frame.length, into), text.length);
        assert.deepEqual(into, text);
        const random = frame.subarray(1, frame.length - text.length - 18);
        assert.deepEqual(opener.randomAt(frame, 0), random);
      }
    }),
    { numRuns: 60 },
  );
});
