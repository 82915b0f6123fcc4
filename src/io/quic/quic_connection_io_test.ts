/** Connections of QUIC: streams and packets beside the first stream, and ends without a word. */
import assert from "node:assert/strict";
import { openLibc } from "../../../ffi/linux/libc.ts";
import { test } from "../../../tests/check.ts";
import { quicCertificate, quicNet } from "../../../tests/suite/quic_net.ts";
import { readAll } from "../../../tests/suite/stream_net.ts";
import { accept, read, write } from "../../app/loop/stream_io.ts";
import { dial } from "../../app/net/dial_events.ts";
import { type HostPort, requireHostPort } from "../../base/addr.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Listener } from "../../contract/dial.ts";
import type { Stream } from "../../contract/stream.ts";
import { Reactor } from "../reactor/reactor.ts";
import { QuicHost } from "./quic_host.ts";

const CERTIFICATE = quicCertificate();
const LOST = { kind: "lost" };

/** A listener, and whatever reaches it. */
class Ends implements AsyncDisposable {
  readonly opened = new AsyncDisposableStack();
  readonly #life = new AbortController();
  readonly signal = this.#life.signal;
  readonly #net;
  readonly #listener: Listener;

  constructor() {
    const reactor = this.opened.use(new Reactor(this.opened.use(openLibc()), "async"));
    const host = this.opened.use(new QuicHost(reactor));
    this.#net = quicNet(host, reactor, CERTIFICATE);
    this.#listener = this.opened.use(this.#net.listen(this.#net.at, this));
  }

  get at(): HostPort {
    return requireHostPort(this.#listener.addr);
  }

  dial(at: HostPort, cancel?: AbortSignal): Promise<Connection> {
    return dial(this.#net.dialer, at, { signal: this.signal, ...cancel && { cancel } });
  }

  async connect(at = this.at): Promise<[Connection, Connection]> {
    const here = this.opened.use(await this.dial(at));
    return [here, this.opened.use(await accept(this.#listener, this))];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.opened.disposeAsync();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function nextStream({ beside }: Connection): Promise<Stream> {
  return new Promise((resolve) => beside!.onOpened(resolve));
}

test("quic: either end opens a stream beside the first one, which stays as it is", async () => {
  await using ends = new Ends();
  const [here, there] = await ends.connect();
  for (const [from, to] of [[here, there], [there, here]] as const) {
    const coming = nextStream(to);
    await using opened = await from.beside!.open();
    await write(opened, Uint8Array.of(1, 2, 3));
    await using taken = await coming;
    await opened.closeWrite();
    assert.deepEqual(await readAll(taken), Uint8Array.of(1, 2, 3));
    await write(taken, Uint8Array.of(4));
    assert.equal(await read(opened, new Uint8Array(8)), 1);
    await taken.closeWrite();
    assert.equal(await read(opened, new Uint8Array(8)), null);
  }
  await write(here, Uint8Array.of(9));
  assert.equal(await read(there, new Uint8Array(8)), 1);
});

test("quic: a stream beside that is reset is lost alone, one more is refused", async () => {
  await using ends = new Ends();
  const [here, there] = await ends.connect();
  const coming = nextStream(there);
  await using opened = await here.beside!.open();
  await assert.rejects(here.beside!.open(), LOST);
  const taken = await coming;
  taken.reset();
  await assert.rejects(readAll(opened), LOST);
  await write(here, Uint8Array.of(9));
  assert.equal(await read(there, new Uint8Array(8)), 1);
});

test("quic: streams beside end with the connection, and none is opened after that", async () => {
  await using ends = new Ends();
  const [here, there] = await ends.connect();
  const coming = nextStream(there);
  await using opened = await here.beside!.open();
  await using taken = await coming;
  here.reset();
  await assert.rejects(readAll(taken), LOST);
  await assert.rejects(readAll(opened), LOST);
  await assert.rejects(there.beside!.open(), LOST);
  await assert.rejects(here.beside!.open());
});

test("quic: packets arrive beside the stream, once somebody takes them", async () => {
  await using ends = new Ends();
  const [here, there] = await ends.connect();
  for (const [from, to] of [[here, there], [there, here]] as const) {
    const [packets, got] = [from.packets!, [] as number[]];
    assert.ok(packets.mostBytes >= 1000, `${packets.mostBytes}`);
    assert.equal(packets.send(new Uint8Array(2000)), false);
    to.packets!.onPacket((packet) => void got.push(packet[0]!));
    while (!got.includes(2)) { // packets may get lost
      for (const byte of [1, 2]) packets.send(new Uint8Array(1000).fill(byte));
      await pause(20);
    }
    assert.ok(got.every((byte) => byte === 1 || byte === 2));
  }
  await here[Symbol.asyncDispose]();
  assert.equal(here.packets!.send(Uint8Array.of(1)), false);
});

/** Passes packets of one client on, until it is told to be silent. */
class Relay implements AsyncDisposable {
  readonly #socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  readonly #to: HostPort;
  readonly #running: Promise<void>;
  #client: Deno.NetAddr | null = null;
  isSilent = false;
  count = 0;

  constructor(to: HostPort) {
    this.#to = to;
    this.#running = this.#run();
  }

  get at(): HostPort {
    const { hostname: host, port } = this.#socket.addr as Deno.NetAddr;
    return { host, port };
  }

  async #run(): Promise<void> {
    for await (const [bytes, from] of this.#socket) {
      this.count++;
      const { port } = from as Deno.NetAddr;
      if (port !== this.#to.port) this.#client = from as Deno.NetAddr;
      const there = { transport: "udp", hostname: this.#to.host, port: this.#to.port } as const;
      const to = port === this.#to.port ? this.#client : there;
      if (!this.isSilent && to !== null) await this.#socket.send(bytes, to);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    await this.#running;
  }
}

test("quic: an end that is gone without a word is noticed at the other one", async () => {
  await using ends = new Ends();
  await using relay = new Relay(ends.at);
  const [here, there] = await ends.connect(relay.at);
  relay.isSilent = true;
  await Promise.all([here, there].map((end) => assert.rejects(readAll(end), LOST)));
});

test("quic: a dial that is given up sends no more", async () => {
  await using ends = new Ends();
  await using relay = new Relay(ends.at);
  relay.isSilent = true;
  const cancel = new AbortController();
  const dialling = ends.dial(relay.at, cancel.signal);
  dialling.catch(() => {}); // awaited below
  while (relay.count === 0) await pause(5);
  cancel.abort(new Error("enough"));
  await assert.rejects(dialling, /enough/);
  // Another one, which comes right behind, has a socket of its own.
  await using other = await ends.dial(ends.at);
  assert.equal(other.peer, `${ends.at.host}:${ends.at.port}`);
  // QUIC would send two more after 1 s, and two after 3 s; the end is a packet too.
  await pause(3500);
  assert.ok(relay.count < 5, `${relay.count} packets`);
});
