/**
 * Tests of the `Cipher` contract that every implementation runs. Longer than other files
 * because contract, test data and the checks of one are read together.
 */
import { deepStrictEqual, notDeepStrictEqual, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { fromHex, toHex } from "../../src/base/bytes.ts";
import { TtunError } from "../../src/base/errors.ts";
import {
  type Cipher,
  CIPHER_NAMES,
  type CipherFactory,
  type CipherName,
  KEY_SIZE,
  NONCE_SIZE,
  TAG_SIZE,
} from "../../src/contract/cipher.ts";
import { findDisagreement } from "../../src/core/cipher/self_check.ts";
import aead from "../vector/aead.json" with { type: "json" };

/** Opens an implementation; each test opens its own and closes it. */
export type OpenCiphers = () => { makeCipher: CipherFactory } & Disposable;

/** How a test is defined: `test` of tests/check.ts where descriptors can be compared. */
export type Define = (name: string, fn: () => void) => void;

/** For an implementation that has nothing to open. */
export function always(makeCipher: CipherFactory): OpenCiphers {
  return () => ({ makeCipher, [Symbol.dispose]: () => {} });
}

/** Tests an implementation of the `Cipher` contract. */
export function cipherSuite(label: string, open: OpenCiphers, define: Define = Deno.test): void {
  const test = (title: string, run: (makeCipher: CipherFactory) => void) =>
    define(`${label} cipher: ${title}`, () => {
      using opened = open();
      run(opened.makeCipher);
    });
  const testEach = (title: string, run: (makeCipher: CipherFactory, name: CipherName) => void) => {
    for (const name of CIPHER_NAMES) {
      test(`${name} ${title}`, (makeCipher) => run(makeCipher, name));
    }
  };

  test("gives the known answers in both directions", sealsAndOpensVectors);
  test("refuses what was modified", refusesModifiedVectors);
  test("passes the self-test", (makeCipher) => strictEqual(findDisagreement(makeCipher), null));
  testEach("touches the text and the tag alone, at every size", keepsToItsSpans);
  testEach("goes from one buffer to another, and leaves the first as it is", goesElsewhere);
  testEach("refuses every single flipped bit", refusesFlippedBits);
  testEach("refuses a record of another key", refusesOtherKey);
  testEach("works on after a record that it refused", worksAfterRefusal);
  testEach("can be interleaved with others of its kind", canBeInterleaved);
  testEach("takes no associated data and empty associated data for the same", treatsEmptyAsNull);
  testEach("keeps a copy of the key", copiesKey);
  testEach("is of no use after dispose, which may come twice", endsWithDispose);
  testEach("takes no text, tag or nonce that does not fit", checksArguments);
}

/** Two implementations are one function: equal bytes from equal inputs, each opens the other's. */
export function agreementSuite(
  label: string,
  openOne: OpenCiphers,
  openOther: OpenCiphers,
  define: Define = Deno.test,
): void {
  for (const name of CIPHER_NAMES) {
    define(`${label} agree on ${name} with random inputs`, () => {
      using one = openOne();
      using other = openOther();
      fc.assert(fc.property(randomRecord, (record) => {
        const sealed = sealWith(one.makeCipher, name, record);
        deepStrictEqual(toHex(sealed), toHex(sealWith(other.makeCipher, name, record)));
        strictEqual(openWith(one.makeCipher, name, record, sealed), toHex(record.text));
        strictEqual(openWith(other.makeCipher, name, record, sealed), toHex(record.text));
        sealed[record.damage % sealed.length]! ^= 1 << (record.damage & 7);
        strictEqual(openWith(one.makeCipher, name, record, sealed), null);
        strictEqual(openWith(other.makeCipher, name, record, sealed), null);
      }));
    });
    define(`${label} agree on ${name} at many sizes`, () => {
      using one = openOne();
      using other = openOther();
      for (const size of SIZES) {
        const record = { ...sampleRecord(size), damage: 0 };
        const sealed = sealWith(one.makeCipher, name, record);
        deepStrictEqual(sealed, sealWith(other.makeCipher, name, record), `${size} bytes`);
        strictEqual(openWith(other.makeCipher, name, record, sealed), toHex(record.text));
      }
    });
  }
}

interface RecordInput {
  key: Uint8Array;
  nonce: Uint8Array;
  aad: Uint8Array | null;
  text: Uint8Array;
}

const bytes = (minLength: number, maxLength = minLength) =>
  fc.uint8Array({ minLength, maxLength, size: "max" });

const randomRecord = fc.record({
  key: bytes(KEY_SIZE),
  nonce: bytes(NONCE_SIZE),
  aad: fc.option(bytes(0, 80)),
  text: fc.oneof(bytes(0, 80), bytes(0, 1500)),
  damage: fc.nat(),
});

/** Every remainder of the blocks (16, 64), a packet's size, and the largest of each version. */
const SIZES = [...Array.from({ length: 71 }, (_, size) => size), 1279, 1280, 1281, 16384, 65519];

function sampleRecord(size: number): RecordInput {
  return {
    key: sample(KEY_SIZE, 1),
    nonce: sample(NONCE_SIZE, size),
    aad: size % 2 === 0 ? null : sample(size % 40, 3),
    text: sample(size, 4),
  };
}

/** Bytes that are the same on every run and differ by `seed`. */
function sample(size: number, seed: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => (i * 167 + (i >> 8) * 29 + seed * 73) & 0xff);
}

/** The sealed text and then the tag. */
function sealWith(makeCipher: CipherFactory, name: CipherName, r: RecordInput): Uint8Array {
  using cipher = makeCipher(name, r.key);
  return sealed(cipher, r);
}

function sealed(cipher: Cipher, r: Omit<RecordInput, "key">): Uint8Array {
  const record = new Uint8Array(r.text.length + TAG_SIZE);
  record.set(r.text);
  cipher.seal(r.nonce, r.aad, record, 0, r.text.length, r.text.length);
  return record;
}

/** The text in hex, or null when it is refused. `record` is left alone. */
function openWith(
  makeCipher: CipherFactory,
  name: CipherName,
  r: Omit<RecordInput, "text">,
  record: Uint8Array,
): string | null {
  using cipher = makeCipher(name, r.key);
  return opened(cipher, r, record);
}

function opened(
  cipher: Cipher,
  r: Omit<RecordInput, "text" | "key">,
  record: Uint8Array,
): string | null {
  const copy = record.slice();
  const end = copy.length - TAG_SIZE;
  return cipher.open(r.nonce, r.aad, copy, 0, end, end) ? toHex(copy.subarray(0, end)) : null;
}

interface Vector extends RecordInput {
  name: string;
  cipher: CipherName;
  valid: boolean;
  sealed: Uint8Array;
  tag: Uint8Array;
}

const VECTORS: readonly Vector[] = aead.vectors.map((v) => ({
  name: `${v.cipher}, ${v.name}`,
  cipher: cipherName(v.cipher),
  valid: v.valid,
  key: fromHex(v.key),
  nonce: fromHex(v.nonce),
  aad: fromHex(v.aad),
  text: fromHex(v.text),
  sealed: fromHex(v.sealed),
  tag: fromHex(v.tag),
}));

function cipherName(text: string): CipherName {
  const name = CIPHER_NAMES.find((known) => known === text);
  if (name === undefined) throw new Error(`aead.json names an unknown cipher ${text}`);
  return name;
}

const MARGIN = 5; // odd, so that neither text nor tag is aligned
const UNTOUCHED = 0xa5;

/** Text and tag somewhere in a view that itself begins inside of a larger buffer. */
class Place {
  readonly whole: Uint8Array;
  readonly buf: Uint8Array;
  readonly start: number;
  readonly end: number;
  readonly tagAt: number;

  constructor(size: number, tagFirst: boolean) {
    this.whole = new Uint8Array(size + TAG_SIZE + 5 * MARGIN).fill(UNTOUCHED);
    this.buf = this.whole.subarray(MARGIN, this.whole.length - MARGIN);
    this.start = tagFirst ? TAG_SIZE + 2 * MARGIN : MARGIN;
    this.end = this.start + size;
    this.tagAt = tagFirst ? MARGIN : this.end + MARGIN;
  }

  set(text: Uint8Array, tag?: Uint8Array): void {
    this.buf.set(text, this.start);
    if (tag !== undefined) this.buf.set(tag, this.tagAt);
  }

  get text(): Uint8Array {
    return this.buf.subarray(this.start, this.end);
  }

  get tag(): Uint8Array {
    return this.buf.subarray(this.tagAt, this.tagAt + TAG_SIZE);
  }

  seal(cipher: Cipher, r: Omit<RecordInput, "key" | "text">): void {
    cipher.seal(r.nonce, r.aad, this.buf, this.start, this.end, this.tagAt);
  }

  open(cipher: Cipher, r: Omit<RecordInput, "key" | "text">): boolean {
    return cipher.open(r.nonce, r.aad, this.buf, this.start, this.end, this.tagAt);
  }

  /** All bytes that are neither text nor tag still are what they were. */
  assertSurroundings(message: string): void {
    const rest = this.whole.slice();
    rest.fill(UNTOUCHED, MARGIN + this.start, MARGIN + this.end);
    rest.fill(UNTOUCHED, MARGIN + this.tagAt, MARGIN + this.tagAt + TAG_SIZE);
    strictEqual(rest.every((byte) => byte === UNTOUCHED), true, `${message}: bytes around`);
  }
}

function sealsAndOpensVectors(makeCipher: CipherFactory): void {
  for (const vector of VECTORS.filter((v) => v.valid)) {
    for (const tagFirst of [false, true]) {
      using cipher = makeCipher(vector.cipher, vector.key);
      const place = new Place(vector.text.length, tagFirst);
      place.set(vector.text);
      place.seal(cipher, vector);
      strictEqual(toHex(place.text), toHex(vector.sealed), vector.name);
      strictEqual(toHex(place.tag), toHex(vector.tag), vector.name);
      strictEqual(place.open(cipher, vector), true, vector.name);
      strictEqual(toHex(place.text), toHex(vector.text), vector.name);
      place.assertSurroundings(vector.name);
    }
  }
}

function refusesModifiedVectors(makeCipher: CipherFactory): void {
  for (const vector of VECTORS.filter((v) => !v.valid)) {
    for (const tagFirst of [false, true]) {
      using cipher = makeCipher(vector.cipher, vector.key);
      const place = new Place(vector.sealed.length, tagFirst);
      place.set(vector.sealed, vector.tag);
      strictEqual(place.open(cipher, vector), false, vector.name);
      place.assertSurroundings(vector.name);
    }
  }
}

function keepsToItsSpans(makeCipher: CipherFactory, name: CipherName): void {
  using cipher = makeCipher(name, sample(KEY_SIZE, 1));
  for (const size of SIZES) {
    for (const tagFirst of [false, true]) {
      const record = sampleRecord(size);
      const place = new Place(size, tagFirst);
      place.set(record.text);
      place.seal(cipher, record);
      if (size > 8) notDeepStrictEqual(place.text, record.text, `${size} bytes sealed`);
      place.assertSurroundings(`${size} bytes sealed`);
      strictEqual(place.open(cipher, record), true, `${size} bytes opened`);
      deepStrictEqual(place.text, record.text, `${size} bytes opened`);
      place.assertSurroundings(`${size} bytes opened`);
    }
  }
}

/** From one buffer to another it must be what it is in place. */
function goesElsewhere(makeCipher: CipherFactory, name: CipherName): void {
  using cipher = makeCipher(name, sample(KEY_SIZE, 1));
  const nonce = sample(NONCE_SIZE, 2);
  const aad = sample(8, 3);
  for (const size of [0, 1, 15, 16, 17, 100, 5000]) {
    const text = Uint8Array.from({ length: size }, (_, i) => i * 7);
    const inPlace = new Uint8Array(size + 40).fill(0xee);
    inPlace.set(text, 20);
    cipher.seal(nonce, aad, inPlace, 20, 20 + size, 3);
    const sealed = new Uint8Array(size + 40).fill(0xee);
    const lent = text.slice();
    cipher.seal(nonce, aad, sealed, 20, 20 + size, 3, lent);
    deepStrictEqual([toHex(sealed), toHex(lent)], [toHex(inPlace), toHex(text)], `${size} bytes`);
    for (const room of [0, 5]) {
      const into = new Uint8Array(size + room);
      strictEqual(cipher.open(nonce, aad, sealed, 20, 20 + size, 3, into), true);
      const opened = [toHex(sealed), toHex(into)];
      deepStrictEqual(opened, [toHex(inPlace), toHex(text) + "00".repeat(room)], `${size} bytes`);
    }
    const into = new Uint8Array(size);
    sealed[3]! ^= 1;
    strictEqual(cipher.open(nonce, aad, sealed, 20, 20 + size, 3, into), false);
    const other = new Uint8Array(size + 1);
    throws(() => cipher.seal(nonce, aad, sealed, 20, 20 + size, 3, other), TtunError);
    const less = new Uint8Array(Math.max(0, size - 1));
    if (size > 0) {
      throws(() => cipher.open(nonce, aad, sealed, 20, 20 + size, 3, less), TtunError);
    }
  }
}

function refusesFlippedBits(makeCipher: CipherFactory, name: CipherName): void {
  using cipher = makeCipher(name, sample(KEY_SIZE, 1));
  const nonce = sample(NONCE_SIZE, 2);
  const aad = sample(13, 3);
  const record = sealed(cipher, { nonce, aad, text: sample(21, 4) });
  const stillOpens = () => opened(cipher, { nonce, aad }, record) !== null;
  for (const [what, part] of Object.entries({ nonce, aad, record })) {
    for (let bit = 0; bit < 8 * part.length; bit++) {
      part[bit >> 3]! ^= 1 << (bit & 7);
      strictEqual(stillOpens(), false, `bit ${bit} of ${what}`);
      part[bit >> 3]! ^= 1 << (bit & 7);
    }
  }
  strictEqual(stillOpens(), true);
}

function refusesOtherKey(makeCipher: CipherFactory, name: CipherName): void {
  const record = sampleRecord(100);
  const sealedRecord = sealWith(makeCipher, name, record);
  const key = record.key.slice();
  key[KEY_SIZE - 1]! ^= 0x80;
  strictEqual(openWith(makeCipher, name, { ...record, key }, sealedRecord), null);
  const otherName = CIPHER_NAMES.find((other) => other !== name)!;
  strictEqual(openWith(makeCipher, otherName, record, sealedRecord), null);
}

function worksAfterRefusal(makeCipher: CipherFactory, name: CipherName): void {
  const record = sampleRecord(65);
  using cipher = makeCipher(name, record.key);
  const right = sealed(cipher, record);
  const wrong = right.slice();
  wrong[0]! ^= 1;
  for (let round = 0; round < 40; round++) {
    strictEqual(opened(cipher, record, wrong), null);
    strictEqual(opened(cipher, record, right), toHex(record.text));
    deepStrictEqual(sealed(cipher, record), right);
  }
}

function canBeInterleaved(makeCipher: CipherFactory, name: CipherName): void {
  using owned = new DisposableStack();
  const ciphers = [1, 2, 3, 4].map((seed) => owned.use(makeCipher(name, sample(KEY_SIZE, seed))));
  for (const size of [0, 1, 33, 1280]) {
    const record = sampleRecord(size);
    const all = ciphers.map((cipher) => sealed(cipher, record));
    for (const [i, cipher] of ciphers.entries()) {
      for (const [j, one] of all.entries()) {
        strictEqual(opened(cipher, record, one), i === j ? toHex(record.text) : null);
      }
    }
  }
}

function treatsEmptyAsNull(makeCipher: CipherFactory, name: CipherName): void {
  for (const size of [0, 20]) {
    const record = { ...sampleRecord(size), aad: null };
    const empty = { ...record, aad: new Uint8Array() };
    const one = sealWith(makeCipher, name, record);
    deepStrictEqual(one, sealWith(makeCipher, name, empty));
    strictEqual(openWith(makeCipher, name, empty, one), toHex(record.text));
  }
}

function copiesKey(makeCipher: CipherFactory, name: CipherName): void {
  const record = sampleRecord(30);
  const key = record.key.slice();
  using cipher = makeCipher(name, key);
  key.fill(0);
  deepStrictEqual(sealed(cipher, record), sealWith(makeCipher, name, record));
  cipher[Symbol.dispose]();
  strictEqual(key.every((byte) => byte === 0), true);
}

function endsWithDispose(makeCipher: CipherFactory, name: CipherName): void {
  const record = sampleRecord(30);
  const key = record.key.slice();
  const cipher = makeCipher(name, key);
  using other = makeCipher(name, key);
  const sealedRecord = sealed(cipher, record);
  cipher[Symbol.dispose]();
  cipher[Symbol.dispose]();
  throws(() => sealed(cipher, record), TtunError);
  throws(() => opened(cipher, record, sealedRecord), TtunError);
  deepStrictEqual(key, record.key, "the caller's key is the caller's");
  strictEqual(opened(other, record, sealedRecord), toHex(record.text));
}

function checksArguments(makeCipher: CipherFactory, name: CipherName): void {
  for (const size of [0, 16, 31, 33]) throws(() => makeCipher(name, sample(size, 1)), TtunError);
  using cipher = makeCipher(name, sample(KEY_SIZE, 1));
  const nonce = sample(NONCE_SIZE, 1);
  const buf = sample(64, 2);
  const wrong: [start: number, end: number, tagAt: number][] = [
    [-1, 10, 40],
    [20, 10, 40],
    [0, 65, 40],
    [48, 80, 0],
    [0, 10, -1],
    [0, 10, 49], // the tag's last byte is outside
    [0, 10, 9], // the tag begins in the text
    [16, 32, 1], // the tag ends in the text
    [0, 40, 12], // the tag lies in the text
    [0.5, 10, 40],
    [0, 10, NaN],
    [0, Infinity, 40],
  ];
  for (const [start, end, tagAt] of wrong) {
    const what = `${start}..${end}, ${tagAt}`;
    throws(() => cipher.seal(nonce, null, buf, start, end, tagAt), TtunError, what);
    throws(() => cipher.open(nonce, null, buf, start, end, tagAt), TtunError, what);
  }
  for (const size of [0, 8, 11, 13, 24]) {
    throws(() => cipher.seal(sample(size, 1), null, buf, 0, 10, 40), TtunError);
    throws(() => cipher.open(sample(size, 1), null, buf, 0, 10, 40), TtunError);
  }
  deepStrictEqual(buf, sample(64, 2));
}
