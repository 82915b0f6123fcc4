import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { keptLog } from "../../../tests/fake/log.ts";
import { MemoryNet } from "../../../tests/fake/memory.ts";
import { readNowAll } from "../../../tests/fake/tt_ends.ts";
import { oldPort } from "../../../tests/fake/tt_old.ts";
import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { Scope } from "../../base/scope.ts";
import type { Listener } from "../../contract/dial.ts";
import type { Connection } from "../../contract/connection.ts";
import { TtKeys } from "../../core/tt/keys.ts";
import { portOf } from "../../core/hop/port_range.ts";
import { ListenSchedule } from "../../core/hop/schedule.ts";
import { PortList } from "../../core/status/port_list.ts";
import { PortHopper } from "./port_hopper.ts";
import { write } from "../loop/stream_io.ts";
import { dial } from "../net/dial_events.ts";

const HOST = "192.0.2.1";
const MINUTE = 26_173_462;
const WIDE = { first: 1024, last: 65_535 };
const never = new AbortController().signal;

/** A hopper on a network of which some ports are not to be had. */
class Harbour implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly net = new MemoryNet();
  /** Listeners of the hopper that are open, by port. */
  readonly open = new Map<number, Listener>();
  /** Errors that a bind of this port meets. */
  readonly broken = new Map<number, TtunError>();
  readonly everything = { fails: null as TtunError | null };
  /** Each bind that was tried, as `port@seconds`. */
  readonly tried: string[] = [];
  readonly taken: [Connection, number][] = [];
  /** Errors that `accept` throws, once each. */
  readonly acceptErrors: unknown[] = [];
  /** The wall clock is set by so much. */
  set = 0;
  madeRoom = 0;
  readonly portList = new PortList();
  readonly log: ReturnType<typeof keptLog>;
  readonly tasks = new Scope();
  readonly ended: Promise<unknown>;
  readonly #range: { first: number; last: number };
  readonly #hopper: PortHopper;
  #passwords: readonly string[];
  readonly #schedules = new Map<string, ListenSchedule>();

  constructor(
    o: {
      range?: { first: number; last: number };
      passwords?: readonly string[];
      prepare?: (harbour: Harbour) => void;
    } = {},
  ) {
    this.#range = o.range ?? WIDE;
    this.#passwords = o.passwords ?? ["password"];
    this.log = keptLog(this.clock);
    o.prepare?.(this);
    this.#hopper = new PortHopper(this.tasks, {
      schedules: this.#passwords.map((password) => this.#scheduleOf(password)),
      portList: this.portList,
      range: this.#range,
      host: HOST,
      listen: (at, options) => this.#listen(at.port, options.signal),
      clock: this.clock,
      wallClock: () => this.wall,
      log: this.log.log,
      take: (stream, port) => void this.taken.push([stream, port]),
      evictIdle: () => ++this.madeRoom > 0,
    });
    this.tasks.spawn(() => this.#hopper.run());
    this.ended = this.tasks.join().then(() => null, (error: unknown) => error);
  }

  /** Has the ports of these passwords alone open. */
  replace(passwords: readonly string[]): void {
    this.#passwords = passwords;
    this.#hopper.replace(passwords.map((password) => this.#scheduleOf(password)));
  }

  #scheduleOf(password: string): ListenSchedule {
    const known = this.#schedules.get(password);
    if (known !== undefined) return known;
    const keys = new TtKeys(utf8(password));
    const schedule = new ListenSchedule({
      minutePort: (minute) => {
        const { otp, lifetime } = keys.at(minute);
        return { port: portOf(otp, this.#range), lifetime };
      },
    });
    this.#schedules.set(password, schedule);
    return schedule;
  }

  get wall(): number {
    return 60_000 * MINUTE + 20_000 + this.clock.now() + this.set;
  }

  /** The ports that must be open now, of all passwords. */
  get wanted(): number[] {
    const now = Math.floor(this.wall / 60_000);
    const ports = this.#passwords.flatMap((password) =>
      [now - 1, now, now + 1].map((minute) =>
        oldPort({ password, cipher: "chacha20-poly1305", ...this.#range }, minute)
      )
    );
    return [...new Set(ports)].sort((a, b) => a - b);
  }

  get openPorts(): number[] {
    return [...this.open.keys()].sort((a, b) => a - b);
  }

  #listen(port: number, signal: AbortSignal): Listener {
    this.tried.push(`${port}@${this.clock.now() / 1000}`);
    const error = this.everything.fails ?? this.broken.get(port);
    if (error) throw error;
    const inner = this.net.listen({ host: HOST, port }, { signal });
    const forget = () => this.open.delete(port);
    signal.addEventListener("abort", forget);
    const listener: Listener = {
      addr: inner.addr,
      acceptNow: (o) => {
        if (this.acceptErrors.length > 0) throw this.acceptErrors.shift();
        return inner.acceptNow(o);
      },
      onAcceptable: (run) => inner.onAcceptable(run),
      [Symbol.asyncDispose]: async () => {
        if (this.open.get(port) === listener) forget();
        await inner[Symbol.asyncDispose]();
      },
    };
    assert.equal(this.open.has(port), false, `${port} twice`);
    this.open.set(port, listener);
    return listener;
  }

  lines(): string[] {
    return this.log.records.filter(({ level }) => level === "warn").map((r) => r.message);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.tasks.cancel(new Error("the test is over"));
    await this.clock.settle();
    await this.ended;
    assert.deepEqual([this.open.size, this.clock.pending], [0, 0]);
  }
}

const inUse = (port: number) => new TtunError("in_use", `Cannot listen on ${port}: it is taken`);

Deno.test("over three hours the ports of T-1, T and T+1 are open in every second, and no others", async () => {
  await using harbour = new Harbour();
  for (let second = 0; second < 3 * 3600; second++) {
    await harbour.clock.advance(1000);
    assert.deepEqual(harbour.openPorts, harbour.wanted, `after ${second} s`);
  }
  assert.equal(harbour.tried.length, new Set(harbour.tried).size);
  assert.ok(harbour.tried.length > 175, `${harbour.tried.length} binds`);
  assert.deepEqual(harbour.lines(), []);
});

for (const width of [0, 1, 2, 3]) {
  Deno.test(`a range of ${width + 1} ports, three passwords: each port is bound once, as long as any wants it`, async () => {
    await using harbour = new Harbour({
      range: { first: 5000, last: 5000 + width },
      passwords: ["one", "two", "three"],
    });
    for (let second = 0; second < 1200; second++) {
      await harbour.clock.advance(1000);
      assert.deepEqual(harbour.openPorts, harbour.wanted, `after ${second} s`);
    }
    if (width <= 1) assert.equal(harbour.tried.length, 1);
  });
}

Deno.test("two accounts whose ports are the same have it together, and it goes with the last", async () => {
  await using harbour = new Harbour({ range: { first: 5000, last: 5040 }, passwords: ["a", "b"] });
  let shared = 0;
  for (let minute = 0; minute < 240; minute++) {
    await harbour.clock.advance(60_000);
    assert.deepEqual(harbour.openPorts, harbour.wanted);
    if (harbour.wanted.length < 6) shared++;
  }
  assert.ok(shared > 20, `${shared} minutes with a port in common`);
});

Deno.test("a port that is taken is tried every two seconds as long as it is wanted, and told of once", async () => {
  await using harbour = new Harbour({
    prepare: (harbour) => {
      const port = harbour.wanted[0]!;
      harbour.broken.set(port, inUse(port));
    },
  });
  const [port, ...others] = harbour.wanted;
  await harbour.clock.advance(9_000);
  assert.deepEqual(harbour.openPorts, others);
  const told = harbour.portList.describe();
  const taken = told.filter(({ state }) => state === "taken").map(({ port }) => port);
  assert.deepEqual([told.length, taken], [3, [port]]);
  const tries = () => harbour.tried.filter((one) => one.startsWith(`${port}@`));
  assert.deepEqual(tries(), [0, 2, 4, 6, 8].map((second) => `${port}@${second}`));
  assert.deepEqual(harbour.lines(), [
    `Cannot listen on ${HOST}:${port}: another program has the port; clients take a port of the ` +
    "minutes beside it; it is tried again until it is free",
  ]);
  harbour.broken.clear();
  await harbour.clock.advance(1_000);
  assert.deepEqual(harbour.openPorts, [port, ...others]);
  assert.equal(harbour.lines().length, 1);
});

Deno.test("a port that is taken until nobody wants it any more is given up", async () => {
  await using harbour = new Harbour();
  await harbour.clock.settle();
  harbour.everything.fails = inUse(0); // whatever is not open yet
  await harbour.clock.advance(360_000);
  assert.deepEqual(harbour.openPorts, []);
  const { wanted } = harbour;
  const last = harbour.tried.slice(-30).map((one) => Number(one.split("@")[0]));
  assert.ok(last.every((port) => wanted.includes(port)), "ports of the past are still tried");
  assert.equal(harbour.lines().length, 6); // one for each minute's port
  harbour.everything.fails = null;
  await harbour.clock.advance(2_000);
  assert.deepEqual(harbour.openPorts, harbour.wanted);
});

Deno.test("any other failure is tried again after 15 s", async () => {
  await using harbour = new Harbour({
    prepare: (harbour) => {
      const port = harbour.wanted[1]!;
      harbour.broken.set(port, new TtunError("exhausted", "No descriptors"));
    },
  });
  await harbour.clock.advance(31_000);
  const port = [...harbour.broken.keys()][0]!;
  const tries = harbour.tried.filter((one) => one.startsWith(`${port}@`));
  assert.deepEqual(tries, [0, 15, 30].map((second) => `${port}@${second}`));
});

Deno.test("a clock that is set either way, by any time, is followed within two seconds", async () => {
  await using harbour = new Harbour();
  await harbour.clock.advance(10_000);
  for (const jump of [60_000, -60_000, 7_200_000, -86_400_000, 30_000, -3_000, 1e11, -1.6e12]) {
    harbour.set += jump;
    await harbour.clock.advance(2_000);
    assert.deepEqual(harbour.openPorts, harbour.wanted, `after ${jump} ms`);
    await harbour.clock.advance(61_000);
    assert.deepEqual(harbour.openPorts, harbour.wanted);
  }
});

Deno.test("a clock that is set back by a little does not keep a taken port from being tried", async () => {
  await using harbour = new Harbour({
    prepare: (harbour) => {
      const port = harbour.wanted[0]!;
      harbour.broken.set(port, inUse(port));
    },
  });
  await harbour.clock.advance(1_000);
  harbour.set -= 10_000;
  harbour.broken.clear();
  await harbour.clock.advance(3_000);
  assert.deepEqual(harbour.openPorts, harbour.wanted);
});

Deno.test("connections come from every open port, and live on when it closes", async () => {
  await using harbour = new Harbour();
  await harbour.clock.settle();
  const dialer = harbour.net.dialer();
  const ports = harbour.openPorts;
  const clients: Connection[] = [];
  for (const port of ports) {
    clients.push(await dial(dialer, { host: HOST, port }, { signal: never }));
  }
  await harbour.clock.settle();
  assert.deepEqual(harbour.taken.map(([, port]) => port), ports);
  await harbour.clock.advance(600_000);
  for (const port of ports) {
    await assert.rejects(dial(dialer, { host: HOST, port }, { signal: never }), {
      kind: "unreachable",
    });
  }
  for (const [i, [stream]] of harbour.taken.entries()) {
    write(clients[i]!, utf8("still there"));
    assert.deepEqual(readNowAll(stream).bytes, utf8("still there"));
    write(stream, utf8("yes"));
    assert.deepEqual(readNowAll(clients[i]!).bytes, utf8("yes"));
  }
});

Deno.test("a listener that ends by itself is told of, and opened again after 15 s", async () => {
  await using harbour = new Harbour({
    prepare: (harbour) => harbour.acceptErrors.push(new TtunError("system", "Cannot accept: gone")),
  });
  await harbour.clock.advance(14_000);
  assert.equal(harbour.openPorts.length, 2);
  assert.deepEqual(harbour.lines(), ["Cannot accept: gone"]);
  await harbour.clock.advance(1_000);
  assert.deepEqual(harbour.openPorts, harbour.wanted);
});

Deno.test("out of descriptors it makes room and goes on with the same listeners", async () => {
  const exhausted = () => new TtunError("exhausted", "Cannot accept: no descriptor is left");
  await using harbour = new Harbour({
    prepare: (harbour) => harbour.acceptErrors.push(exhausted(), exhausted(), exhausted()),
  });
  await harbour.clock.settle();
  assert.ok(harbour.madeRoom >= 3);
  const [port] = harbour.openPorts;
  await dial(harbour.net.dialer(), { host: HOST, port: port! }, { signal: never });
  await harbour.clock.settle();
  assert.equal(harbour.taken.length, 1);
  assert.equal(harbour.openPorts.length, 3);
});

const NO_RIGHT = new TtunError("privilege", "Cannot listen: no privilege for it");

Deno.test("where no port can ever be opened it fails at once, with the reason", async () => {
  const cases = [
    { range: WIDE, error: NO_RIGHT, isFinal: true },
    { range: WIDE, error: inUse(1), isFinal: false },
    { range: { first: 443, last: 443 }, error: inUse(443), isFinal: true },
  ];
  for (const { range, error, isFinal } of cases) {
    await using harbour = new Harbour({
      range,
      prepare: (harbour) => harbour.everything.fails = error,
    });
    let isOver = false;
    harbour.ended.then(() => isOver = true);
    await harbour.clock.settle();
    assert.equal(isOver, isFinal);
    if (isFinal) {
      const ended = await harbour.ended;
      assert.ok(ended instanceof TtunError);
      assert.equal(ended.kind, error.kind);
      assert.deepEqual(harbour.log.records, [], "the error alone tells the cause");
      // The port is no part of --listen.
      if (error.kind === "in_use") assert.match(ended.message, /another --port-range/);
      else assert.equal(ended, error);
    }
  }
});

Deno.test("once a port has been open, nothing but the signal ends it", async () => {
  await using harbour = new Harbour();
  await harbour.clock.settle();
  harbour.everything.fails = NO_RIGHT;
  await harbour.clock.advance(600_000);
  assert.deepEqual(harbour.openPorts, []);
  harbour.everything.fails = null;
  await harbour.clock.advance(15_000);
  assert.deepEqual(harbour.openPorts, harbour.wanted);
});

Deno.test("the ports that are open are told once at the start, and then to debug", async () => {
  await using harbour = new Harbour();
  await harbour.clock.advance(10 * 60_000);
  const told = harbour.log.records.filter(({ level }) => level === "info");
  assert.deepEqual(told.map(({ message }) => message), [
    "listening; the firewall must let the whole range in",
  ]);
  const { ports, range } = told[0]!.fields!;
  assert.equal(range, "1024-65535");
  assert.equal(String(ports).match(/\d+ until \d\d:\d\d UTC/g)?.length, 3);
  const later = harbour.log.records.filter(({ level }) => level === "debug");
  assert.ok(later.length >= 10);
});

Deno.test("when keys are replaced, their ports are open at once, and those of others closed", async () => {
  await using harbour = new Harbour({ passwords: ["one", "two"] });
  await harbour.clock.settle();
  assert.deepEqual(harbour.openPorts, harbour.wanted);
  harbour.replace(["two", "three"]);
  await harbour.clock.settle();
  assert.deepEqual(harbour.openPorts, harbour.wanted);
  harbour.replace(["three"]);
  await harbour.clock.settle();
  assert.deepEqual(harbour.openPorts, harbour.wanted);
});
