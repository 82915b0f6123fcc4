import assert from "node:assert/strict";
import type { Addr, HostPort } from "../../src/base/addr.ts";
import {
  type Cidr,
  formatAddr,
  formatCidr,
  parseCidr,
  requireHostPort,
} from "../../src/base/addr.ts";
import { UnreachableError } from "../../src/base/errors.ts";
import { utf8 } from "../../src/base/bytes.ts";
import { runForwardClient } from "../../src/app/system/forward_client.ts";
import type { StdioForward } from "../../src/app/forward/stdio_forward.ts";
import { listenForwards } from "../../src/app/system/forward_table.ts";
import { RemoteForwardTable } from "../../src/app/system/remote_forwards.ts";
import { FORWARD_LIMITS } from "../../src/app/system/forwards.ts";
import type { SessionLimits } from "../../src/app/mux/served_sessions.ts";
import { runStreamServer } from "../../src/app/system/stream_server.ts";
import { runTunForwardClient } from "../../src/app/system/tun_forward_client.ts";
import { runTunClient } from "../../src/app/system/tun_client.ts";
import { runTunServer } from "../../src/app/system/tun_server.ts";
import { PoolRouter } from "../../src/app/tun/pool_router.ts";
import { PeerRouter } from "../../src/app/tun/peer_router.ts";
import { LONGEST_PACKET } from "../../src/app/link/accept.ts";
import type { WireSecrets } from "../../src/app/link/config.ts";
import { accept } from "../../src/app/loop/stream_io.ts";
import { dial } from "../../src/app/net/dial_events.ts";
import { directOutbound } from "../../src/app/net/direct_outbound.ts";
import type { Connection } from "../../src/contract/connection.ts";
import type { BoundDatagrams } from "../../src/contract/datagrams.ts";
import type { Dialer, Listener } from "../../src/contract/dial.ts";
import type { Resolver } from "../../src/contract/host.ts";
import { Acl } from "../../src/core/acl/acl.ts";
import { parseListenRule } from "../../src/core/acl/listen_rule.ts";
import { ListenRules } from "../../src/core/acl/listen_rules.ts";
import { AddressPool } from "../../src/core/ip/address_pool.ts";
import { parseRule } from "../../src/core/acl/rule.ts";
import {
  parseDynamicForward,
  parseLocalForward,
  parseRemoteForward,
} from "../../src/core/forward/parse.ts";
import { SessionList } from "../../src/core/status/session_list.ts";
import type { KeyedHopAddress } from "../../src/core/hop/hop_address.ts";
import { nodeKeyExchange } from "../../src/io/crypto/x25519.ts";
import { CountedCiphers } from "./ciphers.ts";
import { FakeClock } from "./clock.ts";
import { CountedStreams } from "./counted_streams.ts";
import { FakeDevice } from "./device.ts";
import { keptLog } from "./log.ts";
import { MemoryDatagrams } from "./memory_datagrams.ts";
import { MemoryNet } from "./memory.ts";
import { namedKeys, secretOf } from "./named_keys.ts";
import { FakePaths } from "./paths.ts";
import { seededRng } from "./rng.ts";
import { handshakeKeys } from "./v1_session.ts";

export const SERVER: HostPort = { host: "192.0.2.1", port: 20203 };
/** The last port of a range is never used, so these are three. */
export const HOPS: KeyedHopAddress = {
  host: "192.0.2.1",
  range: { first: 20_000, last: 20_003 },
  key: utf8("correct horse"),
};
export const TARGET = "192.0.2.10";

/** Networks of the server's device, where it has several clients, and its own addresses in them. */
const POOLS = ["10.8.0.0/24"];
const OWN = ["10.8.0.1/24"];

const RESOLVER: Resolver = {
  resolve: (name) => Promise.resolve(name === "target" ? [TARGET] : []),
};

/** When the virtual clock began, in milliseconds since 1970. */
export const EPOCH = 1_790_000_000_000;
const STOP = new Error("the test is over");

export interface ForwardPrograms {
  /** Values of -L and -D at the client. */
  readonly local?: readonly string[];
  readonly dynamic?: readonly string[];
  /** Values of -R at the client, and of --permit-listen at the server. */
  readonly remote?: readonly string[];
  readonly permitListen?: readonly string[];
  readonly exitOnFailure?: boolean;
  readonly udpIdleMs?: number;
  /** Values of --permit-open and --deny at the server. */
  readonly permit?: readonly string[];
  readonly deny?: readonly string[];
  readonly keepMs?: number;
  /** Sessions that the server may have. */
  readonly sessionLimits?: SessionLimits;
  /** The server has a device as well; without `forwards` it serves no streams. */
  readonly hasDevice?: boolean;
  readonly forwards?: boolean;
  /** The client has a device too, whose connection carries its streams. */
  readonly clientDevice?: boolean;
  /** The client has its device alone, and no forwards. */
  readonly deviceAlone?: boolean;
  /** Clients of the server, which get addresses then. */
  readonly clients?: number;
  /** Changes the client's connections to the server. */
  readonly shape?: (stream: Connection, clock: FakeClock) => Connection;
  readonly retries?: number;
  /** The server's ports hop. */
  readonly hop?: boolean;
  /** The client's server is behind no address that it knows. */
  readonly isDirect?: boolean;
  /** Another transport than the network's addresses: its listener, and what dials that. */
  readonly transport?: {
    listen(clock: FakeClock, signal: AbortSignal): Listener;
    dialer(clock: FakeClock): Dialer<void>;
  };
  readonly stdio?: StdioForward;
  /** Names of the server's keys; a client's `psk` is the name of its own. */
  readonly keys?: readonly string[];
  /** By which the client's key differs from the server's. */
  readonly psk?: string;
  /** Milliseconds by which the client's clock is ahead. */
  readonly ahead?: number;
}

type Other = { [K in "keys" | "psk" | "ahead"]?: ForwardPrograms[K] | undefined };

/** A server of streams, a client with forwards, and targets behind the server. */
export class StreamWorld implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly net = new MemoryNet({ clock: this.clock });
  readonly datagrams = new MemoryDatagrams();
  /** Streams of both programs and of the test. */
  readonly streams = new CountedStreams(this.net);
  readonly ciphers = new CountedCiphers();
  /** Sessions of both programs. */
  readonly sessions = new SessionList();
  /** The address that the client dials from. */
  clientHost = "192.0.2.2";
  /** False for addresses of the server that refuse the client. */
  mayDial = (_: Addr): boolean => true;
  /** Devices of the server and the client that were started last, if they have some. */
  readonly devices = { server: new FakeDevice(), client: new FakeDevice() };
  /** The client's connections to the server, the oldest first. */
  readonly carriers: Connection[] = [];
  /** Addresses of each session of clients with a device, at its beginning, and "ended". */
  readonly taken: string[] = [];
  /** The forwards -R of the client that began last. */
  remotes = new RemoteForwardTable([]);
  readonly server: Running;
  readonly client: Running;
  readonly #o: ForwardPrograms;
  readonly #running: Running[] = [];
  #seed = 0;

  constructor(o: ForwardPrograms) {
    this.#o = o;
    this.server = this.startServer();
    this.client = this.startClient();
  }

  startServer(): Running {
    const { permit = [], deny = [], permitListen = [] } = this.#o;
    const { keepMs = 60_000, hasDevice = false, sessionLimits, hop = false } = this.#o;
    const { clock } = this;
    return this.#run((common) => {
      const listeners = hop ? [] : [
        this.#o.transport?.listen(clock, common.signal) ??
          this.streams.listen({ host: "", port: SERVER.port }, common),
      ];
      const rules = new Acl({
        allow: ["192.0.2.0/24", ...permit].flatMap(parseRule),
        deny: deny.flatMap(parseRule),
      });
      const streams = {
        keepMs,
        limits: FORWARD_LIMITS,
        sessionLimits,
        outbound: this.#outbound(SERVER.host, rules),
        listenRules: new ListenRules(permitListen.map(parseListenRule)),
        listen: (at: Addr, o: { signal: AbortSignal }) =>
          this.streams.listen(requireHostPort(at), o),
        datagrams: {
          sockets: this.datagrams.on(SERVER.host),
          resolver: RESOLVER,
          rules,
          idleMs: this.#o.udpIdleMs ?? 60_000,
        },
      };
      const hops = { ends: hop ? [{ ...HOPS, host: "" }] : [], listen: streams.listen };
      if (!hasDevice) return runStreamServer({ ...common, ...streams, listeners, hops });
      const packets = { mssClamp: false, longest: LONGEST_PACKET };
      this.devices.server = new FakeDevice();
      const { clients, forwards = true } = this.#o;
      const router = clients === undefined
        ? new PeerRouter(this.devices.server, clock, packets)
        : new PoolRouter(this.devices.server, clock, { ...packets, log: common.log });
      const pool = () => new AddressPool(POOLS.map(parseCidr), OWN.map(parseCidr), clients!);
      return runTunServer({
        ...common,
        listeners,
        hops,
        router,
        ...(clients !== undefined && { many: { clients, pool: pool() } }),
        ...(forwards && { streams }),
      });
    }, { keys: this.#o.keys });
  }

  #outbound(host: string, rules: Acl | null) {
    return directOutbound({
      dialer: this.streams.dialer(host),
      resolver: RESOLVER,
      clock: this.clock,
      connectMs: 10_000,
      rules,
    });
  }

  /** `other`: by which it differs from the first one. */
  startClient(other: ForwardPrograms = {}): Running {
    const all = { ...this.#o, ...other };
    const { remote = [], exitOnFailure = true, stdio, clientDevice = false } = all;
    const { local = [], dynamic = [], keepMs = 60_000, retries = Infinity } = all;
    const { psk, hop = false, isDirect = false, ahead, deviceAlone = false } = all;
    this.remotes = new RemoteForwardTable(remote.map(parseRemoteForward));
    return this.#run((common) => {
      const sockets = this.datagrams.on(this.clientHost);
      const forwards = listenForwards({
        ...common,
        specs: [...local.map(parseLocalForward), ...dynamic.map(parseDynamicForward)],
        listen: (at, o) => this.streams.listen(requireHostPort(at), o),
        bind: sockets.bind,
        exitOnFailure: true,
      });
      const client = {
        ...common,
        forwards,
        remote: {
          table: this.remotes,
          outbound: this.#outbound(this.clientHost, null),
          datagrams: { sockets, resolver: RESOLVER },
          exitOnFailure,
        },
        dialer: this.#kept,
        resolver: { resolve: () => Promise.resolve([SERVER.host]) },
        limits: FORWARD_LIMITS,
        keepMs,
        bind: sockets.bind,
        udpIdleMs: this.#o.udpIdleMs ?? 60_000,
        retries,
        instance: seededRng(1000 + ++this.#seed)(16),
      };
      if (!clientDevice) {
        const dialer = all.transport?.dialer(this.clock);
        const server = dialer !== undefined ? { name: "a friend", dialer } : hop ? HOPS : SERVER;
        return runForwardClient({ ...client, stdio, server });
      }
      const packets = { mssClamp: false, longest: LONGEST_PACKET };
      this.devices.client = new FakeDevice();
      const tunnel = {
        ...client,
        server: isDirect ? { name: "direct", dialer: this.#direct } : hop ? HOPS : SERVER,
        router: new PeerRouter(this.devices.client, this.clock, packets),
        paths: new FakePaths(),
        memory: { seenV2: false, reportV2: () => {} },
        takeAddresses: (addresses: readonly Cidr[]) =>
          void this.taken.push(addresses.map(formatCidr).join()),
        sessionEnded: () => void this.taken.push("ended"),
      };
      return deviceAlone ? runTunClient(tunnel) : runTunForwardClient(tunnel);
    }, { psk, ahead });
  }

  /** Notes the connections that the client makes. */
  readonly #kept: Dialer = {
    start: (to, o, events) => {
      if (!this.mayDial(to)) {
        const words = `Cannot connect to ${formatAddr(to)}: it refuses`;
        return events.failed(new UnreachableError("refused", words));
      }
      return this.streams.dialer(this.clientHost).start(to, o, {
        failed: (error) => events.failed(error),
        connected: (stream) => {
          const shaped = this.#o.shape?.(stream, this.clock) ?? stream;
          this.carriers.push(shaped);
          return events.connected(shaped);
        },
      });
    },
  };

  readonly #direct: Dialer<void> = {
    start: (_, o, events) => this.#kept.start(SERVER, o, events),
  };

  #run(
    start: (common: ReturnType<StreamWorld["common"]>) => Promise<void>,
    other: Other = {},
  ): Running {
    const stop = new AbortController();
    const kept = keptLog(this.clock);
    const common = this.common(kept.log, stop.signal, other);
    const ended = start(common).then(() => null, (error) => error === STOP ? null : error);
    const running: Running = {
      ended,
      lines: () =>
        kept.records.filter(({ level }) => level !== "debug")
          .map(({ level, message, fields }) => `${level} ${message} ${JSON.stringify(fields)}`),
      stop: async () => {
        stop.abort(STOP);
        await this.clock.settle();
        await ended;
      },
    };
    this.#running.push(running);
    return running;
  }

  common(log: ReturnType<typeof keptLog>["log"], signal: AbortSignal, o: Other = {}) {
    const { psk = "correct horse", ahead = 0 } = o;
    const { nonce: _nonce, ...keys } = handshakeKeys({ psk, makeCipher: this.ciphers.factory });
    const secrets: WireSecrets = {
      mode: "v2",
      v1: keys,
      s: secretOf(psk),
      ...(o.keys && { keys: namedKeys(o.keys) }),
      keyExchange: nodeKeyExchange,
      rng: seededRng(++this.#seed),
      wallClock: () => EPOCH + this.clock.now() + ahead,
    };
    return { secrets, clock: this.clock, log, sessions: this.sessions, signal };
  }

  /** Serves each connection to the target; closes it behind. */
  serve(serve: (stream: Connection) => Promise<void>, port = 80): void {
    const { signal } = this.#testing;
    const listener = this.net.listen({ host: TARGET, port }, { signal });
    const run = async () => {
      for (;;) {
        const stream = await accept(listener, { signal });
        const close = () => stream[Symbol.asyncDispose]();
        serve(stream).then(close, close);
      }
    };
    run().catch(() => {}); // the test is over
  }

  readonly #testing = new AbortController();

  /** Connects as a program beside the client. */
  connect(port: number): Promise<Connection> {
    const { signal } = this.#testing;
    return dial(this.net.dialer("127.0.0.1"), { host: "127.0.0.1", port }, { signal });
  }

  /** A socket of datagrams of the test's own. */
  bind(at: HostPort): BoundDatagrams {
    return this.datagrams.on("").bind(at, { signal: this.#testing.signal });
  }

  /** A program gives its peer up to 300 ms to take its last words. */
  async #stop(running: Running): Promise<void> {
    let isRunning = true;
    const stopped = running.stop().finally(() => isRunning = false);
    await this.clock.settle();
    for (let ms = 0; isRunning && ms < 400; ms++) await this.clock.advance(1);
    await stopped;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const running of this.#running.reverse()) await this.#stop(running);
    this.#testing.abort(STOP);
    await this.clock.advance(100); // a target's pause
    assert.deepEqual(
      {
        timers: this.clock.pending,
        streams: this.streams.open,
        sockets: this.datagrams.open,
        ciphers: this.ciphers.live,
      },
      { timers: 0, streams: 0, sockets: 0, ciphers: 0 },
    );
  }
}

export interface Running {
  /** Null when it was stopped. */
  readonly ended: Promise<unknown>;
  lines(): string[];
  stop(): Promise<void>;
}
