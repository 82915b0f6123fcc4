import assert from "node:assert/strict";
import { echoAll, readAll } from "../../../tests/fake/read_all.ts";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { CountedStreams } from "../../../tests/fake/counted_streams.ts";
import { keptLog } from "../../../tests/fake/log.ts";
import { MemoryNet, memoryPair } from "../../../tests/fake/memory.ts";
import { exchange, socks4, socks5, web } from "../../../tests/fake/proxy_programs.ts";
import { pattern } from "../../../tests/fake/tt_ends.ts";
import { type HostPort, requireHostPort } from "../../base/addr.ts";
import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { Connection } from "../../contract/connection.ts";
import { parseDynamicForward, parseLocalForward } from "../../core/forward/parse.ts";
import type { StdioForward } from "../forward/stdio_forward.ts";
import { accept, write } from "../loop/stream_io.ts";
import { dial } from "../net/dial_events.ts";
import { directOutbound } from "../net/direct_outbound.ts";
import { type ForwardTable, listenForwards } from "./forward_table.ts";
import { FORWARD_LIMITS, type ForwardLimits, runForwards } from "./forwards.ts";

const TARGET = "192.0.2.10";

/** A client with forwards whose far side is the same network. */
class World implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly net = new MemoryNet({ clock: this.clock });
  /** Streams of the client. */
  readonly streams = new CountedStreams(this.net);
  readonly stop = new AbortController();
  readonly kept = keptLog(this.clock);
  readonly ended: Promise<unknown>;
  readonly forwards: ForwardTable;
  readonly #stdio: StdioForward | undefined;
  counters = () => ({ connections: 0, served: 0 });

  constructor(
    forwards: { local?: string[]; dynamic?: string[]; exitOnFailure?: boolean },
    limits: Partial<ForwardLimits> = {},
    stdio?: StdioForward,
  ) {
    const { clock, stop: { signal }, kept: { log } } = this;
    this.#stdio = stdio;
    this.forwards = listenForwards({
      specs: [
        ...(forwards.local ?? []).map(parseLocalForward),
        ...(forwards.dynamic ?? []).map(parseDynamicForward),
      ],
      listen: (at, o) => this.streams.listen(requireHostPort(at), o),
      bind: null,
      exitOnFailure: forwards.exitOnFailure ?? true,
      log,
      signal,
    });
    const outbound = directOutbound({
      dialer: this.streams.dialer("192.0.2.1"),
      resolver: { resolve: (host) => Promise.resolve(host === "target" ? [TARGET] : []) },
      clock,
      connectMs: 10_000,
      rules: null,
    });
    this.ended = runForwards(this.forwards, {
      outbound,
      datagrams: { bind: null, isPossible: () => false, open: () => null },
      udpIdleMs: 60_000,
      limits: { ...FORWARD_LIMITS, ...limits },
      stdio,
      clock,
      log,
      signal,
      onCounters: (counters) => void (this.counters = counters),
    }).then(() => null, (error) => error);
  }

  /** Serves each connection to the target; closes it behind. */
  serve(serve: (stream: Connection) => Promise<void>, host = TARGET): void {
    const { signal } = this.stop;
    const listener = this.net.listen({ host, port: 80 }, { signal });
    const run = async () => {
      for (;;) {
        const stream = await accept(listener, { signal });
        const close = () => stream[Symbol.asyncDispose]();
        serve(stream).then(close, close);
      }
    };
    run().catch(() => {}); // the test is over
  }

  connect(to: Partial<HostPort> = {}, from = "127.0.0.1"): Promise<Connection> {
    const { signal } = this.stop;
    return dial(this.net.dialer(from), { host: "127.0.0.1", port: 8080, ...to }, { signal });
  }

  lines(): string[] {
    return this.kept.records.filter(({ level }) => level !== "debug")
      .map(({ level, message, fields }) => `${level} ${message} ${JSON.stringify(fields)}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop.abort(new Error("the test is over"));
    const error = await this.ended;
    if (this.#stdio === undefined) assert.match(String(error), /the test is over/);
    await this.clock.settle();
    assert.deepEqual([this.clock.pending, this.streams.open], [0, 0]);
  }
}

/** Asks a web server; the first line of its answer. */
async function get(stream: Connection, url: string): Promise<string> {
  const request = utf8(`GET ${url} HTTP/1.1\r\nHost: target\r\n\r\n`);
  return new TextDecoder().decode(await exchange(stream, request)).split("\r\n")[0]!;
}

Deno.test("a local forward carries bytes both ways, and an end as an end, for many connections", async () => {
  await using world = new World({ local: ["8080:target:80"] });
  world.serve(echoAll);
  await Promise.all(["127.0.0.1", "::1", "127.0.0.1", "::1"].map(async (host, i) => {
    await using stream = await world.connect({ host });
    const data = pattern(600_000, i);
    assert.deepEqual(await exchange(stream, data), data);
  }));
  await world.clock.settle();
  assert.deepEqual(world.counters(), { connections: 0, served: 4 });
  assert.deepEqual(world.lines(), [
    'info forward {"listen":"127.0.0.1:8080 [::1]:8080","to":"target:80"}',
  ]);
});

Deno.test("a target that speaks first is heard, and its end does not end the other way", async () => {
  await using world = new World({ local: ["8080:target:80"] });
  const heard = Promise.withResolvers<Uint8Array>();
  world.serve(async (stream) => {
    await write(stream, utf8("hello"));
    await stream.closeWrite();
    heard.resolve(await readAll(stream));
  });
  await using stream = await world.connect();
  assert.deepEqual(await readAll(stream), utf8("hello"));
  await write(stream, utf8("still here"));
  await stream.closeWrite();
  assert.deepEqual(await heard.promise, utf8("still here"));
});

Deno.test("a reset at either end is one at the other", async () => {
  await using world = new World({ local: ["8080:target:80"] });
  const far: Connection[] = [];
  world.serve((stream) => {
    far.push(stream);
    return new Promise(() => {});
  });
  const [first, second] = [await world.connect(), await world.connect()];
  await world.clock.settle();
  first.reset();
  far[1]!.reset();
  await world.clock.settle();
  const lost = { name: "TtunError", kind: "lost" };
  assert.throws(() => far[0]!.readNow(new Uint8Array(1)), lost);
  assert.throws(() => second.readNow(new Uint8Array(1)), lost);
  assert.equal(world.counters().connections, 0);
});

Deno.test("a connection whose target cannot be reached is reset, and the log says why, but not for ever", async () => {
  await using world = new World({ local: ["8080:target:80", "8081:nowhere:80"] });
  for (let i = 0; i < 30; i++) {
    const stream = await world.connect({ port: i % 2 === 0 ? 8080 : 8081 });
    await world.clock.settle();
    assert.throws(() => stream.readNow(new Uint8Array(1)), { name: "TtunError", kind: "lost" });
  }
  const lines = world.lines().slice(2);
  assert.equal(lines.length, 10);
  assert.match(lines[0]!, /^warn cannot forward a connection .*"to":"target:80".*refused/);
  assert.match(lines[1]!, /"to":"nowhere:80".*has no address/);
  assert.equal(world.counters().connections, 0);
});

Deno.test("above the limit there is no place, unless another address has more", async () => {
  await using world = new World({ local: ["*:8080:target:80"] }, { total: 4, perAddress: 4 });
  world.serve(() => new Promise(() => {}));
  const greedy: Connection[] = [];
  for (let i = 0; i < 5; i++) greedy.push(await world.connect({}, "198.51.100.1"));
  await world.clock.settle();
  assert.throws(() => greedy[4]!.readNow(new Uint8Array(1)), { kind: "lost" });
  const other = await world.connect({}, "198.51.100.2");
  await world.clock.settle();
  assert.equal(other.readNow(new Uint8Array(1)), undefined);
  assert.throws(() => greedy[0]!.readNow(new Uint8Array(1)), { kind: "lost" });
  assert.deepEqual(world.lines().slice(1).map((line) => line.split(" {")[0]), [
    "warn no place for another forwarded connection",
    "info closed a forwarded connection: another address needs its place",
  ]);
});

Deno.test("an idle connection stays, unless there is a limit", async () => {
  for (const idleMs of [Infinity, 5000]) {
    await using world = new World({ local: ["8080:target:80"] }, { idleMs });
    world.serve(echoAll);
    await using stream = await world.connect();
    await world.clock.advance(100_000_000);
    const look = () => stream.readNow(new Uint8Array(1));
    if (idleMs === Infinity) assert.equal(look(), undefined);
    else assert.throws(look, { kind: "lost" });
  }
});

Deno.test("a dynamic forward serves SOCKS and HTTP on one port", async () => {
  await using world = new World({ dynamic: ["1080"] });
  world.serve(web);
  for (const ask of [socks4, socks5]) {
    await using stream = await world.connect({ port: 1080 });
    assert.ok([0, 90].includes(await ask(stream, "target")));
    assert.equal(await get(stream, "/"), "HTTP/1.1 200 OK");
  }
  await using stream = await world.connect({ host: "::1", port: 1080 });
  assert.equal(await get(stream, "http://target/"), "HTTP/1.1 200 OK");
  assert.deepEqual(world.lines(), [
    'info forward {"listen":"127.0.0.1:1080 [::1]:1080","to":"SOCKS and HTTP"}',
  ]);
});

Deno.test("the log has the port that the kernel chose", async () => {
  await using world = new World({ local: ["0:target:80"], dynamic: ["127.0.0.1:0"] });
  assert.deepEqual(world.lines(), [
    'info forward {"listen":"127.0.0.1:40000 [::1]:40000","to":"target:80"}',
    'info forward {"listen":"127.0.0.1:40001","to":"SOCKS and HTTP"}',
  ]);
});

Deno.test("a forward that cannot listen ends the program, or is only told", async () => {
  const local = ["127.0.0.1:8080:target:80", "127.0.0.1:8080:target:81"];
  assert.throws(() => new World({ local }), { name: "TtunError", kind: "in_use" });
  await using world = new World({ local, exitOnFailure: false });
  world.serve(echoAll);
  const stream = await world.connect();
  await stream.closeWrite();
  assert.equal((await readAll(stream)).length, 0);
  assert.match(
    world.lines()[0]!,
    /^warn cannot forward {"listen":"127.0.0.1:8080","to":"target:81","why":".*taken/,
  );
  await using _none = new World({ local: [], exitOnFailure: false }); // runs on without any
});

Deno.test("UDP is refused where there are no sockets for it", () => {
  const isRefused = (error: unknown) =>
    error instanceof TtunError && error.kind === "system" && /Linux only/.test(error.message);
  assert.throws(() => new World({ local: ["8080:target:80", "53:target:53/udp"] }), isRefused);
});

Deno.test("the end resets what is carried, so that it does not look complete", async () => {
  let stream: Connection;
  {
    await using world = new World({ local: ["8080:target:80"] });
    world.serve(() => new Promise(() => {}));
    stream = await dial(world.net.dialer("127.0.0.1"), { host: "127.0.0.1", port: 8080 }, {
      signal: new AbortController().signal,
    });
    await world.clock.settle();
  }
  assert.throws(() => stream.readNow(new Uint8Array(1)), { name: "TtunError", kind: "lost" });
});

/** Standard input and output of a program, and their other end. */
function stdioPair(host = "target"): { stdio: StdioForward; person: Connection } {
  const [stream, person] = memoryPair();
  return { stdio: { stream, to: { host, port: 80 } }, person };
}

Deno.test("standard input and output are carried to their ends, and the program ends with them", async () => {
  const { stdio, person } = stdioPair();
  await using world = new World({ local: ["8080:target:80"] }, {}, stdio);
  let served = 0;
  world.serve((stream) => ++served === 1 ? echoAll(stream) : new Promise(() => {}));
  await world.clock.settle();
  const other = await world.connect();
  const data = pattern(600_000, 1);
  assert.deepEqual(await world.clock.until(exchange(person, data)), data);
  assert.equal(await world.clock.until(world.ended), null);
  // Other forwards have not come to their ends.
  assert.throws(() => other.readNow(new Uint8Array(1)), { name: "TtunError", kind: "lost" });
});

Deno.test("a target of standard input and output that cannot be reached is the program's failure", async () => {
  const failures = [["nowhere", "name", /^Cannot forward to nowhere:80: .*has no address/], [
    "target",
    "unreachable",
    /^Cannot forward to target:80: .*refused/,
  ]] as const;
  for (const [host, kind, words] of failures) {
    const { stdio, person } = stdioPair(host);
    await using world = new World({}, {}, stdio);
    const error = await world.clock.until(world.ended);
    assert.ok(error instanceof TtunError && error.kind === kind, String(error));
    assert.match(error.message, words);
    assert.equal(person.readNow(new Uint8Array(1)), null);
  }
});

Deno.test("a reset of standard input and output's connection is a failure, at either end", async () => {
  for (const who of ["person", "target"] as const) {
    const { stdio, person } = stdioPair();
    await using world = new World({}, {}, stdio);
    world.serve((stream) => {
      if (who === "target") stream.reset();
      return new Promise(() => {});
    });
    await world.clock.settle();
    if (who === "person") person.reset();
    const error = await world.clock.until(world.ended);
    assert.ok(error instanceof TtunError && error.kind === "lost", String(error));
  }
});

Deno.test("the abort ends standard input and output before a target was found, and after", async () => {
  for (const isThere of [false, true]) {
    const { stdio } = stdioPair();
    const world = new World({}, {}, stdio);
    if (isThere) world.serve(() => new Promise(() => {}));
    else world.net.cable(TARGET).pull();
    await world.clock.settle();
    await world[Symbol.asyncDispose]();
    assert.match(String(await world.ended), /the test is over/);
  }
});

Deno.test("a forward that is added works like any other, and a removed one leaves its connections", async () => {
  await using world = new World({ local: ["8080:target:80"] });
  world.serve(echoAll);
  world.forwards.add(parseLocalForward("8081:target:80"));
  world.forwards.add(parseDynamicForward("1080"));
  await using first = await world.connect();
  await using second = await world.connect({ port: 8081 });
  await write(first, utf8("one"));
  await world.clock.settle();
  const { forwards } = world;
  forwards.remove(parseDynamicForward("8080").listen, "tcp");
  await world.clock.settle();
  await assert.rejects(world.connect(), { kind: "unreachable" });
  await write(first, utf8(" and two"));
  await first.closeWrite();
  assert.deepEqual(await readAll(first), utf8("one and two"));
  assert.deepEqual(await exchange(second, utf8("three")), utf8("three"));
  await using third = await world.connect({ port: 1080, host: "::1" });
  await socks5(third, "target", 80);
  assert.deepEqual(forwards.forwards.map(({ spec }) => spec.kind), ["local", "dynamic"]);
  forwards.add(parseLocalForward("8080:target:80"));
  await using again = await world.connect();
  assert.deepEqual(await exchange(again, utf8("four")), utf8("four"));
  assert.match(world.lines().join("\n"), /info forward removed \{"listen":"127.0.0.1:8080 /);
});

Deno.test("a forward is removed by where it listens; one that is not there, and a port in use, are told", async () => {
  await using world = new World({ local: ["127.0.0.1:8080:target:80", "*:9090:target:80"] });
  const { forwards } = world;
  forwards.add(parseLocalForward("0:target:80"));
  const addr = requireHostPort(forwards.forwards.at(-1)!.listeners[0]!.addr);
  const remove = (text: string) => forwards.remove(parseDynamicForward(text).listen, "tcp");
  for (const text of ["8080", "127.0.0.2:8080", "9090", "1"]) {
    assert.throws(() => remove(text), { kind: "usage", message: /There is no forward/ }, text);
  }
  assert.throws(() => forwards.add(parseLocalForward("127.0.0.1:8080:target:81")), {
    kind: "in_use",
  });
  assert.throws(() => forwards.add(parseLocalForward("81:target:81/udp")), { kind: "system" });
  remove(String(addr.port));
  remove("127.0.0.1:8080");
  remove("*:9090");
  assert.deepEqual(forwards.forwards, []);
});
