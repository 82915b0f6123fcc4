import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { keptLog } from "../../../tests/fake/log.ts";
import { MemoryNet } from "../../../tests/fake/memory.ts";
import { concat, utf8 } from "../../base/bytes.ts";
import type { Connection } from "../../contract/connection.ts";
import { LONGEST_REQUEST, packRequest, parseAnswer } from "../../core/status/messages.ts";
import { read, write } from "../loop/stream_io.ts";
import { dial } from "../net/dial_events.ts";
import { serveStatus } from "./status_server.ts";

const AT = { host: "127.0.0.1", port: 1 };
const REQUEST = packRequest({ request: "status" });

class World implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly #net = new MemoryNet({ clock: this.clock });
  readonly #stop = new AbortController();
  readonly #ended: Promise<unknown>;
  reports = 0;

  constructor() {
    const { clock } = this;
    const { signal } = this.#stop;
    const { log } = keptLog(clock);
    const listener = this.#net.listen(AT, { signal });
    const report = () =>
      ({ version: 1, name: "n", command: "client", pid: 1, seconds: ++this.reports }) as const;
    this.#ended = serveStatus({ listener, answer: report, clock, log, signal })
      .catch((error) => error);
  }

  async connect(): Promise<Connection> {
    const { signal } = new AbortController();
    return await dial(this.#net.dialer("127.0.0.1"), AT, { signal });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const reason = new Error("the test is over");
    this.#stop.abort(reason);
    assert.equal(await this.clock.until(this.#ended), reason);
    assert.equal(this.clock.pending, 0);
  }
}

/** Returns all that comes; null if the connection was reset. */
async function readAll(stream: Connection): Promise<Uint8Array | null> {
  const parts: Uint8Array[] = [];
  for (const into = new Uint8Array(4096);;) {
    try {
      const got = await read(stream, into);
      if (got === null) return concat(...parts);
      parts.push(into.slice(0, got));
    } catch {
      return null; // the other end has reset it
    }
  }
}

Deno.test("a request is answered, in one piece or in many, and the connection ends", async () => {
  await using world = new World();
  for (const size of [REQUEST.length, 1]) {
    await using stream = await world.connect();
    const answer = readAll(stream);
    for (let at = 0; at < REQUEST.length; at += size) {
      await write(stream, REQUEST.slice(at, at + size));
      await world.clock.settle();
    }
    assert.equal(parseAnswer((await answer)!).seconds, world.reports);
  }
  assert.equal(world.reports, 2);
});

Deno.test("a request that is none is answered with an error, and no report is made", async () => {
  await using world = new World();
  await using stream = await world.connect();
  await write(stream, utf8("GET / HTTP/1.1\r\n\r\n"));
  const answer = await readAll(stream);
  assert.throws(() => parseAnswer(answer!), /^TtunError: Cannot answer the request: /);
  assert.equal(world.reports, 0);
});

Deno.test("a request may have 64 KiB; a longer one gets no answer", async () => {
  await using world = new World();
  const padded = (bytes: number) =>
    concat(new Uint8Array(bytes - REQUEST.length).fill(0x20), REQUEST);
  await using longest = await world.connect();
  await write(longest, padded(LONGEST_REQUEST));
  assert.equal(parseAnswer((await readAll(longest))!).seconds, 1);
  await using tooLong = await world.connect();
  await write(tooLong, padded(LONGEST_REQUEST + 1));
  assert.equal((await readAll(tooLong))?.length ?? 0, 0);
  assert.equal(world.reports, 1);
});

Deno.test("a connection that says nothing is closed after 5 s, and one that ends at once", async () => {
  await using world = new World();
  await using silent = await world.connect();
  let isOver = false;
  const ended = readAll(silent).then(() => isOver = true);
  await write(silent, REQUEST.subarray(0, 5));
  await world.clock.advance(4999);
  assert.equal(isOver, false);
  await world.clock.advance(1);
  await ended;
  await using short = await world.connect();
  await write(short, REQUEST.subarray(0, 5));
  await short.closeWrite();
  assert.equal((await readAll(short))?.length, 0);
});

Deno.test("the oldest of 64 connections goes for another", async () => {
  await using world = new World();
  await using streams = new AsyncDisposableStack();
  const over: number[] = [];
  for (let i = 0; i < 65; i++) {
    void readAll(streams.use(await world.connect())).then(() => over.push(i)); // never rejects
    await world.clock.settle();
  }
  assert.deepEqual(over, [0]);
  await world.clock.advance(5000);
  assert.equal(over.length, 65);
});
