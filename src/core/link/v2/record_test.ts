import { chacha20 } from "@noble/ciphers/chacha.js";
import assert from "node:assert/strict";
import fc from "fast-check";
import { flips, lengthOf, recordsIn } from "../../../../tests/fake/link_session.ts";
import { seededRng } from "../../../../tests/fake/rng.ts";
import { concat, readU16, toHex } from "../../../base/bytes.ts";
import { CIPHER_NAMES, type CipherFactory, type CipherName } from "../../../contract/cipher.ts";
import { makePureCipher } from "../../cipher/pure_cipher.ts";
import { sealText } from "./key_schedule.ts";
import {
  MAX_RECORD_BODY,
  MAX_RECORD_TEXT,
  RECORD_HEADER,
  RECORD_TAG,
  RecordOpener,
  RecordSealer,
} from "./record.ts";
import { derive } from "./secrets.ts";

fc.configureGlobal({ seed: 2 });

const SECRET = seededRng(1)(32);
const protocol = { name: "TtunError", kind: "protocol" };
const LAST = 2 ** 32 - 1;

function pair(o: { name?: CipherName; counter?: number; secret?: Uint8Array } = {}) {
  const { name = "chacha20-poly1305", counter = 0, secret = SECRET } = o;
  return {
    sealer: new RecordSealer(secret, name, makePureCipher, counter),
    opener: new RecordOpener(secret, name, makePureCipher, counter),
  };
}

const text = (i: number) => new Uint8Array([i >>> 8, i]);

for (const name of CIPHER_NAMES) {
  Deno.test(`records of any length come out as they went in, ${name}`, () => {
    const { sealer, opener } = pair({ name });
    const rng = seededRng(9);
    for (const n of [17, 18, 255, 256, 4096, 4097, MAX_RECORD_BODY]) {
      const one = rng(n - RECORD_TAG);
      const record = sealText(sealer, one);
      assert.equal(record.length, RECORD_HEADER + n);
      assert.deepEqual(recordsIn(opener, record), [toHex(one)]);
    }
  });

  Deno.test(`every bit of a record and of a later one counts, ${name}`, () => {
    for (const counter of [0, 1, 513]) {
      const { sealer, opener } = pair({ name, counter });
      const record = sealText(sealer, text(7));
      // Behind it lies enough for the longest record that a flipped length could say.
      const behind = new Uint8Array(MAX_RECORD_BODY);
      for (const { bytes, bit } of flips(record)) {
        const { opener: fresh } = pair({ name, counter });
        assert.throws(() => recordsIn(fresh, concat(bytes, behind)), protocol, `bit ${bit}`);
      }
      assert.deepEqual(recordsIn(opener, record), [toHex(text(7))]);
    }
  });
}

Deno.test("a record of no byte, or of one too many, is not sealed and uses up no counter", () => {
  const { sealer, opener } = pair();
  assert.throws(() => sealText(sealer, new Uint8Array()), protocol);
  for (const more of [1, 16, 17, 100_000]) {
    assert.throws(() => sealText(sealer, new Uint8Array(MAX_RECORD_TEXT + more)), protocol);
  }
  assert.equal(sealer.counter, 0);
  assert.deepEqual(recordsIn(opener, sealText(sealer, text(1))), [toHex(text(1))]);
});

Deno.test("n is 17 to 65535, or to what the caller allows at most", () => {
  const sizeOf = (n: number, most?: number) => {
    const header = lengthOf(SECRET, n);
    return pair().opener.sizeAt(header, 0, RECORD_HEADER, most);
  };
  for (const n of [0, 1, 15, 16]) assert.throws(() => sizeOf(n), protocol, `${n}`);
  for (const n of [17, 4096, 4097, 65_535]) assert.equal(sizeOf(n), n + RECORD_HEADER);
  assert.equal(sizeOf(4096, 4096), 4098);
  for (const n of [4097, 65_535]) assert.throws(() => sizeOf(n, 4096), protocol, `${n}`);
});

Deno.test("the length of a record is not known before its two bytes are there", () => {
  const { sealer, opener } = pair();
  const record = sealText(sealer, text(1));
  assert.equal(opener.sizeAt(record, 0, 0), null);
  assert.equal(opener.sizeAt(record, 0, 1), null);
  for (let i = 0; i < 3; i++) assert.equal(opener.sizeAt(record, 0, 2), record.length);
  assert.deepEqual(recordsIn(opener, record), [toHex(text(1))]);
});

Deno.test("masks follow the counter across the borders of their batches, however often asked for", () => {
  const { sealer, opener } = pair();
  const stream = chacha20(derive(SECRET, "mask"), new Uint8Array(12), new Uint8Array(2 * 1100));
  for (let i = 0; i < 1100; i++) {
    const record = sealText(sealer, text(i));
    assert.equal(readU16(record, 0) ^ 18, readU16(stream, 2 * i), `mask ${i}`);
    assert.equal(opener.sizeAt(record, 0, 2), 20);
    assert.deepEqual(recordsIn(opener, record), [toHex(text(i))]);
  }
  for (const at of [1, 31, 32, 511, 512, 513, 1023, 1024]) {
    const { sealer: later } = pair({ counter: at });
    const record = sealText(later, text(at));
    assert.equal(readU16(record, 0) ^ 18, readU16(stream, 2 * at), `mask ${at}`);
  }
});

Deno.test("the counter ends at 2^32, and a rekey begins anew", () => {
  const { sealer, opener } = pair({ counter: LAST });
  const stream = chacha20(
    derive(SECRET, "mask"),
    new Uint8Array(12),
    new Uint8Array(64),
    undefined,
    2 ** 27 - 1, // of the last block of masks
  );
  const last = sealText(sealer, text(1));
  assert.equal(readU16(last, 0) ^ 18, readU16(stream, 62));
  assert.deepEqual(recordsIn(opener, last), [toHex(text(1))]);
  assert.equal(sealer.counter, 2 ** 32);
  for (let i = 0; i < 2; i++) {
    assert.throws(() => sealText(sealer, text(2)), { ...protocol, message: /counter/ });
    assert.throws(() => opener.open(new Uint8Array(20), 0, 20), {
      ...protocol,
      message: /counter/,
    });
  }
  sealer.rekey();
  opener.rekey();
  assert.equal(sealer.counter, 0);
  assert.deepEqual(recordsIn(opener, sealText(sealer, text(3))), [toHex(text(3))]);
});

Deno.test("no nonce is used twice, and it is four zeros and the counter", () => {
  const nonces: string[] = [];
  const watching: CipherFactory = (name, key) => {
    const inner = makePureCipher(name, key);
    return {
      tagSize: inner.tagSize,
      seal: (nonce, ...rest) => {
        nonces.push(toHex(nonce));
        inner.seal(nonce, ...rest);
      },
      open: (...args) => inner.open(...args),
      [Symbol.dispose]: () => inner[Symbol.dispose](),
    };
  };
  const sealer = new RecordSealer(SECRET, "aes-256-gcm", watching, 255);
  for (let i = 0; i < 2; i++) sealText(sealer, text(i));
  assert.throws(() => sealer.seal(new Uint8Array(4), 2, 2), "no room for the tag");
  sealText(sealer, text(3));
  assert.deepEqual(
    nonces,
    ["ff", "0100", "0101", "0102"].map((counter) => counter.padStart(24, "0")),
  );
  using last = new RecordSealer(SECRET, "aes-256-gcm", watching, LAST);
  sealText(last, text(0));
  assert.equal(nonces.at(-1), "0000000000000000ffffffff");
});

Deno.test("a record out of its place is refused, and none is opened after it", () => {
  const { sealer } = pair();
  const records = Array.from({ length: 5 }, (_, i) => sealText(sealer, text(i)));
  const orders: Record<string, number[]> = {
    replayed: [0, 0],
    "replayed later": [0, 1, 2, 0],
    "in another order": [1, 0],
    "one left out": [0, 2],
  };
  for (const [name, order] of Object.entries(orders)) {
    const { opener } = pair();
    // A wrong mask makes a wrong length: there shall be bytes enough for it.
    const bytes = concat(...order.map((i) => records[i]!), new Uint8Array(70_000));
    assert.throws(() => recordsIn(opener, bytes), protocol, name);
    const right = records[opener.counter]!;
    assert.throws(() => recordsIn(opener, right), protocol, `${name}, then a right one`);
    assert.throws(() => opener.open(records[0]!.slice(), 0, 20), protocol);
  }
});

Deno.test("whatever an opener was given, one record cut off at the front stays a refusal", () => {
  const { sealer, opener } = pair();
  const first = sealText(sealer, text(0));
  const second = sealText(sealer, text(1));
  const damaged = first.slice();
  damaged[damaged.length - 1]! ^= 1;
  assert.throws(() => recordsIn(opener, damaged), protocol);
  for (const record of [second, first]) assert.throws(() => recordsIn(opener, record), protocol);
  assert.equal(opener.counter, 1, "the second one's place has come");
  assert.throws(() => opener.open(second.slice(), 0, second.length), protocol);
});

Deno.test("a record of another direction, generation, cipher or session is refused", () => {
  const record = sealText(pair().sealer, text(1));
  const rekeyed = pair().opener;
  rekeyed.rekey();
  const others = {
    generation: rekeyed,
    cipher: pair({ name: "aes-256-gcm" }).opener,
    session: pair({ secret: seededRng(2)(32) }).opener,
  };
  for (const [name, opener] of Object.entries(others)) {
    const bytes = concat(record, new Uint8Array(70_000));
    assert.throws(() => recordsIn(opener, bytes), protocol, name);
  }
  const { sealer: next, opener } = pair();
  next.rekey();
  const early = concat(sealText(next, text(1)), new Uint8Array(70_000));
  assert.throws(() => recordsIn(opener, early), protocol, "of the generation to come");
});

Deno.test("both ends agree through any mixture of records and rekeys, each direction by itself", () => {
  const step = fc.record({ way: fc.boolean(), size: fc.nat(40) }); // size 0 = rekey
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const ways = [pair(), pair({ secret: seededRng(2)(32), name: "aes-256-gcm" })];
    for (const { way, size } of steps) {
      const { sealer, opener } = ways[Number(way)]!;
      if (size === 0) {
        sealer.rekey();
        opener.rekey();
      } else {
        const one = seededRng(size)(size);
        assert.deepEqual(recordsIn(opener, sealText(sealer, one)), [toHex(one)]);
      }
      assert.equal(sealer.counter, opener.counter);
    }
  }));
});

Deno.test("a hundred rekeys, one after every record, never use a key twice", () => {
  const keys = new Set<string>();
  const watching: CipherFactory = (name, key) => {
    keys.add(toHex(key));
    return makePureCipher(name, key);
  };
  const sealer = new RecordSealer(SECRET, "chacha20-poly1305", watching);
  const { opener } = pair();
  for (let i = 0; i < 100; i++) {
    assert.deepEqual(recordsIn(opener, sealText(sealer, text(i))), [toHex(text(i))]);
    sealer.rekey();
    opener.rekey();
  }
  assert.equal(keys.size, 101);
});
