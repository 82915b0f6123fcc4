import assert from "node:assert/strict";
import { isClosed } from "../../../tests/fake/counted_streams.ts";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { readNowAll, ttConnection } from "../../../tests/fake/tt_ends.ts";
import { utf8 } from "../../base/bytes.ts";
import type { Connection } from "../../contract/connection.ts";
import { makePureCipher } from "../../core/cipher/pure_cipher.ts";
import { IdlePool } from "./idle_pool.ts";
import { MinuteKeyCache } from "./minute_keys.ts";
import type { TtConnection } from "./tt_connection.ts";
import { write } from "../loop/stream_io.ts";

const NOW = 26_173_462;
const KEPT_MS = 10_000;
const MOST = 64;

/** A pool of connections of some minutes, and how many minutes were given back. */
class Desk implements Disposable {
  readonly clock = new FakeClock();
  readonly pool = new IdlePool(this.clock);
  readonly #secrets = new MinuteKeyCache(utf8("password"), {
    cipher: "chacha20-poly1305",
    makeCipher: makePureCipher,
  });
  /** Minutes that were given back. */
  given = 0;

  put(minute = NOW): { connection: TtConnection; far: Connection } {
    const [stream, far] = memoryPair();
    const borrowed = this.#secrets.borrow(minute);
    const giveBack = () => {
      this.given++;
      borrowed[Symbol.dispose]();
    };
    const { keys, secrets } = borrowed;
    const connection = ttConnection(stream, {
      minute: { keys, secrets, [Symbol.dispose]: giveBack },
    });
    this.pool.put(connection);
    return { connection, far };
  }

  take(minute = NOW): Connection | null {
    return this.pool.take(minute)?.socket ?? null;
  }

  [Symbol.dispose](): void {
    this.pool[Symbol.dispose]();
    this.#secrets[Symbol.dispose]();
    assert.equal(this.clock.pending, 0);
  }
}

Deno.test("the one that was used last is taken first, and then is the taker's", () => {
  using desk = new Desk();
  assert.equal(desk.take(), null);
  const [a, b] = [desk.put().connection.socket, desk.put().connection.socket];
  assert.deepEqual([desk.take(), desk.take(), desk.take()], [b, a, null]);
  assert.deepEqual([isClosed(a), isClosed(b), desk.given], [false, false, 0]);
});

Deno.test("those of another minute are not taken but closed", () => {
  using desk = new Desk();
  const before = desk.put(NOW - 1).connection.socket;
  const now = desk.put(NOW).connection.socket;
  assert.equal(desk.take(NOW), now);
  assert.equal(isClosed(before), false);
  assert.equal(desk.take(NOW), null);
  assert.deepEqual([isClosed(before), desk.given], [true, 1]);
});

const DEAD: [string, (far: Connection) => void][] = [
  ["has ended", (far) => void far.closeWrite()],
  ["was reset", (far) => far.reset()],
  ["has said something", (far) => void write(far, utf8("out of turn"))],
];

for (const [what, act] of DEAD) {
  Deno.test(`one whose other end ${what} is not taken, and is closed at once`, async () => {
    using desk = new Desk();
    const good = desk.put().connection.socket;
    const bad = desk.put();
    act(bad.far);
    assert.equal(desk.take(), good);
    assert.deepEqual([isClosed(bad.connection.socket), desk.given], [true, 1]);
    const later = desk.put();
    act(later.far);
    await desk.clock.settle();
    assert.deepEqual([isClosed(later.connection.socket), desk.given], [true, 2]);
  });

  Deno.test(`one whose other end ${what} before it is put back is closed`, () => {
    using desk = new Desk();
    const { connection, far } = desk.put();
    assert.equal(desk.take(), connection.socket);
    act(far);
    desk.pool.put(connection);
    assert.deepEqual([isClosed(connection.socket), desk.take(), desk.given], [true, null, 1]);
  });

  Deno.test(`one that has been taken is the taker's, also when its other end ${what}`, async () => {
    using desk = new Desk();
    const { connection, far } = desk.put();
    assert.equal(desk.take(), connection.socket);
    act(far);
    await desk.clock.settle();
    assert.deepEqual([isClosed(connection.socket), desk.given], [false, 0]);
  });
}

Deno.test("one that has not sent all is left until it has", async () => {
  using desk = new Desk();
  const other = desk.put().connection.socket;
  const { connection, far } = desk.put();
  const { socket } = connection;
  await write(socket, utf8("fills the socket"));
  const { writeNow } = socket;
  socket.writeNow = () => 0;
  connection.send(connection.sealEnd(0));
  socket.writeNow = writeNow;
  assert.deepEqual([desk.take(), desk.take()], [other, null]);
  readNowAll(far);
  await desk.clock.settle();
  assert.equal(desk.take(), socket);
});

Deno.test("room is made by the one that has been idle longest", () => {
  using desk = new Desk();
  const [first, second] = [desk.put().connection.socket, desk.put().connection.socket];
  assert.equal(desk.pool.dropOldest(), true);
  assert.deepEqual([isClosed(first), isClosed(second)], [true, false]);
  assert.equal(desk.take(), second);
  assert.equal(desk.pool.dropOldest(), false);
});

Deno.test("each is closed ten seconds after its last use, and no timer is left", async () => {
  using desk = new Desk();
  const first = desk.put().connection.socket;
  await desk.clock.advance(4_000);
  const second = desk.put().connection.socket;
  await desk.clock.advance(KEPT_MS - 4_001);
  assert.deepEqual([isClosed(first), isClosed(second)], [false, false]);
  await desk.clock.advance(1);
  assert.deepEqual([isClosed(first), isClosed(second)], [true, false]);
  await desk.clock.advance(4_000);
  assert.deepEqual([isClosed(second), desk.given], [true, 2]);
  assert.equal(desk.clock.pending, 0);
  const later = desk.put().connection.socket;
  await desk.clock.advance(KEPT_MS);
  assert.equal(isClosed(later), true);
});

Deno.test("one that is taken and put back begins anew", async () => {
  using desk = new Desk();
  const { connection } = desk.put();
  await desk.clock.advance(KEPT_MS - 1);
  assert.equal(desk.take(), connection.socket);
  desk.pool.put(connection);
  await desk.clock.advance(KEPT_MS - 1);
  assert.equal(isClosed(connection.socket), false);
  await desk.clock.advance(1);
  assert.equal(isClosed(connection.socket), true);
});

Deno.test("above the limit the one that has been idle longest goes", () => {
  using desk = new Desk();
  const all = Array.from({ length: MOST + 2 }, () => desk.put().connection.socket);
  assert.deepEqual(all.map(isClosed), all.map((_, i) => i < 2));
});

Deno.test("clear() closes all, and so does the end", () => {
  using desk = new Desk();
  const cleared = desk.put().connection.socket;
  desk.pool.clear();
  assert.deepEqual([isClosed(cleared), desk.given], [true, 1]);
  const last = desk.put().connection.socket;
  desk.pool[Symbol.dispose]();
  assert.deepEqual([isClosed(last), desk.given, desk.clock.pending], [true, 2, 0]);
});
