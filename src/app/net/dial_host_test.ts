import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { MemoryNet, memoryPair } from "../../../tests/fake/memory.ts";
import type { Addr } from "../../base/addr.ts";
import { TtunError, UnreachableError, type UnreachableReason } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";
import type { Dialer, DialEvents, DialOptions } from "../../contract/dial.ts";
import type { Connection } from "../../contract/connection.ts";
import { interleave } from "../../core/net/happy_eyeballs.ts";
import { dialAny } from "./dial_host.ts";
import { dial as dialWith, tell } from "./dial_events.ts";
import { dialBy } from "../../../tests/fake/dialer.ts";

const V6 = ["2001:db8::1", "2001:db8::2", "2001:db8::3"] as const;
const V4 = ["192.0.2.1", "192.0.2.2"] as const;

type Answer = { after: number; error?: TtunError };

/** A dialer whose addresses answer as told, by the clock; without an answer they are silent. */
class SlowDialer implements Dialer {
  readonly started: [host: string, at: number][] = [];
  readonly aborted: string[] = [];
  readonly closed: string[] = [];
  readonly signals = new Map<string, AbortSignal>();
  readonly #clock: FakeClock;
  readonly #answers: Record<string, Answer>;
  /** Answers even when it was given up: the abort came too late. */
  readonly #stubborn: boolean;

  constructor(clock: FakeClock, answers: Record<string, Answer>, stubborn = false) {
    this.#clock = clock;
    this.#answers = answers;
    this.#stubborn = stubborn;
  }

  start(to: Addr, o: DialOptions, events: DialEvents): void {
    tell(events, this.#dial(to, o));
  }

  #dial(to: Addr, { signal, cancel = signal }: DialOptions): Promise<Connection> {
    const host = "host" in to ? to.host : to.path;
    this.started.push([host, this.#clock.now()]);
    this.signals.set(host, signal);
    const { promise, resolve, reject } = Promise.withResolvers<Connection>();
    const answer = this.#answers[host];
    const timer = answer === undefined ? null : this.#clock.after(answer.after, () => {
      if (answer.error !== undefined) reject(answer.error);
      else resolve(this.#stream(to));
    });
    onAbort(cancel, (reason) => {
      this.aborted.push(host);
      if (this.#stubborn) return;
      timer?.[Symbol.dispose]();
      reject(reason);
    });
    return promise;
  }

  #stream(to: Addr): Connection {
    const [stream] = memoryPair({ addressB: to });
    const close = stream[Symbol.asyncDispose].bind(stream);
    stream[Symbol.asyncDispose] = async () => {
      this.closed.push("host" in to ? to.host : to.path);
      await close();
    };
    return stream;
  }
}

function dial(
  answers: Record<string, Answer>,
  addresses: readonly string[] | Promise<string[]>,
  o: { stubborn?: boolean; timeoutMs?: number } = {},
) {
  const clock = new FakeClock();
  const dialer = new SlowDialer(clock, answers, o.stubborn);
  const stop = new AbortController();
  const dialling = dialAny({
    to: { host: "server.example", port: 20203 },
    dialer,
    resolver: { resolve: async () => [...await addresses] },
    clock,
    signal: stop.signal,
    timeoutMs: o.timeoutMs ?? 10_000,
  });
  dialling.catch(() => {}); // each test looks at it in its own time
  return { clock, dialer, dialling, stop };
}

const refused = (host: string) => new TtunError("unreachable", `${host} refused`);

Deno.test("addresses are taken by turns of family, in the resolver's order, its first one first", () => {
  const cases: [string[], string[]][] = [
    [[], []],
    [[V4[0]], [V4[0]]],
    [[...V6, ...V4], [V6[0], V4[0], V6[1], V4[1], V6[2]]],
    [[V4[0], ...V6, V4[1]], [V4[0], V6[0], V4[1], V6[1], V6[2]]],
    [[...V6], [...V6]],
  ];
  for (const [given, wanted] of cases) assert.deepEqual(interleave(given), wanted);
});

Deno.test("attempts start 250 ms after one another while none has answered", async () => {
  const { clock, dialer, dialling } = dial({ [V4[1]]: { after: 10 } }, [...V6, ...V4]);
  const stream = await clock.until(dialling);
  assert.deepEqual(dialer.started, [[V6[0], 0], [V4[0], 250], [V6[1], 500], [V4[1], 750]]);
  assert.deepEqual(stream.remote, { host: V4[1], port: 20203 });
  assert.equal(clock.now(), 760);
  assert.deepEqual(dialer.aborted.sort(), [V6[0], V6[1], V4[0]].sort());
  assert.equal(clock.pending, 0);
});

Deno.test("an answer within 250 ms leaves the other addresses alone", async () => {
  const { clock, dialer, dialling } = dial({ [V6[0]]: { after: 249 } }, [V6[0], V4[0]]);
  await clock.until(dialling);
  assert.deepEqual([dialer.started, clock.pending], [[[V6[0], 0]], 0]);
});

Deno.test("after a failure the next address is tried at once, and its 250 ms count from there", async () => {
  const answers = { [V6[0]]: { after: 100, error: refused(V6[0]) }, [V6[1]]: { after: 300 } };
  const { clock, dialer, dialling } = dial(answers, [V6[0], V4[0], V6[1]]);
  await clock.until(dialling);
  assert.deepEqual(dialer.started, [[V6[0], 0], [V4[0], 100], [V6[1], 350]]);
});

Deno.test("the first to connect wins, also one that was started before others", async () => {
  const answers = { [V6[0]]: { after: 600 }, [V4[0]]: { after: 9_000 } };
  const { clock, dialer, dialling } = dial(answers, [V6[0], V4[0]]);
  const stream = await clock.until(dialling);
  assert.deepEqual(stream.remote, { host: V6[0], port: 20203 });
  assert.deepEqual(dialer.aborted, [V4[0]]);
});

Deno.test("a loser that connects all the same is closed", async () => {
  const answers = { [V6[0]]: { after: 600 }, [V4[0]]: { after: 400 } };
  const { clock, dialer, dialling } = dial(answers, [V6[0], V4[0]], { stubborn: true });
  const stream = await clock.until(dialling);
  assert.deepEqual(stream.remote, { host: V6[0], port: 20203 });
  await clock.advance(1_000);
  assert.deepEqual(dialer.closed, [V4[0]]);
});

const unreachable = (host: string, reason: UnreachableReason) =>
  new UnreachableError(reason, `${host}: ${reason}`);

Deno.test("when all fail, the failure that says most is thrown", async () => {
  const answers = {
    [V6[0]]: { after: 10, error: unreachable("the first", "network") },
    [V4[0]]: { after: 10, error: unreachable("the second", "refused") },
    [V6[1]]: { after: 10, error: unreachable("the third", "host") },
  };
  const { clock, dialling } = dial(answers, [V6[0], V4[0], V6[1]]);
  await assert.rejects(clock.until(dialling), /the second: refused/);
});

Deno.test("that one address refuses is told at the end of the time, though another is silent", async () => {
  const answers = { [V4[0]]: { after: 10, error: unreachable("the second", "refused") } };
  const { clock, dialer, dialling } = dial(answers, [V6[0], V4[0]]);
  await assert.rejects(clock.until(dialling), /the second: refused/);
  assert.deepEqual([clock.now(), clock.pending], [10_000, 0]);
  assert.deepEqual(dialer.aborted, [V6[0]]);
});

Deno.test("that an address has no way to it does not hide that another one is silent", async () => {
  const answers = { [V6[0]]: { after: 10, error: unreachable("the first", "network") } };
  const { clock, dialling } = dial(answers, [V6[0], V4[0]]);
  await assert.rejects(clock.until(dialling), { kind: "timeout" });
});

Deno.test("of failures that say the same the first one is thrown", async () => {
  const answers = {
    [V6[0]]: { after: 100, error: refused("the first") },
    [V4[0]]: { after: 10, error: refused("the second") },
  };
  const { clock, dialer, dialling } = dial(answers, [V6[0], V4[0]]);
  await assert.rejects(clock.until(dialling), /the first refused/);
  assert.equal(dialer.started.length, 2);
  assert.deepEqual([clock.now(), clock.pending], [110, 0]);
});

Deno.test("without an answer it gives up after the time for all of it", async () => {
  const { clock, dialer, dialling } = dial({}, [V6[0], V4[0]]);
  await assert.rejects(clock.until(dialling), {
    kind: "timeout",
    message: "Cannot connect to server.example:20203: no answer within 10 s",
  });
  assert.deepEqual([clock.now(), clock.pending], [10_000, 0]);
  assert.deepEqual(dialer.aborted, [V6[0], V4[0]]);
});

Deno.test("a connection that comes after the time-out is closed", async () => {
  const { clock, dialer, dialling } = dial({ [V4[0]]: { after: 10_001 } }, [V4[0]], {
    stubborn: true,
  });
  await assert.rejects(clock.until(dialling), { kind: "timeout" });
  await clock.advance(10);
  assert.deepEqual(dialer.closed, [V4[0]]);
});

Deno.test("the time-out counts the resolver's time as well", async () => {
  const { clock, dialling } = dial({}, new Promise(() => {}), { timeoutMs: 3_000 });
  await assert.rejects(clock.until(dialling), {
    kind: "name",
    reason: "silent",
    message: /Cannot resolve .*: no answer from the name servers within 3 s/,
  });
  assert.equal(clock.now(), 3_000);
});

Deno.test("an address is dialled as it is: no resolver, no other attempt, the dialer's own time", async () => {
  for (const host of [V4[0], V6[0]]) {
    const clock = new FakeClock();
    const dialer = new SlowDialer(clock, { [host]: { after: 400 } });
    const asked: unknown[] = [];
    const { signal } = new AbortController();
    const to = { host, port: 20203 };
    const dialling = dialAny({
      to,
      dialer: dialBy((to, o) => {
        asked.push(o);
        return dialWith(dialer, to, o);
      }),
      resolver: { resolve: () => assert.fail("asked for a name") },
      clock,
      signal,
      timeoutMs: 1000,
      choose: (addresses) => {
        asked.push(addresses);
        return addresses;
      },
    });
    const stream = await clock.until(dialling);
    assert.deepEqual(stream.remote, to);
    assert.deepEqual(asked, [[host], { signal, timeoutMs: 1000 }]);
    assert.deepEqual(dialer.started, [[host, 0]]);
    assert.equal(clock.pending, 0);
  }
});

Deno.test("an address that may not be tried is not", async () => {
  const clock = new FakeClock();
  const dialer = new SlowDialer(clock, {});
  const refusal = new Error("not there");
  const dialling = dialAny({
    to: { host: V4[0], port: 1 },
    dialer,
    resolver: { resolve: () => assert.fail("asked for a name") },
    clock,
    signal: new AbortController().signal,
    timeoutMs: 1000,
    choose: () => {
      throw refusal;
    },
  });
  await assert.rejects(dialling, (error) => error === refusal);
  assert.deepEqual(dialer.started, []);
});

Deno.test("a name that does not resolve is that failure, and nothing is dialled", async () => {
  const unknown = new TtunError("name", "no such host");
  const { clock, dialer, dialling } = dial({}, Promise.reject(unknown));
  await assert.rejects(clock.until(dialling), (error) => error === unknown);
  assert.deepEqual([dialer.started, clock.pending], [[], 0]);
});

Deno.test("an abort ends the attempts with its reason", async () => {
  const { clock, dialer, dialling, stop } = dial({}, [V6[0], V4[0]]);
  await clock.advance(300);
  const reason = new Error("stop");
  stop.abort(reason);
  await assert.rejects(dialling, (error) => error === reason);
  assert.deepEqual([dialer.aborted, clock.pending], [[V6[0], V4[0]], 0]);
});

Deno.test("under an aborted signal nothing is resolved or dialled", async () => {
  const clock = new FakeClock();
  const reason = new Error("stop");
  let resolved = false;
  const dialling = dialAny({
    to: { host: "server.example", port: 1 },
    dialer: new SlowDialer(clock, {}),
    resolver: { resolve: () => Promise.resolve([String(resolved = true)]) },
    clock,
    signal: AbortSignal.abort(reason),
    timeoutMs: 1_000,
  });
  await assert.rejects(dialling, (error) => error === reason);
  assert.deepEqual([resolved, clock.pending], [false, 0]);
});

Deno.test("the stream that won lives on under the caller's signal, not under the time-out", async () => {
  const { clock, dialer, dialling, stop } = dial({ [V4[0]]: { after: 5 } }, [V4[0]]);
  await clock.until(dialling);
  await clock.advance(60_000);
  assert.equal(dialer.signals.get(V4[0])?.aborted, false);
  const reason = new Error("stop");
  stop.abort(reason);
  assert.equal(dialer.signals.get(V4[0])?.reason, reason);
});

Deno.test("nothing of a connection by name stays behind at the signal that it lived under", async () => {
  const clock = new FakeClock();
  const net = new MemoryNet({ clock });
  const { signal } = new AbortController();
  const listener = net.listen({ host: V4[0], port: 20203 }, {
    signal: new AbortController().signal,
  });
  let listeners = 0;
  const count = (change: number, inner: (...args: [string, () => void]) => void) =>
    ((...args: [string, () => void]) => {
      listeners += change;
      inner.apply(signal, args);
    }) as typeof signal.addEventListener;
  signal.addEventListener = count(1, signal.addEventListener);
  signal.removeEventListener = count(-1, signal.removeEventListener);
  for (let i = 0; i < 3; i++) {
    const stream = await dialAny({
      to: { host: "server.example", port: 20203 },
      dialer: net.dialer(),
      resolver: { resolve: () => Promise.resolve([V4[0]]) },
      clock,
      signal,
      timeoutMs: 1_000,
    });
    assert.equal(listeners, 1, "the stream lives under the signal");
    await stream[Symbol.asyncDispose]();
    assert.equal(listeners, 0);
  }
  await listener[Symbol.asyncDispose]();
});
