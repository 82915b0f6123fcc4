import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { TtunError } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";
import { provenFirst, type Try } from "./proven_first.ts";

/** A try that does not connect until it is given up. */
function nobody({ signal }: Try): Promise<never> {
  return new Promise((_, reject) => void onAbort(signal, reject));
}

/** A try that connects, and is silent until it is given up. */
function silent(one: Try): Promise<never> {
  one.connected();
  return nobody(one);
}

const failing = (kind: "name" | "unreachable" | "busy", words: string) => () =>
  Promise.reject(new TtunError(kind, words));

/** Meets the key after `ms`. */
function meeting<T>(clock: FakeClock, ms: number, value: T) {
  return async (one: Try): Promise<T> => {
    one.connected();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    using _timer = clock.after(ms, resolve);
    using _registration = onAbort(one.signal, reject);
    await promise;
    if (!one.proved()) throw new TtunError("lost", "Another has");
    return value;
  };
}

function racing<T>(
  proven: (one: Try) => Promise<T>,
  others: (one: Try) => Promise<T>,
  clock = new FakeClock(),
) {
  const stop = new AbortController();
  return { clock, stop, met: provenFirst({ clock, signal: stop.signal, proven, others }) };
}

Deno.test("while the last address answers, no other is tried", async () => {
  const clock = new FakeClock();
  let asked = 0;
  const others = () => Promise.resolve(++asked);
  const { met } = racing<unknown>(meeting(clock, 1_999, "server"), others, clock);
  assert.equal(await clock.until(met), "server");
  assert.deepEqual([asked, clock.now(), clock.pending], [0, 1_999, 0]);
});

Deno.test("one that is silent for 2 s has the others beside it, and the first key wins", async () => {
  const clock = new FakeClock();
  const { met } = racing<unknown>(silent, meeting(clock, 500, "moved"), clock);
  assert.equal(await clock.until(met), "moved");
  assert.deepEqual([clock.now(), clock.pending], [2_500, 0]);
  const slow = new FakeClock();
  const late = racing<unknown>(meeting(slow, 3_000, "server"), silent, slow);
  assert.equal(await slow.until(late.met), "server");
  assert.deepEqual([slow.now(), slow.pending], [3_000, 0]);
});

Deno.test("one that does not connect has the others beside it after a quarter of a second", async () => {
  const clock = new FakeClock();
  const { met } = racing<unknown>(nobody, meeting(clock, 500, "moved"), clock);
  assert.equal(await clock.until(met), "moved");
  assert.deepEqual([clock.now(), clock.pending], [750, 0]);
});

Deno.test("one that fails is tried each second beside the others, until these have failed", async () => {
  const clock = new FakeClock();
  const times: number[] = [];
  const refused = (_one: Try) => {
    times.push(clock.now());
    return Promise.reject(new TtunError("unreachable", "refused"));
  };
  const others = async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    using _timer = clock.after(2_500, resolve);
    await promise;
    throw new TtunError("timeout", "silent");
  };
  const { met } = racing(refused, others, clock);
  await assert.rejects(clock.until(met), /silent/);
  assert.deepEqual([times, clock.now(), clock.pending], [[0, 1_000, 2_000], 2_500, 0]);
});

Deno.test("a name without another address costs no time, and the last address's error is told", async () => {
  const { clock, met } = racing(failing("unreachable", "refused"), failing("name", "has none"));
  await assert.rejects(clock.until(met), /refused/);
  assert.deepEqual([clock.now(), clock.pending], [0, 0]);
});

Deno.test("whoever has the key and has no place for us ends the attempt", async () => {
  const refusing = (one: Try) => {
    one.proved();
    return Promise.reject(new TtunError("busy", "serves another client"));
  };
  const { clock, met } = racing<unknown>(silent, refusing);
  await assert.rejects(clock.until(met), /serves another client/);
  assert.deepEqual([clock.now(), clock.pending], [2_000, 0]);
});

Deno.test("of two that prove the key one alone goes on", async () => {
  const clock = new FakeClock();
  const said: boolean[] = [];
  const both = async (one: Try) => {
    one.connected();
    const { promise, resolve } = Promise.withResolvers<void>();
    using _timer = clock.after(4_000 - clock.now(), resolve);
    await promise; // it does not look at its signal
    said.push(one.proved());
    if (!said.at(-1)!) throw new TtunError("lost", "Another has");
    return said.length;
  };
  const { met } = racing(both, both, clock);
  assert.equal(await clock.until(met), 1);
  assert.deepEqual([said, clock.pending], [[true, false], 0]);
});

Deno.test("a stop ends all tries", async () => {
  for (const ms of [0, 2_500]) {
    const { clock, met, stop } = racing(silent, silent);
    await clock.advance(ms);
    stop.abort(new Error("stopped"));
    await assert.rejects(clock.until(met), /stopped/);
    assert.equal(clock.pending, 0);
  }
});
