import assert from "node:assert/strict";
import {
  CLIENT_HOST,
  type ClientOptions,
  type ClientRun,
  echo,
  MINUTE,
  PASSWORD,
  ProxyWorld,
  RANGE,
  TARGET_NAME,
} from "../../../tests/fake/proxy.ts";
import { exchange, socks5 } from "../../../tests/fake/proxy_programs.ts";
import { oldPort } from "../../../tests/fake/tt_old.ts";
import { WatchedDialer } from "../../../tests/fake/watched_dialer.ts";
import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { noAnswer } from "../../base/dial_timeout.ts";
import { onAbort } from "../../base/scope.ts";
import type { Dialer, DialEvents, DialOptions } from "../../contract/dial.ts";
import type { Connection } from "../../contract/connection.ts";
import { dial, tell } from "../net/dial_events.ts";
import type { Addr } from "../../base/addr.ts";
import { accept } from "../loop/stream_io.ts";

/** Before the server: some of its ports are dropped, others rejected. */
class Firewall implements Dialer {
  readonly dropped = new Set<number>();
  readonly rejected = new Set<number>();
  /** Dials that wait for an answer that does not come. */
  waiting = 0;
  readonly #world: ProxyWorld;
  readonly #inner: Dialer;

  constructor(world: ProxyWorld, inner: Dialer) {
    this.#world = world;
    this.#inner = inner;
  }

  start(to: Addr, o: DialOptions, events: DialEvents): void {
    tell(events, this.#dial(to, o));
  }

  async #dial(to: Addr, o: DialOptions): Promise<Connection> {
    const port = "port" in to ? to.port : 0;
    if (this.dropped.has(port)) return await this.#drop(to, o);
    if (!this.rejected.has(port)) return await dial(this.#inner, to, o);
    throw new TtunError("unreachable", `Cannot connect to ${port}: refused`);
  }

  #drop(to: Addr, o: DialOptions): Promise<never> {
    this.waiting++;
    const { promise, reject } = Promise.withResolvers<never>();
    const ms = o.timeoutMs ?? 60_000;
    const timer = this.#world.clock.after(ms, () => reject(noAnswer(to, ms)));
    const registrations = [o.signal, o.cancel].flatMap((signal) =>
      signal === undefined ? [] : onAbort(signal, reject)
    );
    return promise.finally(() => {
      this.waiting--;
      timer[Symbol.dispose]();
      for (const registration of registrations) registration[Symbol.dispose]();
    });
  }
}

function guarded(world: ProxyWorld, o: ClientOptions = {}) {
  const firewall = new Firewall(world, world.net.dialer(CLIENT_HOST));
  const dialer = new WatchedDialer(firewall);
  return { firewall, dialer, client: world.client({ ...o, dialer }) };
}

/** The virtual time that a connection through the tunnel takes. */
async function works(world: ProxyWorld, client: ClientRun): Promise<number> {
  const began = world.clock.now();
  const program = await client.connect();
  assert.equal(await world.clock.until(socks5(program, TARGET_NAME)), 0);
  const data = utf8("data");
  assert.deepEqual(await world.clock.until(exchange(program, data)), data);
  return world.clock.now() - began;
}

function minutePort(minute: number): number {
  return oldPort({ password: PASSWORD, cipher: "chacha20-poly1305", ...RANGE }, minute);
}

const T = minutePort(MINUTE);
const BEFORE = minutePort(MINUTE - 1);
const AFTER = minutePort(MINUTE + 1);

Deno.test("a port that is dropped costs 0.3 s once in its minute, and says nothing of clocks", async () => {
  for (const [dropped, wait] of [[[T], 300], [[T, BEFORE], 600]] as const) {
    await using world = new ProxyWorld();
    world.server();
    const { client, firewall, dialer } = guarded(world);
    world.target(echo);
    await world.clock.settle();
    for (const port of dropped) firewall.dropped.add(port);
    assert.equal(await works(world, client), wait);
    assert.equal(firewall.waiting, 0, "a dial goes on though another has won");
    const dials = dialer.dialled.length;
    for (let i = 0; i < 3; i++) assert.equal(await works(world, client), 0);
    assert.equal(dialer.dialled.length, dials, "over the same connection");
    // The next minute's own port is open, and is the first that is tried.
    await world.clock.advance(60_000);
    assert.equal(await works(world, client), 0);
    assert.match(dialer.dialled.at(-1)!, new RegExp(`:${AFTER}$`));
    assert.deepEqual(client.lines(), []);
  }
});

Deno.test("without a connection that is left, the rest of the minute begins with the port that answered", async () => {
  await using world = new ProxyWorld();
  world.oldServer();
  const { client, firewall, dialer } = guarded(world);
  world.target(echo);
  await world.clock.settle();
  firewall.dropped.add(T).add(BEFORE);
  assert.equal(await works(world, client), 600);
  for (let i = 0; i < 3; i++) assert.equal(await works(world, client), 0);
  assert.equal(dialer.dialled.length, 3 + 3);
  firewall.dropped.clear(); // and the other way round
  firewall.dropped.add(AFTER);
  assert.equal(await works(world, client), 300);
  assert.deepEqual(client.lines(), []);
});

Deno.test("half of all ports dropped, for an hour: no wait over 0.6 s, and no word of clocks", async () => {
  await using world = new ProxyWorld();
  world.server();
  const { client, firewall } = guarded(world);
  world.target(echo);
  await world.clock.settle();
  for (let port = 20_000; port < 25_000; port++) firewall.dropped.add(port);
  let reached = 0;
  for (let minute = 0; minute < 60; minute++) {
    const open = [-1, 0, 1].filter((off) => minutePort(MINUTE + minute + off) >= 25_000);
    if (open.length > 0) {
      assert.ok(await works(world, client) <= 600);
      reached++;
    }
    await world.clock.advance(60_000);
  }
  assert.ok(reached > 40);
  assert.deepEqual(client.lines(), []);
});

Deno.test("ports that a firewall rejects are no sign that the clocks differ either", async () => {
  for (const rejected of [[T], [T, BEFORE], [T, AFTER]]) {
    await using world = new ProxyWorld();
    world.server();
    const { client, firewall } = guarded(world);
    world.target(echo);
    await world.clock.settle();
    for (const port of rejected) firewall.rejected.add(port);
    assert.equal(await works(world, client), 0);
    await world.clock.advance(10_000);
    assert.equal(await works(world, client), 0);
    assert.deepEqual(client.lines(), []);
  }
});

Deno.test("a port that another program has at the server: silent or hanging up, the next minute serves", async () => {
  for (const isSilent of [true, false]) {
    await using world = new ProxyWorld();
    const other = world.net.listen({ host: "", port: T }, world);
    const serve = async () => {
      for (;;) {
        const stream = await accept(other, world);
        if (!isSilent) await stream[Symbol.asyncDispose]();
      }
    };
    serve().catch(() => {});
    world.server();
    const { client } = guarded(world);
    world.target(echo);
    await world.clock.settle();
    assert.equal(await works(world, client), isSilent ? 300 : 0);
    await world.clock.advance(10_000);
    assert.equal(await works(world, client), 0);
    assert.deepEqual(client.lines(), []);
  }
});

Deno.test("the first port that answers: no other is opened, however long the target takes", async () => {
  await using world = new ProxyWorld();
  world.server();
  const { client, dialer } = guarded(world);
  world.target(echo);
  world.names.set("slow.example", ["8.0.0.99"]);
  world.net.cable("8.0.0.99").pull();
  await world.clock.settle();
  const waiting = socks5(await client.connect(), "slow.example");
  await world.clock.advance(3000);
  assert.equal(dialer.dialled.length, 1);
  assert.notEqual(await world.clock.until(waiting), 0);
  assert.equal(dialer.dialled.length, 1);
});

Deno.test("a request is delivered once, whichever minutes were tried for it", async () => {
  await using world = new ProxyWorld();
  world.server();
  const { client, firewall } = guarded(world, { isEager: true });
  let connections = 0;
  world.target((stream) => {
    connections++;
    return echo(stream);
  });
  await world.clock.settle();
  firewall.dropped.add(T);
  for (let i = 1; i <= 3; i++) {
    await works(world, client);
    assert.equal(connections, i);
  }
});
