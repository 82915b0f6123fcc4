import assert from "node:assert/strict";
import { CountedCiphers } from "../../../tests/fake/ciphers.ts";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { keptLog } from "../../../tests/fake/log.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { secretOf } from "../../../tests/fake/named_keys.ts";
import { openBy } from "../../../tests/fake/outbound.ts";
import { echoAll, readAll } from "../../../tests/fake/read_all.ts";
import { seededRng } from "../../../tests/fake/rng.ts";
import { SCRATCH } from "../../../tests/fake/tt_ends.ts";
import { handshakeKeys } from "../../../tests/fake/v1_session.ts";
import { parseCidr } from "../../base/addr.ts";
import { concat, utf8 } from "../../base/bytes.ts";
import { formatTarget, makeTarget } from "../../base/target.ts";
import type { Connection } from "../../contract/connection.ts";
import type { RawTarget } from "../../core/gateway/raw_target.ts";
import type { HttpRequest } from "../../core/http/exchange.ts";
import { FramedClient } from "../../core/http/framing/client.ts";
import { nodeKeyExchange } from "../../io/crypto/x25519.ts";
import type { WireSecrets } from "../link/config.ts";
import { KeyRing } from "../link/key_ring.ts";
import { StrangerBudget } from "../link/stranger_budget.ts";
import { write } from "../loop/stream_io.ts";
import { MuxClient } from "../mux/mux_client.ts";
import { Quota } from "../net/connection_quota.ts";
import { open } from "../net/dial_events.ts";
import { reachBy } from "../net/reach.ts";
import { Relays } from "../net/relay.ts";
import { RawHost } from "./raw_host.ts";

const TARGET = makeTarget("127.0.0.1", 22);
const RAW: RawTarget = {
  kind: "raw",
  to: TARGET,
  carries: "tcp",
  isPublic: false,
  proxy: null,
};
const ANYWHERE = makeTarget("anywhere.example", 7);

/** An agent's service, with keys of these names; what it connects with sends back what it reads. */
class World implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly connected: string[] = [];
  /** Bytes that visitors have sent, by their connections. */
  readonly sent: Uint8Array[][] = [];
  readonly ring: KeyRing;
  readonly host: RawHost;
  readonly #stop = new AbortController();
  readonly #relays: Relays;
  readonly #ciphers = new CountedCiphers();
  readonly #clients: Promise<unknown>[] = [];
  #seed = 0;

  constructor(keys: readonly string[], o: Partial<RawTarget> & { allow?: string } = {}) {
    const { clock } = this;
    const { allow, ...target } = o;
    const budget = new StrangerBudget({ clock, preciseNow: () => 0 });
    this.ring = new KeyRing(named(keys), { clock, budget });
    void this.ring.run(({ name }) => Promise.resolve(secretOf(name)));
    this.#relays = new Relays({ clock, scratch: SCRATCH, idleMs: Infinity });
    this.host = new RawHost({
      name: "nas",
      target: { ...RAW, ...target },
      allow: allow === undefined ? null : [parseCidr(allow)],
      secrets: { ...this.#secrets("none"), keys: this.ring },
      outboundFor: () =>
        openBy((target) => {
          this.connected.push(formatTarget(target));
          const [ours, targets] = memoryPair();
          echoAll(targets).catch(() => {}); // the connection was reset
          return Promise.resolve(ours);
        }) as never,
      sockets: null,
      resolver: { resolve: () => Promise.resolve([]) },
      quota: new Quota({ total: 100, perAddress: 100 }),
      relays: this.#relays,
      clock,
      log: keptLog(clock).log,
      signal: this.#stop.signal,
    });
  }

  #secrets(psk: string): WireSecrets {
    const { nonce: _nonce, ...v1 } = handshakeKeys({ psk, makeCipher: this.#ciphers.factory });
    const rng = seededRng(++this.#seed);
    const wallClock = () => 1_800_000_000_000 + this.clock.now();
    return { mode: "v2", v1, s: secretOf(psk), keyExchange: nodeKeyExchange, rng, wallClock };
  }

  /** Connects as a gateway does; the end of the visitor. */
  visit(from: string, kind: "link" | "tcp" = "link"): Connection {
    const [visitor, ours] = memoryPair({ addressA: { host: from, port: 4000 } });
    const take = this.host.tunnel.raw?.[kind];
    if (take === undefined) ours.reset();
    else take(ours);
    return visitor;
  }

  /** A client with a key, whose attempts may fail so many times. */
  client(psk: string, from = "192.0.2.7", retries = 0): MuxClient {
    const client = new MuxClient({
      reach: reachBy(() => Promise.resolve(this.#recorded(this.visit(from)))),
      secrets: this.#secrets(psk),
      clock: this.clock,
      log: keptLog(this.clock).log,
      instance: seededRng(++this.#seed)(16),
      keepMs: 60_000,
      retries,
      endsWithSession: true,
    });
    this.#clients.push(client.run(this.#stop.signal).catch((error) => error));
    return client;
  }

  #recorded(stream: Connection): Connection {
    const sent: Uint8Array[] = [];
    this.sent.push(sent);
    return new Proxy(stream, {
      get(target, name) {
        if (name === "writeNow") {
          return (bytes: Uint8Array) => {
            const done = target.writeNow(bytes);
            sent.push(bytes.slice(0, done));
            return done;
          };
        }
        const value = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  }

  /** Sends a word to the service, and returns what comes back; "" = nothing does. */
  async ask(client: MuxClient, word: string): Promise<string> {
    const { signal } = this.#stop;
    const opening = open(client.outbound, ANYWHERE, { signal }).catch(() => null);
    for (let i = 0; i < 20; i++) await this.clock.settle();
    await this.clock.advance(61_000); // an open that waits for a session gives up
    const stream = await opening;
    if (stream === null) return "";
    await write(stream, utf8(word));
    await stream.closeWrite();
    const answer = readAll(stream);
    for (let i = 0; i < 20; i++) await this.clock.settle();
    return new TextDecoder().decode(await answer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error("The test is over"));
    await this.clock.settle();
    await Promise.all(this.#clients);
    this.host[Symbol.dispose]();
    this.#relays[Symbol.dispose]();
  }
}

function named(keys: readonly string[]) {
  return keys.map((name) => ({ name, password: utf8(name) }));
}

Deno.test("a client with a key comes to the target that is published, whatever it asks for", async () => {
  await using world = new World(["ann", "ben"]);
  assert.equal(await world.ask(world.client("ben"), "hello"), "hello");
  assert.deepEqual(world.connected, ["127.0.0.1:22"]);
});

Deno.test("a client without a right key gets nothing, at once, and no bytes pass as they are", async () => {
  await using world = new World(["ann"]);
  assert.equal(await world.ask(world.client("another"), "hello"), "");
  const plain = world.visit("192.0.2.7", "tcp");
  assert.throws(() => plain.readNow(new Uint8Array(1)), { kind: "lost" });
  const stranger = world.visit("192.0.2.7");
  await write(stranger, utf8("SSH-2.0-OpenSSH_9.2\r\n"));
  await world.clock.settle();
  assert.equal(stranger.readNow(new Uint8Array(1)), null);
  assert.deepEqual(world.connected, []);
});

Deno.test("an address that guesses has to wait, and others need not", async () => {
  await using world = new World(["ann"]);
  for (let i = 0; i < 10; i++) {
    const stranger = world.visit("192.0.2.7");
    await write(stranger, utf8("0123456789abcdef"));
    await world.clock.settle();
    assert.equal(stranger.readNow(new Uint8Array(1)), null);
  }
  const right = world.visit("192.0.2.7");
  assert.throws(() => right.readNow(new Uint8Array(1)), { kind: "lost" });
  assert.equal(await world.ask(world.client("ann", "192.0.2.8"), "hello"), "hello");
  await world.clock.advance(60_000);
  assert.equal(await world.ask(world.client("ann", "192.0.2.7"), "again"), "again");
});

Deno.test("what was recorded of a client opens nothing when a node sends it again", async () => {
  await using world = new World(["ann"]);
  assert.equal(await world.ask(world.client("ann"), "hello"), "hello");
  const visitor = world.visit("192.0.2.9");
  await write(visitor, concat(...world.sent[0]!));
  await world.clock.settle();
  assert.throws(() => visitor.readNow(new Uint8Array(1)), { kind: "lost" }); // not a byte
  assert.deepEqual(world.connected, ["127.0.0.1:22"]);
});

Deno.test("a key that is taken back ends what goes on under it", async () => {
  await using world = new World(["ann", "ben"]);
  const [ann, ben] = [world.client("ann"), world.client("ben")];
  assert.equal(await world.ask(ann, "hello"), "hello");
  world.ring.replace(named(["ben"]));
  await world.clock.settle();
  assert.equal(await world.ask(ann, "hello"), "");
  assert.equal(await world.ask(ben, "hello"), "hello");
});

Deno.test("visitors of other networks are refused, with a right key too", async () => {
  await using world = new World(["ann"], { allow: "192.0.2.0/28", isPublic: true });
  assert.equal(await world.ask(world.client("ann", "192.0.2.66"), "hello"), "");
  const plain = world.visit("192.0.2.66", "tcp");
  await world.clock.settle();
  assert.throws(() => plain.readNow(new Uint8Array(1)), { kind: "lost" });
  assert.equal(await world.ask(world.client("ann", "192.0.2.3"), "hello"), "hello");
});

Deno.test("a public service takes bytes as they are, and datagrams alone take no connections", async () => {
  await using world = new World(["public"], { isPublic: true });
  const plain = world.visit("192.0.2.7", "tcp");
  await write(plain, utf8("hello"));
  await plain.closeWrite();
  await world.clock.settle();
  assert.equal(new TextDecoder().decode(await readAll(plain)), "hello");
  await using datagrams = new World(["public"], { isPublic: true, carries: "udp" });
  assert.equal(datagrams.host.tunnel.raw?.tcp, undefined);
  assert.equal(await datagrams.ask(datagrams.client("public"), "hello"), "");
  assert.deepEqual(datagrams.connected, []);
});

Deno.test("the end of a service ends what goes on by it", async () => {
  await using world = new World(["ann"], { isPublic: true });
  const ann = world.client("ann");
  assert.equal(await world.ask(ann, "hello"), "hello");
  const plain = world.visit("192.0.2.7", "tcp");
  await write(plain, utf8("hello"));
  await world.clock.settle();
  world.host[Symbol.dispose]();
  await world.clock.settle();
  assert.throws(() => plain.readNow(new Uint8Array(1)), { kind: "lost" });
});

Deno.test("a request of the web is answered by a page, at once", async () => {
  await using world = new World(["ann"]);
  const [node, agents] = memoryPair();
  world.host.tunnel.serve?.(agents);
  const client = new FramedClient({ visitor: "192.0.2.7", requestId: "one" });
  const head: HttpRequest = {
    ...{ method: "POST", scheme: "https", authority: "nas.example.test", path: "/" },
    ...{ fields: [], upgrade: null, hasBody: true },
  };
  for (const step of client.request(head)) if (step.kind === "write") node.writeNow(step.bytes);
  await world.clock.settle();
  const bytes = new Uint8Array(65_536);
  const [response] = client.feed(bytes.subarray(0, node.readNow(bytes) ?? 0));
  assert(response?.kind === "response" && response.head.status === 404);
  node.reset();
});
