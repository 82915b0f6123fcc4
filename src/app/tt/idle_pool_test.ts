import assert from "node:assert/strict";
import { isClosed } from "../../../tests/fake/counted_streams.ts";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { seededRng } from "../../../tests/fake/rng.ts";
import { utf8 } from "../../base/bytes.ts";
import type { Connection } from "../../contract/connection.ts";
import { makePureCipher } from "../../core/cipher/pure_cipher.ts";
import { FrameOpener, FrameSealer } from "../../core/tt/frame.ts";
import { RandomBlock } from "../../core/tt/random_pool.ts";
import { type Carrier, IdlePool } from "./idle_pool.ts";
import { MinuteKeyCache } from "./minute_keys.ts";

const NOW = 26_173_462;
const KEPT_MS = 10_000;
const MOST = 64;

/** Carriers of some minutes, and which of them have been closed, with their minutes given back. */
class Desk implements Disposable {
  readonly clock = new FakeClock();
  readonly carriers = new IdlePool(this.clock);
  readonly #secrets = new MinuteKeyCache(utf8("password"), {
    cipher: "chacha20-poly1305",
    makeCipher: makePureCipher,
  });
  /** Minutes that were given back. */
  given = 0;

  put(minute = NOW): { carrier: Carrier; far: Connection } {
    const [stream, far] = memoryPair();
    const borrowed = this.#secrets.borrow(minute);
    const giveBack = () => {
      this.given++;
      borrowed[Symbol.dispose]();
    };
    const { keys, secrets } = borrowed;
    const carrier = {
      stream,
      minute: { keys, secrets, [Symbol.dispose]: () => {} },
      [Symbol.dispose]: giveBack,
      sealer: new FrameSealer(secrets, new RandomBlock(seededRng(1))),
      opener: new FrameOpener(secrets),
    };
    this.carriers.put(carrier);
    return { carrier, far };
  }

  take(minute = NOW): Connection | null {
    return this.carriers.take(minute)?.stream ?? null;
  }

  [Symbol.dispose](): void {
    this.carriers[Symbol.dispose]();
    this.#secrets[Symbol.dispose]();
    assert.equal(this.clock.pending, 0);
  }
}

Deno.test("the one that was used last is taken first, and then is the taker's", () => {
  using desk = new Desk();
  assert.equal(desk.take(), null);
  const [a, b] = [desk.put().carrier.stream, desk.put().carrier.stream];
  assert.deepEqual([desk.take(), desk.take(), desk.take()], [b, a, null]);
  assert.deepEqual([isClosed(a), isClosed(b), desk.given], [false, false, 0]);
});

Deno.test("those of another minute are not taken but closed", () => {
  using desk = new Desk();
  const before = desk.put(NOW - 1).carrier.stream;
  const now = desk.put(NOW).carrier.stream;
  assert.equal(desk.take(NOW), now);
  assert.equal(isClosed(before), false);
  assert.equal(desk.take(NOW), null);
  assert.deepEqual([isClosed(before), desk.given], [true, 1]);
});

const DEAD: [string, (far: Connection) => void][] = [
  ["has ended", (far) => void far.closeWrite()],
  ["was reset", (far) => far.reset()],
  ["has said something", (far) => void far.write(utf8("out of turn"))],
];

for (const [what, act] of DEAD) {
  Deno.test(`one whose other end ${what} is not taken, and is closed at once`, async () => {
    using desk = new Desk();
    const good = desk.put().carrier.stream;
    const bad = desk.put();
    act(bad.far);
    assert.equal(desk.take(), good);
    assert.deepEqual([isClosed(bad.carrier.stream), desk.given], [true, 1]);
    const later = desk.put();
    act(later.far);
    await desk.clock.settle();
    assert.deepEqual([isClosed(later.carrier.stream), desk.given], [true, 2]);
  });

  Deno.test(`one whose other end ${what} before it is put back is closed`, () => {
    using desk = new Desk();
    const { carrier, far } = desk.put();
    assert.equal(desk.take(), carrier.stream);
    act(far);
    desk.carriers.put(carrier);
    assert.deepEqual([isClosed(carrier.stream), desk.take(), desk.given], [true, null, 1]);
  });

  Deno.test(`one that has been taken is the taker's, also when its other end ${what}`, async () => {
    using desk = new Desk();
    const { carrier, far } = desk.put();
    assert.equal(desk.take(), carrier.stream);
    act(far);
    await desk.clock.settle();
    assert.deepEqual([isClosed(carrier.stream), desk.given], [false, 0]);
  });
}

Deno.test("room is made by the one that has been idle longest", () => {
  using desk = new Desk();
  const [first, second] = [desk.put().carrier.stream, desk.put().carrier.stream];
  assert.equal(desk.carriers.dropOldest(), true);
  assert.deepEqual([isClosed(first), isClosed(second)], [true, false]);
  assert.equal(desk.take(), second);
  assert.equal(desk.carriers.dropOldest(), false);
});

Deno.test("each is closed ten seconds after its last use, and no timer is left", async () => {
  using desk = new Desk();
  const first = desk.put().carrier.stream;
  await desk.clock.advance(4_000);
  const second = desk.put().carrier.stream;
  await desk.clock.advance(KEPT_MS - 4_001);
  assert.deepEqual([isClosed(first), isClosed(second)], [false, false]);
  await desk.clock.advance(1);
  assert.deepEqual([isClosed(first), isClosed(second)], [true, false]);
  await desk.clock.advance(4_000);
  assert.deepEqual([isClosed(second), desk.given], [true, 2]);
  assert.equal(desk.clock.pending, 0);
  const later = desk.put().carrier.stream;
  await desk.clock.advance(KEPT_MS);
  assert.equal(isClosed(later), true);
});

Deno.test("one that is taken and put back begins anew", async () => {
  using desk = new Desk();
  const { carrier } = desk.put();
  await desk.clock.advance(KEPT_MS - 1);
  assert.equal(desk.take(), carrier.stream);
  desk.carriers.put(carrier);
  await desk.clock.advance(KEPT_MS - 1);
  assert.equal(isClosed(carrier.stream), false);
  await desk.clock.advance(1);
  assert.equal(isClosed(carrier.stream), true);
});

Deno.test("above the limit the one that has been idle longest goes", () => {
  using desk = new Desk();
  const all = Array.from({ length: MOST + 2 }, () => desk.put().carrier.stream);
  assert.deepEqual(all.map(isClosed), all.map((_, i) => i < 2));
});

Deno.test("clear() closes all, and so does the end", () => {
  using desk = new Desk();
  const cleared = desk.put().carrier.stream;
  desk.carriers.clear();
  assert.deepEqual([isClosed(cleared), desk.given], [true, 1]);
  const last = desk.put().carrier.stream;
  desk.carriers[Symbol.dispose]();
  assert.deepEqual([isClosed(last), desk.given, desk.clock.pending], [true, 2, 0]);
});
