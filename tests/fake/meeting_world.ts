/** A server where two ends meet, on a network in memory and a virtual clock. */
import assert from "node:assert/strict";
import { directOutbound } from "../../src/app/net/direct_outbound.ts";
import type { WireSecrets } from "../../src/app/link/config.ts";
import { read, write } from "../../src/app/loop/stream_io.ts";
import type { MuxOutbound } from "../../src/app/mux/mux_outbound.ts";
import { FORWARD_LIMITS } from "../../src/app/system/forwards.ts";
import { openLinkClient } from "../../src/app/system/link_client.ts";
import { type MeetingDialOptions, openMeetingDialer } from "../../src/app/system/meeting_dialer.ts";
import {
  type MeetingListenOptions,
  openMeetingListener,
} from "../../src/app/system/meeting_listener.ts";
import { runServiceServer, type Service } from "../../src/app/system/service_server.ts";
import { runStreamServer } from "../../src/app/system/stream_server.ts";
import { type Addr, type HostPort, parseCidr, requireHostPort } from "../../src/base/addr.ts";
import { utf8 } from "../../src/base/bytes.ts";
import { UnreachableError } from "../../src/base/errors.ts";
import type { Dialer } from "../../src/contract/dial.ts";
import { Acl } from "../../src/core/acl/acl.ts";
import { ListenRules } from "../../src/core/acl/listen_rules.ts";
import { nodeKeyExchange } from "../../src/io/crypto/x25519.ts";
import { CountedCiphers } from "./ciphers.ts";
import { FakeClock } from "./clock.ts";
import { CountedStreams } from "./counted_streams.ts";
import { keptLog } from "./log.ts";
import { MemoryNet } from "./memory.ts";
import { secretOf } from "./named_keys.ts";
import { seededRng } from "./rng.ts";
import { handshakeKeys } from "./v1_session.ts";

const VIA: HostPort = { host: "192.0.2.1", port: 20203 };
const VIA_V6 = "2620:fe::1";
export const LISTENS = "192.0.2.2";
export const DIALS = "192.0.2.3";
/** Both ends have bound it. */
export const PORT = 7000;
const STOP = new Error("the test is over");

export interface MeetingWorldOptions {
  /** The server carries bytes, so many a second. */
  readonly relayBytes?: number;
  /** Server and ends have IPv6 as well, and the server has a name. */
  readonly hasBoth?: boolean;
  /** Says whether a connection from one host reaches the other. */
  readonly passes?: (from: string, to: HostPort) => boolean;
}

/** Sends back what it reads, and ends with it. */
const echo: Service = async ({ stream }) => {
  const into = new Uint8Array(65_536);
  for (let got; (got = await read(stream, into)) !== null;) {
    await write(stream, into.subarray(0, got));
  }
  await stream.closeWrite();
};

export class MeetingWorld implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly net = new MemoryNet({ clock: this.clock });
  readonly streams = new CountedStreams(this.net);
  readonly ciphers = new CountedCiphers();
  readonly kept = keptLog(this.clock);
  /** Pairs that go through the server now, as it counts them. */
  relayed = (): number | undefined => undefined;
  /** Addresses that the two ends have dialled, but for the server's. */
  readonly dialled: { readonly from: string; readonly to: HostPort }[] = [];
  readonly #o: MeetingWorldOptions;
  readonly #stop = new AbortController();
  readonly #running: Promise<unknown>[] = [];
  #seed = 0;

  /** Stops the server. */
  stopVia: () => void;

  constructor(o: MeetingWorldOptions = {}) {
    this.#o = o;
    this.stopVia = this.startVia();
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  lines(): string[] {
    return this.kept.records.map(({ level, message, fields }) =>
      `${level} ${message} ${JSON.stringify(fields)}`
    );
  }

  /** Starts the server; returns what stops it. */
  startVia(): () => void {
    const { clock, signal } = this;
    const stop = new AbortController();
    const both = AbortSignal.any([stop.signal, signal]);
    const rules = new Acl({ allow: [], deny: [] });
    const resolver = { resolve: () => Promise.resolve([]) };
    const listeners = [this.streams.listen({ host: "", port: VIA.port }, { signal: both })];
    const { relayBytes } = this.#o;
    const dialer = this.streams.dialer(VIA.host);
    void this.#run(runStreamServer({
      ...{ listeners, clock, log: this.kept.log, signal: both, keepMs: 60_000 },
      secrets: this.secrets("via"),
      limits: FORWARD_LIMITS,
      outbound: directOutbound({ dialer, resolver, clock, connectMs: 10_000, rules }),
      listenRules: new ListenRules([]),
      listen: (at: Addr, o: { signal: AbortSignal }) => this.streams.listen(requireHostPort(at), o),
      datagrams: { sockets: null, resolver, rules, idleMs: 60_000 },
      onCounters: (counters) => this.relayed = () => counters().relayed,
      ...(relayBytes !== undefined && { relay: { bytesPerSecond: relayBytes } }),
    }));
    return this.stopVia = () => stop.abort(STOP);
  }

  /** Replaces the server by one whose meetings are what the test wants. */
  async startHostileVia(meeting: Service): Promise<void> {
    const { clock, signal } = this;
    this.stopVia();
    await clock.settle();
    void this.#run(runServiceServer({
      ...{ clock, log: this.kept.log, keepMs: 0, signal, services: { meeting } },
      listeners: [this.streams.listen({ host: "", port: VIA.port }, { signal })],
      secrets: this.secrets("via"),
    }));
  }

  /**
   * Listens at a meeting, and serves "echo" to whoever has the key; returns why it ended, null for
   * the test's end.
   */
  listen(o: Partial<MeetingListenOptions> & { readonly psk?: string } = {}): Promise<unknown> {
    const { clock, signal } = this;
    const { psk = "ticket", ...other } = o;
    const listening = { ...this.#end(LISTENS), id: null, signal, ...other };
    const listener = openMeetingListener(listening);
    const plain = this.streams.listen({ host: LISTENS, port: PORT }, { signal });
    const close = async () => await listener[Symbol.asyncDispose]();
    signal.addEventListener("abort", () => void this.#run(close()));
    return this.#run(runServiceServer({
      ...{ clock, log: this.kept.log, keepMs: 60_000, signal, services: { echo } },
      listeners: [listener, plain],
      secrets: this.secrets(psk),
    }));
  }

  dialer(id: Uint8Array, o: Partial<MeetingDialOptions> = {}) {
    const { signal } = this;
    const rng = seededRng(++this.#seed);
    const attempt = () => {
      const listeners = [this.streams.listen({ host: DIALS, port: PORT }, { signal })];
      return { ...this.#end(DIALS), id, known: [], listeners, deadlineMs: 60_000, ...o };
    };
    return openMeetingDialer({ rng, attempt });
  }

  /** Keeps a session with the end that listens; `failed` tells why it ended. */
  connect(
    dialer: ReturnType<typeof openMeetingDialer>,
    o: { readonly psk?: string; readonly asDialer?: boolean } = {},
  ): { readonly outbound: MuxOutbound; readonly failed: Promise<unknown> } {
    const { psk = "ticket", asDialer = false } = o;
    const { clock, signal } = this;
    const stack = new DisposableStack();
    const client = openLinkClient({
      ...{ clock, log: this.kept.log, keepMs: 60_000, signal, retries: 0, endsWithSession: true },
      server: {
        name: "the other end",
        dialer,
        ...(!asDialer && { reach: dialer.reach }),
      },
      dialer: this.streams.dialer(DIALS),
      resolver: { resolve: () => Promise.resolve([]) },
      secrets: this.secrets(psk),
      instance: seededRng(1000 + ++this.#seed)(16),
    }, stack);
    const failed = client.run(signal).then(() => null, (error) => error).finally(() =>
      stack.dispose()
    );
    this.#running.push(failed);
    return { outbound: client.outbound, failed };
  }

  /** A session with the server, of a client that does as the test wants; it ends with the world. */
  openVia(host: string): MuxOutbound {
    const { clock, signal } = this;
    const stack = new DisposableStack();
    const client = openLinkClient({
      ...{ clock, log: this.kept.log, keepMs: 0, signal, retries: 0, endsWithSession: true },
      server: VIA,
      dialer: this.streams.dialer(host),
      resolver: { resolve: () => Promise.resolve([VIA.host]) },
      secrets: this.secrets("via"),
      instance: seededRng(1000 + ++this.#seed)(16),
    }, stack);
    void this.#run(client.run(signal).finally(() => stack.dispose()));
    return client.outbound;
  }

  /** Has bytes echoed by the other end; returns how many milliseconds that took. */
  async exchange(outbound: MuxOutbound, size = 100_000): Promise<number> {
    const { clock, signal } = this;
    const began = clock.now();
    const sent = Uint8Array.from({ length: size }, (_, i) => i * 7 + (i >> 8));
    const got = clock.until((async () => {
      const stream = await outbound.openService("echo", { signal });
      const writing = (async () => {
        await write(stream, sent);
        await stream.closeWrite();
      })();
      const all = new Uint8Array(size);
      const into = new Uint8Array(65_536);
      let at = 0;
      for (let more; (more = await read(stream, into)) !== null; at += more) {
        all.set(into.subarray(0, more), at);
      }
      await writing;
      await stream[Symbol.asyncDispose]();
      return all.subarray(0, at);
    })());
    assert.deepEqual(await got, sent);
    return clock.now() - began;
  }

  #end(host: string) {
    const { clock } = this;
    const { hasBoth = false } = this.#o;
    const own = [`127.0.0.1/8`, `${host}/24`, ...hasBoth ? [`${v6Of(host)}/64`] : []];
    return {
      via: {
        name: "via.example",
        server: hasBoth ? { ...VIA, host: "via.example" } : VIA,
        dialer: this.#dialer(host),
        resolver: { resolve: () => Promise.resolve([VIA.host, ...hasBoth ? [VIA_V6] : []]) },
        secrets: this.secrets("via"),
      },
      dialer: this.#dialer(host),
      port: PORT,
      ownNetworks: () => own.map(parseCidr),
      ...{ clock, rng: seededRng(++this.#seed), log: this.kept.log },
    };
  }

  #dialer(host: string): Dialer {
    const { passes = () => true } = this.#o;
    return {
      start: (to, o, events) => {
        const at = requireHostPort(to);
        const inner = this.streams.dialer(at.host.includes(":") ? v6Of(host) : host);
        if ([VIA.host, VIA_V6].includes(at.host)) return inner.start(to, o, events);
        this.dialled.push({ from: host, to: at });
        if (passes(host, at)) return inner.start(to, o, events);
        const words = `Cannot connect to ${at.host}: no way`;
        events.failed(new UnreachableError("refused", words));
      },
    };
  }

  secrets(psk: string): WireSecrets {
    const { nonce: _nonce, ...keys } = handshakeKeys({ psk, makeCipher: this.ciphers.factory });
    return {
      mode: "v2",
      v1: keys,
      s: secretOf(psk),
      keyExchange: nodeKeyExchange,
      rng: seededRng(++this.#seed),
      wallClock: () => 1_790_000_000_000 + this.clock.now(),
    };
  }

  /** Returns why it ended; null for its own end and the test's. */
  #run(running: Promise<unknown>): Promise<unknown> {
    const ended = running.then(() => null, (error) => error === STOP ? null : error);
    this.#running.push(ended);
    return ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(STOP);
    await this.clock.advance(1000);
    await this.clock.until(Promise.all(this.#running));
    await this.clock.advance(100);
    assert.deepEqual(
      { timers: this.clock.pending, streams: this.streams.open, ciphers: this.ciphers.live },
      { timers: 0, streams: 0, ciphers: 0 },
    );
  }
}

/** The IPv6 address of the host with this one. */
export function v6Of(host: string): string {
  return `2620:fe::${host.slice(host.lastIndexOf(".") + 1)}:1`;
}

export const idOf = (text: string): Uint8Array => utf8(text.padEnd(16, "."));
