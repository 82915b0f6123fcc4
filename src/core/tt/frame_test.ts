import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { seededRng } from "../../../tests/fake/rng.ts";
import { twinDecode, twinKeys, twinSeal } from "../../../tests/fake/tt_twin.ts";
import vectors from "../../../tests/vector/tt-v1.json" with { type: "json" };
import { concat, fromHex, toHex, utf8 } from "../../base/bytes.ts";
import { CIPHER_NAMES, type CipherName } from "../../contract/cipher.ts";
import { makePureCipher } from "../cipher/pure_cipher.ts";
import { FrameOpener, FrameSealer, FrameSecrets, textOf } from "./frame.ts";
import {
  FRAME_ROOM,
  LONGEST_TEXT,
  MAX_FRAME_OLD,
  MAX_FRAME_ROOM,
  MAX_TEXT,
  MAX_TEXT_OLD,
} from "./frame_sizes.ts";
import { TtKeys } from "./keys.ts";
import { RandomBlock } from "./random_pool.ts";

const PASSWORD = vectors.frames_of.password;
const MINUTE = vectors.frames_of.minute;
const CHACHA: CipherName = "chacha20-poly1305";
const protocol = { name: "TtunError", kind: "protocol" };
const internal = { name: "TtunError", kind: "internal" };

function secrets(name: string, minute = MINUTE): FrameSecrets {
  const known = CIPHER_NAMES.find((cipher) => cipher === name);
  assert.ok(known !== undefined, `unknown cipher ${name}`);
  using keys = new TtKeys(utf8(PASSWORD));
  return new FrameSecrets(keys.at(minute), known, makePureCipher);
}

/** A frame of its own with that text; `random` = R, or the seed of a generator. */
function sealed(by: FrameSecrets, text: Uint8Array, random: Uint8Array | number): Uint8Array {
  const sealer = new FrameSealer(by, new RandomBlock(seededRng(Number(random) || 0)));
  const bytes = new Uint8Array(MAX_FRAME_ROOM + text.length);
  const r = typeof random === "number" ? undefined : random;
  return bytes.subarray(0, sealer.seal(text, bytes, 0, r));
}

/** The text of one whole frame, and its R. */
function opened(by: FrameSecrets, frame: Uint8Array): { text: string; random: string } {
  const bytes = concat(Uint8Array.of(1, 2, 3), frame, Uint8Array.of(4, 5));
  const opener = new FrameOpener(by);
  const size = opener.sizeAt(bytes, 3, bytes.length);
  assert.equal(size, frame.length);
  const before = bytes.slice();
  const into = new Uint8Array(size).fill(0xee);
  const length = opener.open(bytes, 3, size, into);
  assert.deepEqual(bytes, before); // what came stays as it came
  assert.ok(into.subarray(length).every((byte) => byte === 0xee));
  const random = opener.randomAt(bytes, 3);
  assert.equal(length, textOf(size, random.length));
  return { text: toHex(into.subarray(0, length)), random: toHex(random) };
}

/** For texts that nobody looks at. */
const room = new Uint8Array(100);

const text = (...bytes: number[]) => Uint8Array.from(bytes);
const counting = (length: number) => Uint8Array.from({ length }, (_, i) => i);

for (const v of vectors.frames) {
  Deno.test(`known answers: frame ${v.name}, ${v.cipher}`, () => {
    using by = secrets(v.cipher);
    const frame = sealed(by, fromHex(v.text), fromHex(v.random));
    assert.equal(frame.length, v.size);
    assert.equal(toHex(frame.subarray(0, v.first.length / 2)), v.first);
    assert.equal(createHash("sha256").update(frame).digest("hex"), v.sha256);
    assert.deepEqual(opened(by, frame), { text: v.text, random: v.random });
  });
}

Deno.test("the known answers are of both ciphers, and frame C is longer than its first bytes", () => {
  assert.deepEqual(new Set(vectors.frames.map((v) => v.cipher)), new Set(CIPHER_NAMES));
  assert.ok(vectors.frames.some((v) => v.size > v.first.length / 2));
});

Deno.test("known answers: the worked example, part by part", () => {
  const { parts, total, mask_0, mask_1, frame } = vectors.worked_example;
  const b = vectors.frames.find((v) => v.name === frame && v.cipher === CHACHA)!;
  using by = secrets(CHACHA);
  assert.deepEqual([...by.mask.subarray(0, 2)], [...fromHex(mask_0), ...fromHex(mask_1)]);
  const bytes = sealed(by, fromHex(b.text), fromHex(b.random));
  assert.equal(bytes.length, total);
  for (const part of parts) {
    const size = part.bytes.length / 2;
    assert.equal(toHex(bytes.subarray(part.at, part.at + size)), part.bytes, part.what);
  }
});

Deno.test("a frame of generation G1 is refused at its second byte", () => {
  const g1 = fromHex(vectors.g1_frame.frame);
  assert.equal(g1.length, vectors.g1_frame.size);
  using by = secrets(CHACHA);
  assert.equal(new FrameOpener(by).sizeAt(g1, 0, 1), null);
  assert.throws(() => new FrameOpener(by).sizeAt(g1, 0, 2), protocol);
});

for (const name of CIPHER_NAMES) {
  const anyR = fc.uint8Array({ minLength: 12, maxLength: 255, size: "max" });
  const anyText = fc.uint8Array({ minLength: 1, maxLength: 600 });

  Deno.test(`frames are those of the twin, ${name}, with any R and text`, () => {
    fc.assert(fc.property(anyR, anyText, fc.nat(2 ** 26), (r, some, minute) => {
      using by = secrets(name, minute);
      const twin = twinSeal(twinKeys(name, PASSWORD, minute), r, some);
      assert.deepEqual(sealed(by, some, r), twin);
      assert.deepEqual(opened(by, twin), { text: toHex(some), random: toHex(r) });
    }));
  });
}

Deno.test("seal() draws 12 to 32 bytes, each number as often as the others, and none twice", () => {
  using by = secrets(CHACHA);
  const sealer = new FrameSealer(by, new RandomBlock(seededRng(5)));
  const opener = new FrameOpener(by);
  const times = new Map<number, number>();
  const nonces = new Set<string>();
  const bytes = new Uint8Array(FRAME_ROOM + 1);
  const RUNS = 4200;
  for (let i = 0; i < RUNS; i++) {
    const size = sealer.seal(text(7), bytes, 0);
    assert.equal(opener.open(bytes, 0, size, new Uint8Array(1)), 1);
    const random = opener.randomAt(bytes, 0);
    times.set(random.length, (times.get(random.length) ?? 0) + 1);
    nonces.add(toHex(random.subarray(0, 12)));
  }
  assert.equal(nonces.size, RUNS);
  const lengths = [...times.keys()].sort((a, b) => a - b);
  assert.deepEqual(lengths, Array.from({ length: 21 }, (_, i) => 12 + i));
  // 200 of each are expected, with a deviation of 14.
  for (const [length, n] of times) assert.ok(n > 130 && n < 270, `${n} times ${length}`);
});

Deno.test("seal() writes the frame and touches nothing else", () => {
  using by = secrets(CHACHA);
  const sealer = new FrameSealer(by, new RandomBlock(seededRng(1)));
  const buffer = new Uint8Array(300).fill(0xee);
  const given = counting(20);
  const end = sealer.seal(given, buffer, 150);
  assert.ok(end >= 150 + 31 + 20 && end <= 150 + FRAME_ROOM + 20);
  const around = concat(buffer.subarray(0, 150), buffer.subarray(end));
  assert.ok(around.every((byte) => byte === 0xee));
  assert.deepEqual(given, counting(20));
  assert.equal(opened(by, buffer.slice(150, end)).text, toHex(given));
});

Deno.test("what seal() is given as R is copied as it is", () => {
  using by = secrets(CHACHA);
  for (const size of [12, 13, 32, 33, 255]) {
    const r = counting(size);
    const frame = sealed(by, text(1), r);
    assert.equal(frame.length, 20 + size);
    assert.deepEqual(frame.slice(1, 1 + size), r);
    assert.deepEqual(r, counting(size));
  }
});

Deno.test("texts have 1 to 65535 bytes", () => {
  using by = secrets("aes-256-gcm");
  for (const size of [1, 255, 256, MAX_TEXT_OLD, MAX_TEXT, LONGEST_TEXT]) {
    const some = counting(size);
    assert.deepEqual(opened(by, sealed(by, some, size)).text, toHex(some));
  }
  const bytes = new Uint8Array(MAX_FRAME_ROOM + LONGEST_TEXT + 1).fill(0xee);
  const sealer = new FrameSealer(by, new RandomBlock(seededRng(1)));
  for (const size of [0, LONGEST_TEXT + 1]) {
    assert.throws(() => sealer.seal(new Uint8Array(size), bytes, 0), protocol);
  }
  assert.ok(bytes.every((byte) => byte === 0xee));
  assert.ok(FRAME_ROOM + MAX_TEXT_OLD <= MAX_FRAME_OLD);
  assert.equal(MAX_TEXT, 65519);
});

Deno.test("seal() refuses a place without room, and an R that is none, before it writes", () => {
  using by = secrets(CHACHA);
  const sealer = new FrameSealer(by, new RandomBlock(seededRng(1)));
  const bytes = new Uint8Array(400).fill(0xee);
  const r = (size: number) => new Uint8Array(size);
  assert.throws(() => sealer.seal(r(10), bytes, 371), internal); // less than 19 + 12
  assert.throws(() => sealer.seal(r(10), bytes, 340, r(32)), internal);
  assert.throws(() => sealer.seal(r(10), bytes, -1), internal);
  assert.throws(() => sealer.seal(r(10), bytes, 100, r(11)), internal);
  assert.throws(() => sealer.seal(r(10), bytes, 100, r(256)), internal);
  assert.throws(() => sealer.seal(r(10), bytes, 100, r(0)), internal);
  assert.throws(() => sealer.seal(r(10), bytes, 99.5), internal);
  assert.throws(() => sealer.seal(r(10), bytes, NaN), internal);
  assert.ok(bytes.every((byte) => byte === 0xee));
  assert.equal(sealer.seal(r(349), bytes, 0, r(32)), 400);
});

Deno.test("sizeAt() asks for more until the header is whole, and then knows the size", () => {
  using by = secrets(CHACHA);
  for (const size of [12, 32, 255]) {
    const frame = sealed(by, counting(700), counting(size));
    const opener = new FrameOpener(by);
    for (let end = 0; end <= frame.length; end++) {
      const known = opener.sizeAt(frame, 0, end);
      assert.equal(known, end < 3 + size ? null : frame.length, `${end} of ${frame.length} bytes`);
    }
  }
});

Deno.test("sizeAt() refuses R without room for a nonce, and an empty text", () => {
  using by = secrets(CHACHA);
  const [high, low] = [by.mask[0]!, by.mask[1]!];
  const header = (rs: number, l: number) => {
    const bytes = new Uint8Array(400);
    bytes.set([rs ^ high, 0, 1]);
    if (rs >= 12) bytes.set([(l >> 8) ^ high, (l & 255) ^ low], 1 + rs);
    return bytes;
  };
  for (let rs = 0; rs < 12; rs++) {
    assert.throws(() => new FrameOpener(by).sizeAt(header(rs, 5), 0, 2), protocol, `rs ${rs}`);
  }
  for (const rs of [12, 255]) {
    assert.equal(new FrameOpener(by).sizeAt(header(rs, 1), 0, 3 + rs), 20 + rs);
    assert.equal(new FrameOpener(by).sizeAt(header(rs, 65535), 0, 3 + rs), 65554 + rs);
    assert.equal(new FrameOpener(by).sizeAt(header(rs, 0), 0, 2 + rs), null);
    assert.throws(() => new FrameOpener(by).sizeAt(header(rs, 0), 0, 3 + rs), protocol);
  }
});

for (const cipher of CIPHER_NAMES) {
  Deno.test(`a frame without a text is the end, and only where one is asked for: ${cipher}`, () => {
    using by = secrets(cipher);
    const keys = twinKeys(cipher, PASSWORD, MINUTE);
    const sealer = new FrameSealer(by, new RandomBlock(seededRng(1)));
    const bytes = new Uint8Array(100).fill(0xee);
    const size = sealer.sealEnd(bytes, 10) - 10;
    assert.ok(size >= 31 && size <= FRAME_ROOM);
    assert.ok(bytes.subarray(10 + size).every((byte) => byte === 0xee));
    const frame = bytes.slice(10, 10 + size);
    assert.deepEqual(twinDecode(keys, frame, true), { text: text(), used: size });
    const opener = new FrameOpener(by);
    assert.equal(opener.sizeAt(frame, 0, size, 0), size);
    assert.equal(opener.open(frame, 0, size, room), 0);
    assert.throws(() => new FrameOpener(by).sizeAt(frame, 0, size), protocol);
    const other = frame.with(size - 1, frame[size - 1]! ^ 1);
    assert.throws(() => new FrameOpener(by).open(other, 0, size, room), protocol);
  });
}

Deno.test("after one frame that fails, an opener opens no other", () => {
  using by = secrets(CHACHA);
  const good = sealed(by, text(1, 2), 1);
  const bad = good.slice();
  bad[bad.length - 1]! ^= 1;
  for (const fail of ["tag", "header"]) {
    const opener = new FrameOpener(by);
    if (fail === "tag") assert.throws(() => opener.open(bad, 0, bad.length, room), protocol);
    else assert.throws(() => opener.sizeAt(fromHex(vectors.g1_frame.frame), 0, 30), protocol);
    assert.throws(() => opener.sizeAt(good, 0, good.length), protocol);
    assert.throws(() => opener.sizeAt(good, 0, 0), protocol);
    assert.throws(() => opener.open(good, 0, good.length, room), protocol);
  }
  assert.equal(opened(by, good).text, "0102");
});

Deno.test("all that fails says the same", () => {
  using by = secrets(CHACHA);
  const frame = sealed(by, text(1, 2), 1);
  const said = new Set<string>();
  const note = (act: () => void) => assert.throws(act, (error: Error) => !!said.add(error.message));
  note(() => new FrameOpener(by).open(frame.with(frame.length - 1, 9), 0, frame.length, room));
  note(() => new FrameOpener(by).sizeAt(fromHex(vectors.g1_frame.frame), 0, 30));
  assert.deepEqual([...said], ["Cannot open a frame: wrong key or cipher, or damaged bytes"]);
});

Deno.test("a size that is not the frame's is a bug of the caller", () => {
  using by = secrets(CHACHA);
  const frame = sealed(by, text(1, 2), 1);
  for (const size of [0, 1, frame.length - 1, frame.length + 1, -1, NaN]) {
    assert.throws(() => new FrameOpener(by).open(frame, 0, size, room), internal, `size ${size}`);
  }
});

Deno.test("a frame is for its key and its cipher alone", () => {
  using by = secrets(CHACHA);
  using keys = new TtKeys(utf8(PASSWORD));
  const frame = sealed(by, text(1, 2, 3), counting(20));
  const { mask } = keys.at(MINUTE); // with another's the frame would hardly have the same length
  const { aeadKey } = keys.at(MINUTE + 1);
  using otherKey = new FrameSecrets({ aeadKey, mask }, CHACHA, makePureCipher);
  using otherCipher = secrets("aes-256-gcm");
  for (const wrong of [otherKey, otherCipher]) {
    const opener = new FrameOpener(wrong);
    assert.equal(opener.sizeAt(frame, 0, frame.length), frame.length);
    assert.throws(() => opener.open(frame, 0, frame.length, room), protocol);
  }
});

Deno.test("the associated data is the key's first eight bytes", () => {
  const key = counting(32);
  const mask = new Uint8Array(32);
  const seen: (Uint8Array | null)[] = [];
  using by = new FrameSecrets({ aeadKey: key, mask }, CHACHA, (name, given) => {
    const inner = makePureCipher(name, given);
    return {
      tagSize: inner.tagSize,
      seal: (nonce, aad, ...rest) => {
        seen.push(aad);
        inner.seal(nonce, aad, ...rest);
      },
      open: (nonce, aad, ...rest) => {
        seen.push(aad);
        return inner.open(nonce, aad, ...rest);
      },
      [Symbol.dispose]: () => inner[Symbol.dispose](),
    };
  });
  opened(by, sealed(by, text(1), 1));
  assert.deepEqual(seen, [counting(8), counting(8)]);
});

Deno.test("secrets are copied, and overwritten in the end", () => {
  using keys = new TtKeys(utf8(PASSWORD));
  const { aeadKey, mask } = keys.at(MINUTE);
  const lent = { aeadKey: aeadKey.slice(), mask: mask.slice() };
  const by = new FrameSecrets(lent, CHACHA, makePureCipher);
  lent.aeadKey.fill(0);
  lent.mask.fill(0);
  const v = vectors.frames[0]!;
  assert.equal(opened(by, fromHex(v.first)).text, v.text);
  by[Symbol.dispose]();
  assert.ok([...by.aad, ...by.mask].every((byte) => byte === 0));
  assert.throws(() => sealed(by, text(1), 1), internal);
});
