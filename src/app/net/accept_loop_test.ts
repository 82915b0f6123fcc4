import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { keptLog } from "../../../tests/fake/log.ts";
import { MemoryNet, memoryPair } from "../../../tests/fake/memory.ts";
import { TtunError } from "../../base/errors.ts";
import type { Listener } from "../../contract/dial.ts";
import type { Connection } from "../../contract/connection.ts";
import type { OnReady } from "../../contract/stream.ts";
import { acceptLoop } from "./accept_loop.ts";
import { dial } from "./dial_events.ts";

const AT = { host: "192.0.2.1", port: 20203 };

function world(makeListener: (signal: AbortSignal) => Listener) {
  const clock = new FakeClock();
  const { log, records } = keptLog(clock);
  const stop = new AbortController();
  const taken: Connection[] = [];
  const counts = { madeRoom: 0 };
  const takes = { isDone: true };
  const loop = acceptLoop({
    listener: makeListener(stop.signal),
    clock,
    log,
    signal: stop.signal,
    take: (stream) => {
      taken.push(stream);
      return takes.isDone;
    },
    evictIdle: () => {
      counts.madeRoom++;
      return false;
    },
  });
  const ended = loop.catch((error: unknown) => error);
  return { clock, records, stop, taken, takes, counts, ended };
}

/** A listener that gives or throws what `next` returns, later where that is a promise. */
function listenerOf(next: () => Connection | Promise<Connection> | Error): Listener {
  let came: Connection | Error | null = null;
  let waiting: Promise<unknown> | null = null;
  return {
    addr: AT,
    acceptNow: () => {
      if (came === null && waiting === null) {
        const got = next();
        if (!(got instanceof Promise)) came = got;
        else waiting = got.then((stream) => came = stream, (error) => came = error);
      }
      const got = came;
      if (got === null) return null;
      came = waiting = null;
      if (got instanceof Error) throw got;
      return got;
    },
    onAcceptable: (run) => void waiting!.then(() => run()),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** A listener that has what `next` returns; `come` says that there may be something. */
function nowListenerOf(next: () => Connection | null | Error) {
  let onReady: OnReady | null = null;
  const listener: Listener = {
    addr: AT,
    acceptNow: () => {
      const got = next();
      if (got instanceof Error) throw got;
      return got;
    },
    onAcceptable: (run) => onReady = run,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const come = () => {
    const run = onReady;
    onReady = null;
    return run?.();
  };
  return { listener, come };
}

const nothing = () => new Promise<Connection>(() => {});
const exhausted = () => new TtunError("exhausted", "Cannot accept: out of descriptors");

Deno.test("the loop takes what comes, and ends with the signal's reason", async () => {
  const net = new MemoryNet();
  const w = world((signal) => net.listen(AT, { signal }));
  const { signal } = new AbortController();
  for (let i = 0; i < 3; i++) await dial(net.dialer(), AT, { signal });
  await w.clock.settle();
  assert.equal(w.taken.length, 3);
  const reason = new Error("stop");
  w.stop.abort(reason);
  assert.equal(await w.ended, reason);
  assert.equal(w.clock.pending, 0);
});

Deno.test("out of descriptors it makes room, waits 50 ms and goes on", async () => {
  const queue: (Connection | Error)[] = [exhausted(), exhausted(), memoryPair()[0]];
  const w = world(() => listenerOf(() => queue.shift() ?? nothing()));
  await w.clock.advance(49);
  assert.deepEqual([w.counts.madeRoom, queue.length], [1, 2]);
  await w.clock.advance(1);
  assert.deepEqual([w.counts.madeRoom, queue.length], [2, 1]);
  await w.clock.advance(50);
  assert.equal(w.taken.length, 1);
  assert.deepEqual(w.records.map(({ message }) => message), ["Cannot accept: out of descriptors"]);
});

Deno.test("a lasting shortage is told of every 10 s, not every 50 ms", async () => {
  const w = world(() => listenerOf(exhausted));
  await w.clock.advance(30_000);
  assert.deepEqual(w.records.map(({ time }) => time), [0, 10_050, 20_100]);
  assert.equal(w.counts.madeRoom, 601);
  w.stop.abort(new Error("stop"));
  await w.ended;
  assert.equal(w.clock.pending, 0);
});

Deno.test("a failure that comes later counts like one that is thrown at once", async () => {
  const queue = [Promise.reject<Connection>(exhausted()), Promise.resolve(memoryPair()[0])];
  const w = world(() => listenerOf(() => queue.shift() ?? nothing()));
  await w.clock.advance(50);
  assert.deepEqual([w.counts.madeRoom, w.taken.length], [1, 1]);
});

Deno.test("any other failure ends the loop and is thrown", async () => {
  for (const failure of [new TtunError("lost", "closed"), new Error("a bug")]) {
    const w = world(() => listenerOf(() => failure));
    assert.equal(await w.ended, failure);
    assert.equal(w.counts.madeRoom, 0);
  }
});

Deno.test("a run of connections gives everything else a turn now and then", async () => {
  let left = 100;
  const w = world(() => listenerOf(() => left-- > 0 ? memoryPair()[0] : nothing()));
  await w.clock.settle();
  assert.deepEqual([w.taken.length, w.clock.turns], [100, 3]);
});

Deno.test("connections that were waited for need no turn: the wait was one", async () => {
  let left = 100;
  const w = world(() =>
    listenerOf(() => left-- > 0 ? Promise.resolve(memoryPair()[0]) : nothing())
  );
  await w.clock.settle();
  assert.deepEqual([w.taken.length, w.clock.turns], [100, 0]);
});

Deno.test("where no promise is needed it is called back, and takes all that is there", async () => {
  const queue: Connection[] = [memoryPair()[0]];
  const { listener, come } = nowListenerOf(() => queue.shift() ?? null);
  const w = world(() => listener);
  assert.equal(w.taken.length, 1);
  queue.push(memoryPair()[0], memoryPair()[0]);
  assert.equal(come(), true); // nobody waits for a promise
  assert.equal(w.taken.length, 3);
  assert.equal(come(), true);
  w.takes.isDone = false; // who takes it goes on by a promise
  queue.push(memoryPair()[0]);
  assert.equal(come(), false);
  assert.equal(come(), true);
  const reason = new Error("stop");
  w.stop.abort(reason);
  assert.equal(await w.ended, reason);
});

Deno.test("the same out of descriptors, in a run, and at the listener's end", async () => {
  const closed = new TtunError("lost", "closed");
  const queue: (Connection | Error)[] = [exhausted(), memoryPair()[0]];
  const { listener, come } = nowListenerOf(() => queue.shift() ?? null);
  const w = world(() => listener);
  assert.deepEqual([w.counts.madeRoom, w.taken.length], [1, 0]);
  await w.clock.advance(50);
  assert.equal(w.taken.length, 1);
  for (let i = 0; i < 100; i++) queue.push(memoryPair()[0]);
  come();
  await w.clock.settle();
  assert.deepEqual([w.taken.length, w.clock.turns], [101, 3]);
  queue.push(closed);
  come();
  assert.equal(await w.ended, closed);
});
