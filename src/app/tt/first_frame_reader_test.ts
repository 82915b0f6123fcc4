import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { CountedCiphers } from "../../../tests/fake/ciphers.ts";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { seededRng } from "../../../tests/fake/rng.ts";
import { pattern } from "../../../tests/fake/tt_ends.ts";
import { twinKeys, twinSeal } from "../../../tests/fake/tt_twin.ts";
import { concat, utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { CipherName } from "../../contract/cipher.ts";
import type { Connection } from "../../contract/connection.ts";
import { MAX_FIRST_FRAME } from "../../core/tt/first_frame.ts";
import { Marker } from "../../core/tt/mark.ts";
import { NonceMemory } from "../../core/tt/nonce_filter.ts";
import { StrangerBudget } from "../link/stranger_budget.ts";
import { Stranger } from "../net/stranger.ts";
import { type Admitted, readFirstFrame } from "./first_frame_reader.ts";
import { type Account, KeyCandidates } from "./key_candidates.ts";
import { FrameBuffers } from "./frame_buffers.ts";
import { MinuteKeyCache } from "./minute_keys.ts";
import { write } from "../loop/stream_io.ts";

const NOW = 26_173_462;
const RANGE = { first: 1024, last: 65_535 };
const CIPHER = "chacha20-poly1305";
const PORT = 60_699; // of NOW and "password" (docs/wire/tt-v1.md, 6); what it is must not matter

/** A server's accounts; at the end all that was borrowed must have been given back. */
class Desk implements Disposable {
  readonly ciphers = new CountedCiphers();
  readonly accounts: Account[];
  readonly candidates: KeyCandidates;
  readonly buffers = new FrameBuffers();
  readonly budget: StrangerBudget;
  #now = NOW;

  /** `preciseNow`: a search in vain takes the difference of two calls. */
  constructor(
    passwords: string[] = ["password"],
    cipher: CipherName = CIPHER,
    readonly clock = new FakeClock(),
    preciseNow = () => 0,
  ) {
    this.budget = new StrangerBudget({ clock, preciseNow });
    this.accounts = passwords.map((password, i) => ({
      name: password,
      secrets: new MinuteKeyCache(utf8(password), { cipher, makeCipher: this.ciphers.factory }),
      nonces: new NonceMemory(seededRng(i + 1)),
      revoked: new AbortController().signal,
    }));
    this.candidates = new KeyCandidates({ accounts: this.accounts, range: RANGE });
  }

  set now(minute: number) {
    this.#now = minute;
  }

  async read(stream: Connection, port = PORT): Promise<Admitted> {
    const wallClock = () => 60_000 * this.#now + 30_000;
    const { budget, candidates, buffers } = this;
    const isWanted = () => true;
    const o = { budget, candidates, buffers, wallClock, isWanted, other: null, takesTt: true };
    const first = await readFirstFrame(stream, port, o);
    assert.ok("account" in first);
    return first;
  }

  /** Of a client that sends these bytes at once. */
  async readBytes(bytes: Uint8Array): Promise<Admitted> {
    const [near, far] = memoryPair();
    write(far, bytes);
    far.closeWrite();
    return await this.read(near);
  }

  [Symbol.dispose](): void {
    this.budget[Symbol.dispose]();
    this.candidates[Symbol.dispose]();
    for (const { secrets } of this.accounts) secrets[Symbol.dispose]();
    assert.equal(this.ciphers.live, 0, "ciphers that were not given back");
  }
}

let seed = 0;
const draw = (length: number) => seededRng(++seed)(length);

function frame(minute: number, text: Uint8Array, o: { random?: number; password?: string } = {}) {
  const keys = twinKeys(CIPHER, o.password ?? "password", minute);
  return twinSeal(keys, draw(o.random ?? 20), text);
}

const isStranger = (words: RegExp) => (error: unknown) =>
  error instanceof Stranger && words.test(error.message);

const NOBODY = /another key|no frame/;

/** Bytes enough for whatever length a wrong key reads. */
const MORE = new Uint8Array(5000);

const GREETING = Uint8Array.of(5, 1, 0);

Deno.test("a first frame of the minutes T-2 to T+1 is taken, of no other", async () => {
  for (let off = -4; off <= 3; off++) {
    using desk = new Desk();
    const bytes = frame(NOW + off, GREETING);
    if (off < -2 || off > 1) {
      await assert.rejects(desk.readBytes(concat(bytes, MORE)), isStranger(NOBODY));
      continue;
    }
    const admitted = await desk.readBytes(bytes);
    using minute = admitted.minute;
    assert.deepEqual(admitted.text, GREETING);
    assert.equal(minute.keys.minute, NOW + off);
    assert.equal(admitted.account.name, "password");
    assert.deepEqual([admitted.peer, admitted.rest.length], ["unmarked", 0]);
  }
});

Deno.test("however it is cut, and however long its R and text, the frame and the rest are the same", async () => {
  const rest = pattern(100);
  for (const [random, length] of [[12, 1], [32, 3], [255, 300], [19, 4000]] as const) {
    const text = pattern(length);
    const bytes = concat(frame(NOW - 1, text, { random }), rest);
    const cuts = length < 1000
      ? Array.from({ length: bytes.length }, (_, i) => i)
      : [0, 1, 2, 127, 128, 129, 511, 512, 513, 2047, 2048, 2049, 4000];
    for (const cut of cuts) {
      using desk = new Desk();
      const [near, far] = memoryPair();
      const reading = desk.read(near);
      write(far, bytes.subarray(0, cut));
      await Promise.resolve();
      write(far, bytes.subarray(cut));
      const admitted = await reading;
      assert.deepEqual(admitted.text, text);
      // Bytes that were not read yet are still in the stream.
      const into = new Uint8Array(200);
      const left = near.readNow(into) ?? 0;
      assert.deepEqual(concat(admitted.rest, into.subarray(0, left)), rest, `cut at ${cut}`);
      admitted.minute[Symbol.dispose]();
    }
  }
});

Deno.test("who began in a minute has its keys to try for as long as it takes, and no longer", async () => {
  using desk = new Desk();
  const [near, far] = memoryPair();
  const reading = desk.read(near);
  const bytes = frame(NOW, GREETING, { random: 200 });
  write(far, bytes.subarray(0, 100));
  await Promise.resolve();
  for (let later = 1; later <= 20; later++) { // its keys would be gone long ago
    desk.now = NOW + later;
    (await desk.readBytes(frame(NOW + later, GREETING))).minute[Symbol.dispose]();
  }
  assert.ok(desk.ciphers.live > 8, "more than would be kept without it");
  write(far, bytes.subarray(100));
  // The frame was opened, and its minute is over all the same.
  await assert.rejects(reading, isStranger(/not new \(late\)/));
  assert.ok(desk.ciphers.live <= 8);
});

Deno.test("byte by byte is as good as all at once", async () => {
  using desk = new Desk();
  const [near, far] = memoryPair();
  const reading = desk.read(near);
  for (const byte of frame(NOW + 1, GREETING, { random: 200 })) {
    write(far, Uint8Array.of(byte));
    for (let i = 0; i < 5; i++) await Promise.resolve();
  }
  const { minute, text } = await reading;
  assert.deepEqual([text, minute.keys.minute], [GREETING, NOW + 1]);
  minute[Symbol.dispose]();
});

Deno.test("whose password it is, is found among many, in any of the minutes", async () => {
  const passwords = Array.from({ length: 20 }, (_, i) => `password ${i}`);
  using desk = new Desk(passwords);
  for (const [i, password] of passwords.entries()) {
    const { account, minute } = await desk.readBytes(frame(NOW - i % 3, GREETING, { password }));
    assert.equal(account.name, password);
    minute[Symbol.dispose]();
  }
});

Deno.test("the mark is seen, and its absence", async () => {
  using desk = new Desk();
  const keys = twinKeys(CIPHER, "password", NOW);
  const marked = await desk.readBytes(
    twinSeal(keys, new Marker(keys.k).markedRandom(draw), GREETING),
  );
  assert.equal(marked.peer, "lasting");
  const spoilt = new Marker(keys.k).markedRandom(draw);
  spoilt[15]! ^= 1;
  const unmarked = await desk.readBytes(twinSeal(keys, spoilt, GREETING));
  assert.equal(unmarked.peer, "unmarked");
  for (const { minute } of [marked, unmarked]) minute[Symbol.dispose]();
});

Deno.test("another password, another cipher, one bit off: nobody's", async () => {
  using desk = new Desk();
  const other = frame(NOW, GREETING, { password: "passwore" });
  await assert.rejects(
    desk.readBytes(concat(other, MORE)),
    isStranger(NOBODY),
  );
  const gcm = twinSeal(twinKeys("aes-256-gcm", "password", NOW), draw(20), GREETING);
  await assert.rejects(desk.readBytes(concat(gcm, MORE)), isStranger(/./));
  const good = frame(NOW, GREETING);
  for (let bit = 0; bit < 8 * good.length; bit++) {
    const at = bit >> 3;
    if (at > 12 && at <= 20) continue; // padding
    const bad = good.slice();
    bad[at]! ^= 1 << (bit & 7);
    await assert.rejects(desk.readBytes(concat(bad, MORE)), Stranger, `bit ${bit}`);
  }
});

Deno.test("a first frame that was there before is refused, in every minute that it would open in", async () => {
  using desk = new Desk();
  const bytes = frame(NOW, GREETING);
  (await desk.readBytes(bytes)).minute[Symbol.dispose]();
  for (const minute of [NOW, NOW + 1, NOW + 2]) {
    desk.now = minute;
    await assert.rejects(desk.readBytes(bytes), isStranger(/not new \(known\)/));
  }
  desk.now = NOW + 3;
  await assert.rejects(desk.readBytes(concat(bytes, MORE)), isStranger(NOBODY));
  desk.now = NOW; // the clock goes back
  await assert.rejects(desk.readBytes(bytes), isStranger(/not new \((known|late)\)/));
});

Deno.test("the server's own first frame does not open a connection", async () => {
  using desk = new Desk();
  const [account] = desk.accounts;
  const keys = twinKeys(CIPHER, "password", NOW);
  const random = draw(32);
  account!.nonces.noteSent({ minute: NOW, otp: keys.otp }, random.subarray(0, 12), NOW);
  const reflected = twinSeal(keys, random, GREETING);
  await assert.rejects(desk.readBytes(reflected), isStranger(/not new \(known\)/));
});

Deno.test("garbage of any length ends as nobody's, with no more than its bound read and held", async () => {
  using desk = new Desk();
  for (let length = 0; length <= 6000; length += length < 300 ? 1 : 97) {
    const [near, far] = memoryPair();
    write(far, draw(length));
    far.closeWrite();
    let room = 0;
    let consumed = 0;
    const readNow = near.readNow.bind(near);
    near.readNow = (into) => {
      room = Math.max(room, into.byteOffset + into.length);
      const got = readNow(into);
      consumed += got ?? 0;
      return got;
    };
    await assert.rejects(desk.read(near), (error) => {
      if (error instanceof Stranger) return true;
      // It ended first: some key's frame could still have become whole.
      assert.ok(error instanceof TtunError && error.kind === "lost", String(error));
      return length < 4370;
    });
    assert.ok(room <= 4370 && consumed <= 4370, `${length}: ${room}, ${consumed}`);
  }
});

Deno.test("a frame longer than any that is sent is nobody's, though its key is right", async () => {
  using desk = new Desk();
  await assert.rejects(desk.readBytes(frame(NOW, pattern(4097))), Stranger);
  const longest = await desk.readBytes(frame(NOW, pattern(4096), { random: 255 }));
  assert.equal(longest.text.length, 4096);
  longest.minute[Symbol.dispose]();
});

Deno.test("who says little costs little, and who ends or goes says why", async () => {
  using desk = new Desk();
  const [near, far] = memoryPair();
  const buffers = new Set<ArrayBufferLike>();
  const readNow = near.readNow.bind(near);
  near.readNow = (into) => {
    buffers.add(into.buffer);
    return readNow(into);
  };
  const reading = desk.read(near);
  reading.catch(() => {});
  write(far, frame(NOW, GREETING).subarray(0, 30));
  await setImmediate();
  assert.deepEqual([...buffers], [desk.buffers.sealed.buffer]); // no buffer of its own
  far.reset();
  await assert.rejects(reading, { kind: "lost" });
  await assert.rejects(desk.readBytes(new Uint8Array()), { kind: "lost" });
});

Deno.test("when strangers have cost enough, those wait whose key the port is not of", async () => {
  const clock = new FakeClock();
  let spent = 0;
  using desk = new Desk(["password", "another"], CIPHER, clock, () => spent += 10);
  const stranger = () => assert.rejects(desk.readBytes(draw(MAX_FIRST_FRAME)), Stranger);
  for (let i = 0; i < 3; i++) await stranger();
  const nameOf = ({ account: { name }, minute }: Admitted) => {
    minute[Symbol.dispose]();
    return name;
  };
  assert.equal(nameOf(await desk.readBytes(frame(NOW, GREETING))), "password");
  let found: string | null = null;
  const [near, far] = memoryPair();
  write(far, frame(NOW, GREETING, { password: "another" }));
  const other = desk.read(near).then((admitted) => void (found = nameOf(admitted)));
  await clock.settle();
  assert.equal(found, null);
  for (let i = 0; found === null && i < 100; i++) await clock.advance(50);
  await other;
  assert.equal(found, "another");
});

Deno.test("bytes that come one by one cost as many looks, and those of others are not for free", async () => {
  const clock = new FakeClock();
  let spent = 0;
  using desk = new Desk(["password", "another"], CIPHER, clock, () => spent += 1);
  const [near, far] = memoryPair();
  const reading = desk.read(near);
  reading.catch(() => {});
  const bytes = draw(300);
  for (let i = 0; i < bytes.length; i++) {
    write(far, bytes.subarray(i, i + 1));
    await setImmediate();
  }
  assert.ok(spent <= 2 * 26, `${spent}`);
  far.reset();
  await assert.rejects(reading, { kind: "lost" });
});

Deno.test("a first frame that is replayed costs as a stranger's", async () => {
  const clock = new FakeClock();
  let spent = 0;
  using desk = new Desk(["password", "another"], CIPHER, clock, () => spent += 10);
  const recorded = frame(NOW, GREETING, { password: "another" });
  (await desk.readBytes(recorded)).minute[Symbol.dispose]();
  for (let i = 0; i < 3; i++) await assert.rejects(desk.readBytes(recorded), isStranger(/not new/));
  assert.equal(desk.budget.mayBegin(), false);
});
