import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { openBy, type PromisedOpen } from "../../../tests/fake/outbound.ts";
import { isClosed } from "../../../tests/fake/counted_streams.ts";
import { driveHttp } from "../../../tests/fake/http_driver.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { httpGet, readHead, web } from "../../../tests/fake/proxy_programs.ts";
import { pattern, readNowAll, SCRATCH, ttStream } from "../../../tests/fake/tt_ends.ts";
import { readExactly } from "../../../tests/suite/stream_net.ts";
import { concat, utf8 } from "../../base/bytes.ts";
import { onAbort } from "../../base/scope.ts";
import type { Connection } from "../../contract/connection.ts";
import { formatTarget } from "../../base/target.ts";
import { ConnectError } from "../net/connect_error.ts";
import { Relays } from "../net/relay.ts";
import { write } from "../loop/stream_io.ts";

const IDLE = 60_000;

/** A driver between a client and targets whose far ends are the test's. */
class Bench {
  readonly clock = new FakeClock();
  readonly stop = new AbortController();
  readonly client: Connection;
  readonly near: Connection;
  /** The far ends of targets that were connected to, and the driver's own. */
  readonly targets: Connection[] = [];
  readonly upstreams: Connection[] = [];
  readonly asked: string[] = [];
  readonly ended: Promise<unknown>;

  constructor(
    first: string,
    o: { capacity?: number; targetCapacity?: number; connect?: PromisedOpen } = {},
  ) {
    const capacity = o.capacity ?? 10_000;
    const [near, far] = memoryPair({ capacity, signalA: this.stop.signal });
    this.client = far;
    this.near = near;
    const connect: PromisedOpen = async (_target, { signal, early }) => {
      const [upstream, target] = memoryPair({
        capacity: o.targetCapacity ?? capacity,
        signalA: signal,
      });
      this.upstreams.push(upstream);
      this.targets.push(target);
      if (early !== undefined) await write(upstream, early);
      return upstream;
    };
    const relays = new Relays({ clock: this.clock, scratch: SCRATCH, idleMs: IDLE });
    this.ended = driveHttp(near, utf8(crlf(first)), {
      relays,
      signal: this.stop.signal,
      outbound: openBy(o.connect ?? connect),
      onTarget: (target) => void this.asked.push(formatTarget(target)),
    }).then(() => null, (error: unknown) => error).finally(() => {
      relays[Symbol.dispose]();
      return near[Symbol.asyncDispose]();
    });
  }

  send(text: string): void {
    this.client.writeNow(utf8(crlf(text)));
  }

  /** Waits for the end, and checks that nothing is left. Returns the error, or null. */
  async isOver(): Promise<unknown> {
    const error = await this.clock.until(this.ended, IDLE);
    await this.clock.advance(30_000);
    assert.ok(this.upstreams.every(isClosed), "a connection to a target is still open");
    assert.equal(this.clock.pending, 0);
    return error;
  }
}

function crlf(text: string): string {
  return text.replaceAll("\n", "\r\n");
}

const GET = "GET http://a.example/ HTTP/1.1\nHost: a.example\n\n";
const LAST = "GET http://a.example/ HTTP/1.0\n\n";

Deno.test("requests go one after the other, the connection to the target is kept", async () => {
  const bench = new Bench(GET);
  await bench.clock.settle();
  web(bench.targets[0]!).catch(() => {});
  await bench.clock.settle();
  assert.match(new TextDecoder().decode(readNowAll(bench.client).bytes), /GET \/ HTTP\/1.1$/);
  for (let i = 0; i < 3; i++) {
    const { body } = await httpGet(bench.client, `http://a.example/${i}`);
    assert.equal(body, `GET /${i} HTTP/1.1`);
  }
  assert.deepEqual(bench.asked, ["a.example:80"]);
  bench.client.closeWrite();
  assert.equal(await bench.isOver(), null);
});

Deno.test("a response is held back by a client that does not read; nothing of it is lost", async () => {
  const bench = new Bench(GET);
  await bench.clock.settle();
  const [target] = bench.targets;
  const body = pattern(500_000);
  let taken = 0;
  const writing = (async () => {
    await write(target!, utf8(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`));
    for (let at = 0; at < body.length; at += 5000, taken = at) {
      await write(target!, body.subarray(at, at + 5000));
    }
  })();
  await bench.clock.settle();
  assert.ok(taken < 20_000 + SCRATCH.plain.length, `${taken} bytes are under way`);
  await readHead(bench.client);
  assert.deepEqual(await readExactly(bench.client, body.length), body);
  await writing;
  bench.client.closeWrite();
  assert.equal(await bench.isOver(), null);
});

Deno.test("a request's body is held back by a target that does not read", async () => {
  const bench = new Bench("POST http://a.example/ HTTP/1.1\nHost: x\nContent-Length: 500000\n\n");
  await bench.clock.settle();
  const body = pattern(500_000);
  let taken = 0;
  const writing = (async () => {
    for (let at = 0; at < body.length; at += 5000, taken = at) {
      await write(bench.client, body.subarray(at, at + 5000));
    }
  })();
  await bench.clock.settle();
  assert.ok(taken < 20_000 + SCRATCH.plain.length, `${taken} bytes are under way`);
  await readHead(bench.targets[0]!);
  assert.deepEqual(await readExactly(bench.targets[0]!, body.length), body);
  await writing;
  bench.targets[0]!.writeNow(utf8("HTTP/1.1 204 Done\r\n\r\n"));
  assert.match(await readHead(bench.client), /^HTTP\/1.1 204/);
  bench.client.closeWrite();
  assert.equal(await bench.isOver(), null);
});

Deno.test("CONNECT becomes a relay, with what came behind it; each way ends on its own", async () => {
  const bench = new Bench("CONNECT a.example:443 HTTP/1.1\nHost: x\n\nearly");
  await bench.clock.settle();
  assert.match(await readHead(bench.client), /^HTTP\/1.1 200/);
  const [target] = bench.targets;
  assert.deepEqual(readNowAll(target!).bytes, utf8("early"));
  bench.client.closeWrite();
  await bench.clock.settle();
  assert.equal(readNowAll(target!).isEnded, true);
  target!.writeNow(utf8("late"));
  target!.closeWrite();
  await bench.clock.settle();
  assert.deepEqual(readNowAll(bench.client), { bytes: utf8("late"), isEnded: true });
  assert.equal(await bench.isOver(), null);
});

Deno.test("a target that cannot be reached is answered, and the connection goes on", async () => {
  const bench = new Bench(GET, {
    connect: () => Promise.reject(new ConnectError("refused", "no")),
  });
  assert.match(await readHead(bench.client), /^HTTP\/1.1 502/);
  readNowAll(bench.client);
  bench.send(GET);
  assert.match(await readHead(bench.client), /^HTTP\/1.1 502/);
  bench.client.closeWrite();
  assert.equal(await bench.isOver(), null);
});

Deno.test("a client that goes while its target is being connected to gives that up", async () => {
  let given: AbortSignal | undefined;
  const bench = new Bench(GET, {
    connect: (_target, { cancel }) => {
      given = cancel;
      return new Promise((_, reject) => onAbort(cancel!, reject));
    },
  });
  await bench.clock.settle();
  bench.client.reset();
  assert.equal((await bench.isOver() as { kind: string }).kind, "lost");
  assert.equal(given?.aborted, true);
});

Deno.test("the program's end gives up a target that is being connected to", async () => {
  let given: AbortSignal | undefined;
  const bench = new Bench(GET, {
    connect: (_target, { cancel }) => {
      given = cancel;
      return new Promise((_, reject) => onAbort(cancel!, reject));
    },
  });
  await bench.clock.settle();
  const reason = new Error("the test is over");
  bench.stop.abort(reason);
  assert.equal(await bench.isOver(), reason);
  assert.equal(given?.reason, reason);
});

Deno.test("a connection that comes when nobody wants it any more is closed", async () => {
  const [upstream] = memoryPair();
  const { promise, resolve } = Promise.withResolvers<Connection>();
  const bench = new Bench(GET, { connect: () => promise });
  await bench.clock.settle();
  bench.client.reset();
  await bench.isOver();
  resolve(upstream);
  await bench.clock.settle();
  assert.equal(isClosed(upstream), true);
});

Deno.test("a target that resets or ends before it answers is answered for", async () => {
  for (const how of ["reset", "end", "noise"]) {
    const bench = new Bench(GET.replace("GET", "DELETE"));
    await bench.clock.settle();
    const [target] = bench.targets;
    if (how === "reset") target!.reset();
    else if (how === "end") target!.closeWrite();
    else target!.writeNow(utf8("SSH-2.0-OpenSSH\r\n\r\n"));
    assert.match(await readHead(bench.client), /^HTTP\/1.1 502/, how);
    bench.client.closeWrite();
    assert.equal(await bench.isOver(), null);
  }
});

Deno.test("a target that resets while the request's body is on its way is answered for", async () => {
  const bench = new Bench("POST http://a.example/ HTTP/1.1\nHost: x\nContent-Length: 90000\n\n");
  await bench.clock.settle();
  const writing = (async () => await write(bench.client, pattern(90_000)))();
  writing.catch(() => {});
  await bench.clock.settle();
  bench.targets[0]!.reset();
  assert.match(await readHead(bench.client), /^HTTP\/1.1 502/);
  bench.client.reset();
  await bench.isOver();
});

Deno.test("a response that is cut short is no whole one for the client either", async () => {
  for (const how of ["reset", "end"]) {
    const bench = new Bench(GET);
    await bench.clock.settle();
    const [target] = bench.targets;
    target!.writeNow(utf8("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"));
    await bench.clock.settle();
    if (how === "reset") target!.reset();
    else target!.closeWrite();
    await bench.clock.settle();
    assert.throws(() => readNowAll(bench.client), { kind: "lost" }, how);
    await bench.isOver();
  }
});

Deno.test("a target that is silent is given up after the idle time, with an answer", async () => {
  const bench = new Bench(GET);
  await bench.clock.advance(IDLE - 1);
  assert.equal(bench.upstreams.filter(isClosed).length, 0);
  await bench.clock.advance(1);
  assert.match(await readHead(bench.client), /^HTTP\/1.1 504/);
  assert.equal(bench.upstreams.filter(isClosed).length, 1);
});

Deno.test("a client that asks for nothing more is closed after the idle time", async () => {
  const bench = new Bench(GET);
  await bench.clock.settle();
  bench.targets[0]!.writeNow(utf8("HTTP/1.1 204 Done\r\n\r\n"));
  const error = await bench.clock.until(bench.ended, 3 * IDLE);
  assert.equal((error as { kind: string }).kind, "timeout");
  assert.equal(bench.clock.now(), 2 * IDLE); // the kept connection to the target went first
  await bench.isOver();
});

for (const length of [500, 5000]) {
  Deno.test(`the last answer, ${length} bytes, to a client that never reads: closed after the idle time`, async () => {
    const bench = new Bench(LAST, { capacity: 400, targetCapacity: 10_000 });
    await bench.clock.settle();
    const [target] = bench.targets;
    // It is all there at once, so that the target's part is over before the client's.
    target!.writeNow(utf8(`HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n`));
    target!.writeNow(pattern(length));
    target!.closeWrite();
    await bench.clock.advance(IDLE - 1);
    assert.equal(bench.client.stats().peerClosed, false);
    await bench.clock.advance(1);
    assert.equal(bench.client.stats().peerClosed, true);
    await bench.isOver();
  });
}

Deno.test("the same through frames, where the end itself has to wait", async () => {
  const clock = new FakeClock();
  const [near, far] = memoryPair({ capacity: 100 });
  const [upstream, target] = memoryPair();
  const ended = driveHttp(ttStream(near), utf8(crlf(LAST)), {
    relays: new Relays({ clock, scratch: SCRATCH, idleMs: IDLE }),
    signal: new AbortController().signal,
    outbound: openBy(() => Promise.resolve(upstream)),
  }).then(() => null, (error: unknown) => error);
  await clock.settle();
  write(target, concat(utf8("HTTP/1.1 200 OK\r\n\r\n"), pattern(500)));
  target.closeWrite();
  await clock.advance(IDLE);
  assert.equal(far.stats().peerClosed, true);
  await ended;
  assert.deepEqual([clock.pending, isClosed(upstream)], [0, true]);
});

Deno.test("a target that answers early, never reads and never ends is closed all the same", async () => {
  const bench = new Bench(
    "POST http://a.example/ HTTP/1.1\nHost: x\nContent-Length: 500000\n\n",
    { capacity: 1000 },
  );
  await bench.clock.settle();
  Promise.resolve(write(bench.client, pattern(5000))).catch(() => {});
  await bench.clock.settle();
  bench.targets[0]!.writeNow(utf8("HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n"));
  assert.match(await readHead(bench.client), /^HTTP\/1.1 413/);
  bench.client.reset();
  await bench.isOver();
});

Deno.test("what was written to a target arrives, though the connection is of no more use", async () => {
  const bench = new Bench(
    "POST http://a.example/ HTTP/1.1\nHost: x\nContent-Length: 4000\n\n",
    { capacity: 1000 },
  );
  await bench.clock.settle();
  const [target] = bench.targets;
  await readHead(target!);
  const writing = write(bench.client, pattern(4000));
  const got: Uint8Array[] = [];
  for (let i = 0; i < 3; i++) {
    await setImmediate();
    got.push(readNowAll(target!).bytes);
  }
  await writing;
  bench.client.reset();
  await bench.clock.settle();
  const into = new Uint8Array(10_000);
  for (let left = 4000 - concat(...got).length; left > 0;) {
    const size = target!.readNow(into);
    if (size === undefined) await setImmediate();
    else left -= got[got.push(into.slice(0, size!)) - 1]!.length;
  }
  assert.deepEqual(concat(...got), pattern(4000));
  await bench.clock.settle();
  assert.throws(() => target!.readNow(into), { kind: "lost" }, "and then it is told of the reset");
  await bench.isOver();
});

Deno.test("a client that has gone is told to a target that has its request, and still is silent", async () => {
  for (const how of ["end", "reset", "end, pipelined", "reset, pipelined"]) {
    const bench = new Bench(how.includes("pipelined") ? `${GET}GET http://a.ex` : GET);
    await bench.clock.settle();
    const [target] = bench.targets;
    if (how.startsWith("end")) bench.client.closeWrite();
    else bench.client.reset();
    await bench.clock.settle();
    const text = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
    if (how.startsWith("end")) {
      assert.deepEqual(readNowAll(target!), { bytes: utf8(text), isEnded: true }, how);
      target!.writeNow(utf8("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
      assert.match(await readHead(bench.client), /^HTTP\/1.1 200/);
      await bench.clock.settle();
      assert.deepEqual(readNowAll(bench.client), { bytes: utf8("ok"), isEnded: true });
    } else {
      assert.deepEqual(await readHead(target!), text);
      assert.throws(() => readNowAll(target!), { kind: "lost" }, how);
    }
    await bench.isOver();
    assert.equal(bench.clock.now(), 30_000, "nothing had to wait for a time-out");
  }
});

Deno.test("a client that ends behind requests that wait is told to the last one's target", async () => {
  const bench = new Bench(GET + GET.replaceAll("a.example", "b.example"));
  await bench.clock.settle();
  bench.client.closeWrite();
  await bench.clock.settle();
  assert.equal(readNowAll(bench.targets[0]!).isEnded, false);
  bench.targets[0]!.writeNow(utf8("HTTP/1.1 204 None\r\n\r\n"));
  await bench.clock.settle();
  assert.deepEqual(bench.asked, ["a.example:80", "b.example:80"]);
  assert.equal(readNowAll(bench.targets[1]!).isEnded, true);
  bench.targets[1]!.writeNow(utf8("HTTP/1.1 204 None\r\n\r\n"));
  assert.equal(await bench.isOver(), null);
});

/** Answers while the body is on its way, and closes with bytes that it has not read. */
async function answerEarly(bench: Bench, answer: string): Promise<Promise<unknown>> {
  await bench.clock.settle();
  const writing = (async () => await write(bench.client, pattern(400_000)))().catch(() => {});
  await bench.clock.settle();
  const [target] = bench.targets;
  target!.writeNow(utf8(answer));
  await target![Symbol.asyncDispose]();
  await bench.clock.settle();
  return writing;
}

Deno.test("an early answer to a request whose body is on its way comes whole, however the target ends", async () => {
  const upload = "POST http://a.example/ HTTP/1.1\nHost: x\nContent-Length: 400000\n\n";
  for (const length of ["Content-Length: 7\r\n", ""]) {
    const bench = new Bench(upload, { capacity: 20_000 });
    await answerEarly(bench, `HTTP/1.1 413 No\r\n${length}\r\ntoo big`);
    assert.match(await readHead(bench.client), /^HTTP\/1.1 413 No\r\n/);
    assert.equal(new TextDecoder().decode(await readExactly(bench.client, 7)), "too big");
    await bench.clock.settle();
    // Of a body that ends with its connection nobody knows whether it is whole.
    if (length === "") assert.throws(() => readNowAll(bench.client), { kind: "lost" });
    else assert.equal(readNowAll(bench.client).isEnded, true);
    await bench.client[Symbol.asyncDispose]();
    await bench.isOver();
  }
});

Deno.test("a target that is reset in a body without an answer is said to have been", async () => {
  const bench = new Bench("POST http://a.example/ HTTP/1.1\nHost: x\nContent-Length: 400000\n\n");
  await answerEarly(bench, "");
  assert.match(await readHead(bench.client), /^HTTP\/1.1 502/);
  const { bytes } = readNowAll(bench.client);
  assert.equal(
    new TextDecoder().decode(bytes),
    "The connection to a.example:80 was reset before an answer came.\n",
  );
  await bench.client[Symbol.asyncDispose]();
  await bench.isOver();
});

Deno.test("an abort ends it wherever it is", async () => {
  const states: ((bench: Bench) => Promise<void>)[] = [
    async () => {},
    async (bench) => await bench.clock.settle(),
    async (bench) => {
      await bench.clock.settle();
      bench.targets[0]!.writeNow(utf8("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"));
      await bench.clock.settle();
    },
    async (bench) => {
      await bench.clock.settle();
      bench.targets[0]!.writeNow(concat(utf8("HTTP/1.1 200 OK\r\n\r\n"), pattern(5000)));
      bench.targets[0]!.closeWrite();
      await bench.clock.settle();
    },
  ];
  for (const first of [GET, LAST, "CONNECT a.example:443 HTTP/1.1\nHost: x\n\n"]) {
    for (const [i, reach] of states.entries()) {
      const bench = new Bench(first, { capacity: 1000 });
      await reach(bench);
      bench.stop.abort(new Error("stop"));
      await bench.clock.settle();
      assert.ok(bench.upstreams.every(isClosed), `${first} ${i}`);
      assert.equal(bench.clock.pending, 0, `${first} ${i}`);
      await bench.ended;
    }
  }
});

Deno.test("a target that always has more lets all others have their turns", async () => {
  const bench = new Bench("GET http://web.example/ HTTP/1.1\nHost: web.example\n\n", {
    capacity: 1_000_000,
  });
  await bench.clock.advance(1);
  const [upstream] = bench.upstreams;
  const [target] = bench.targets;
  target!.writeNow(utf8("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"));
  await bench.clock.advance(1);
  // From here on there is always something, and always room for it.
  const before = bench.clock.turns;
  const MOST = 64 * 1024 * 1024;
  let given = 0;
  upstream!.readNow = (into) => {
    if (given >= MOST) return null;
    given += into.length;
    return into.length;
  };
  bench.near.writeNow = (bytes) => bytes.length;
  target!.writeNow(new Uint8Array(1)); // wakes it
  await bench.clock.advance(1);
  assert(given >= MOST);
  const turns = bench.clock.turns - before;
  assert(turns >= 32, `${turns} turns`);
  bench.stop.abort(new Error("enough"));
  await bench.isOver();
});

Deno.test("a target that is let go is told the end before its connection is closed", async () => {
  const bench = new Bench(GET);
  await bench.clock.settle();
  const [upstream] = bench.upstreams;
  const calls: string[] = [];
  const closeWrite = upstream!.closeWrite.bind(upstream);
  upstream!.closeWrite = () => {
    calls.push(isClosed(upstream!) ? "too late" : "end");
    return closeWrite();
  };
  web(bench.targets[0]!).catch(() => {});
  await bench.clock.settle();
  bench.client.closeWrite(); // after its answer it goes
  assert.equal(await bench.isOver(), null);
  assert.deepEqual(calls, ["end"]);
});
