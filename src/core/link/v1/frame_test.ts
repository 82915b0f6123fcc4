import assert from "node:assert/strict";
import fc from "fast-check";
import { twinOpen, twinSeal } from "../../../../tests/fake/v1_twin.ts";
import { concat, toHex } from "../../../base/bytes.ts";
import { BATCH_PACKETS, makePackets } from "../../../contract/batch.ts";
import { CIPHER_NAMES, type CipherName, TAG_SIZE } from "../../../contract/cipher.ts";
import { makePureCipher } from "../../cipher/pure_cipher.ts";
import {
  CLIENT_TO_SERVER,
  type Direction,
  FrameOpener,
  FrameSealer,
  HEADER,
  MAX_TEXT,
  SERVER_TO_CLIENT,
} from "./frame.ts";

const SK = Uint8Array.from({ length: 32 }, (_, i) => 5 * i + 1);
const NAME: CipherName = "chacha20-poly1305";
const LAST = (1n << 64n) - 1n;

function sealer(first = 0n, direction: Direction = CLIENT_TO_SERVER, name = NAME, key = SK) {
  return new FrameSealer(makePureCipher(name, key), direction, first);
}

function opener(first = 0n, direction: Direction = CLIENT_TO_SERVER, name = NAME, key = SK) {
  return new FrameOpener(makePureCipher(name, key), direction, first);
}

function sealed(by: FrameSealer, text: Uint8Array): Uint8Array {
  const frame = new Uint8Array(HEADER + text.length + TAG_SIZE);
  frame.set(text, HEADER);
  by.seal(frame, HEADER, text.length);
  return frame;
}

/** The texts of all frames that lie whole in `bytes`, and how many bytes were not used. */
function opened(by: FrameOpener, bytes: Uint8Array): { texts: string[]; left: number } {
  const buffer = bytes.slice();
  const into = makePackets(0);
  const texts: string[] = [];
  let at = 0;
  do {
    at = by.openAll(buffer, at, buffer.length, into);
    for (let i = 0; i < into.count; i++) {
      texts.push(toHex(into.bytes.subarray(into.offset[i]!, into.offset[i]! + into.length[i]!)));
    }
  } while (into.count > 0);
  return { texts, left: buffer.length - at };
}

const text = (...bytes: number[]) => Uint8Array.from(bytes);
const protocol = { name: "TtunError", kind: "protocol" };
const anyText = fc.uint8Array({ maxLength: 200 });
const anyCounter = fc.bigInt({ min: 0n, max: LAST });

for (const name of CIPHER_NAMES) {
  Deno.test(`frames are those of the specification, ${name}: sealed here, opened by the twin`, () => {
    fc.assert(
      fc.property(anyText, anyCounter, fc.constantFrom(0, 1), (some, counter, direction) => {
        const frame = sealed(sealer(counter, direction as Direction, name), some);
        const twin = { cipher: name, sk: SK, direction: direction as Direction, counter };
        assert.deepEqual(twinOpen(twin, frame), some);
        assert.deepEqual(frame, twinSeal(twin, some));
      }),
    );
  });

  Deno.test(`frames of the twin are opened here, ${name}, one counter after the other`, () => {
    const counter = fc.oneof(anyCounter, fc.constantFrom(0n, 0xffff_fffen, (1n << 32n) - 3n));
    fc.assert(fc.property(fc.array(anyText, { maxLength: 6 }), counter, (texts, first) => {
      fc.pre(first + BigInt(texts.length) <= LAST);
      const frames = texts.map((some, i) =>
        twinSeal({ cipher: name, sk: SK, direction: 1, counter: first + BigInt(i) }, some)
      );
      const found = opened(opener(first, SERVER_TO_CLIENT, name), concat(...frames));
      assert.deepEqual(found, { texts: texts.map(toHex), left: 0 });
    }));
  });
}

Deno.test("seal() writes the frame around the text and touches nothing else", () => {
  const buffer = new Uint8Array(100).fill(0xee);
  sealer().seal(buffer, 30, 20);
  assert.deepEqual([...buffer.subarray(28, 30)], [0, 36]);
  const around = concat(buffer.subarray(0, 28), buffer.subarray(30 + 20 + TAG_SIZE));
  assert.ok(around.every((byte) => byte === 0xee));
});

Deno.test("an empty frame is a frame", () => {
  const frame = sealed(sealer(), text());
  assert.equal(frame.length, HEADER + TAG_SIZE);
  assert.deepEqual(opened(opener(), frame), { texts: [""], left: 0 });
});

Deno.test("the largest frame holds 65519 bytes", () => {
  assert.equal(MAX_TEXT, 65519);
  const some = Uint8Array.from({ length: MAX_TEXT }, (_, i) => i % 251);
  const frame = sealed(sealer(), some);
  assert.deepEqual([...frame.subarray(0, HEADER)], [0xff, 0xff]);
  assert.deepEqual(opened(opener(), frame), { texts: [toHex(some)], left: 0 });
});

Deno.test("seal() refuses a text of 65520 bytes, and neither writes nor counts", () => {
  const by = sealer();
  const buffer = new Uint8Array(HEADER + MAX_TEXT + 1 + TAG_SIZE).fill(0xee);
  assert.throws(() => by.seal(buffer, HEADER, MAX_TEXT + 1), protocol);
  assert.ok(buffer.every((byte) => byte === 0xee));
  assert.deepEqual(sealed(by, text(1)), sealed(sealer(), text(1)));
});

for (let n = 0; n < 16; n++) {
  Deno.test(`a frame length of ${n} is refused as soon as it is read`, () => {
    assert.throws(() => opened(opener(), text(0, n)), protocol);
    assert.throws(() => opened(opener(), concat(text(0, n), new Uint8Array(100))), protocol);
  });
}

Deno.test("a part of a frame is left alone until the rest is there", () => {
  const frame = sealed(sealer(), text(1, 2, 3));
  const by = opener();
  for (let size = 0; size < frame.length; size++) {
    const part = frame.slice(0, size);
    const into = makePackets(0);
    assert.equal(by.openAll(part, 0, size, into), 0, `${size} bytes`);
    assert.equal(into.count, 0);
    assert.deepEqual(part, frame.subarray(0, size));
  }
  assert.deepEqual(opened(by, frame), { texts: ["010203"], left: 0 });
});

Deno.test("openAll() says where the texts are, in the buffer that it was given", () => {
  const [by, buffer] = [sealer(), new Uint8Array(100)];
  const frames = concat(sealed(by, text(7)), sealed(by, text(8, 9)));
  buffer.set(frames, 11);
  const into = makePackets(0);
  const end = opener().openAll(buffer, 11, 11 + frames.length, into);
  assert.equal(end, 11 + frames.length);
  assert.equal(into.bytes, buffer);
  assert.deepEqual([into.count, into.offset[0], into.length[0]], [2, 13, 1]);
  assert.deepEqual([into.offset[1], into.length[1]], [11 + 19 + 2, 2]);
});

Deno.test("openAll() looks at nothing from `end` on", () => {
  const frame = sealed(sealer(), text(1));
  const into = makePackets(0);
  assert.equal(opener().openAll(frame, 0, frame.length - 1, into), 0);
  assert.equal(into.count, 0);
});

Deno.test("more frames than a batch holds are opened by several calls, none lost", () => {
  const by = sealer();
  const texts = Array.from({ length: 2 * BATCH_PACKETS + 3 }, (_, i) => text(i & 0xff, i >> 8));
  const all = concat(...texts.map((some) => sealed(by, some)));
  const into = makePackets(0);
  const open = opener();
  const counts: number[] = [];
  const found: string[] = [];
  for (let at = 0; at < all.length;) {
    at = open.openAll(all, at, all.length, into);
    counts.push(into.count);
    for (let i = 0; i < into.count; i++) {
      found.push(toHex(all.subarray(into.offset[i]!, into.offset[i]! + into.length[i]!)));
    }
  }
  assert.deepEqual(counts, [BATCH_PACKETS, BATCH_PACKETS, 3]);
  assert.deepEqual(found, texts.map(toHex));
});

for (const name of CIPHER_NAMES) {
  Deno.test(`a frame with any one bit flipped gives no text, ${name}`, () => {
    const frame = sealed(sealer(0n, CLIENT_TO_SERVER, name), text(1, 2, 3, 4, 5));
    for (let bit = 0; bit < 8 * frame.length; bit++) {
      const damaged = frame.slice();
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      const by = opener(0n, CLIENT_TO_SERVER, name);
      const longer = (damaged[0]! << 8 | damaged[1]!) > frame.length - HEADER;
      // A length that grew makes it wait for bytes that can only make the tag wrong.
      const waits = () => opened(by, damaged).texts.length === 0;
      if (longer) {
        assert.ok(waits(), `bit ${bit}`);
        const more = concat(damaged, new Uint8Array(65_600));
        assert.throws(() => opened(opener(0n, CLIENT_TO_SERVER, name), more), protocol);
      } else assert.throws(waits, protocol, `bit ${bit}`);
    }
    assert.equal(opened(opener(0n, CLIENT_TO_SERVER, name), frame).texts.length, 1);
  });
}

Deno.test("frames out of order, again, missing, of the other direction or session are refused", () => {
  const by = sealer();
  const [first, second] = [sealed(by, text(1)), sealed(by, text(2))];
  const fine = opener();
  assert.deepEqual(opened(fine, concat(first, second)).texts, ["01", "02"]);
  assert.throws(() => opened(fine, second), protocol, "replayed at once");
  assert.throws(() => opened(opener(), concat(first, first)), protocol, "replayed");
  assert.throws(() => opened(opener(), second), protocol, "the first one missing");
  assert.throws(() => opened(opener(), concat(second, first)), protocol, "swapped");
  assert.throws(() => opened(opener(0n, SERVER_TO_CLIENT), first), protocol, "reflected");
  const otherKey = SK.slice();
  otherKey[31]! ^= 1;
  const other = sealer(0n, CLIENT_TO_SERVER, NAME, otherKey);
  sealed(other, text(1));
  const spliced = sealed(other, text(2)); // the right counter, of another session
  assert.throws(() => opened(opener(), concat(first, spliced)), protocol, "spliced");
});

Deno.test("a frame made shorter or longer is refused, with its length mended or not", () => {
  const frame = sealed(sealer(), text(1, 2, 3, 4));
  const mended = (bytes: Uint8Array) => {
    bytes[1] = bytes.length - HEADER;
    return bytes;
  };
  const shorter = mended(frame.slice(0, -1));
  const withoutFirst = mended(concat(frame.subarray(0, 2), frame.subarray(3)));
  const longer = mended(concat(frame, text(0)));
  for (const changed of [shorter, withoutFirst, longer]) {
    assert.throws(() => opened(opener(), changed), protocol);
  }
});

Deno.test("the last counter is used, and never one again: sealing ends there", () => {
  const by = sealer(LAST - 1n);
  const twin = { cipher: NAME, sk: SK, direction: 0 } as const;
  assert.deepEqual(sealed(by, text(1)), twinSeal({ ...twin, counter: LAST - 1n }, text(1)));
  assert.deepEqual(sealed(by, text(2)), twinSeal({ ...twin, counter: LAST }, text(2)));
  for (let i = 0; i < 3; i++) assert.throws(() => sealed(by, text(3)), protocol);
});

Deno.test("the last counter is used, and never one again: opening ends there", () => {
  const by = sealer(LAST);
  const last = sealed(by, text(1));
  const open = opener(LAST);
  assert.deepEqual(opened(open, last).texts, ["01"]);
  assert.throws(() => opened(open, sealed(sealer(0n), text(2))), /counter is used up/);
  assert.throws(() => opened(open, last), protocol);
});

Deno.test("the counter goes over 32 bits without a repeat", () => {
  const first = (1n << 32n) - 2n;
  const by = sealer(first);
  for (let i = 0n; i < 5n; i++) {
    const counter: bigint = first + i;
    const twin = twinSeal({ cipher: NAME, sk: SK, direction: 0, counter }, text(9));
    assert.deepEqual(sealed(by, text(9)), twin, `counter ${counter}`);
  }
  assert.notDeepEqual(sealed(sealer(1n << 32n), text(9)), sealed(sealer(0n), text(9)));
});
