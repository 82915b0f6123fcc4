import { formatCidr, type HostPort } from "../../src/base/addr.ts";
import { TtunError } from "../../src/base/errors.ts";
import type { Resolver } from "../../src/contract/host.ts";
import type { Paths } from "../../src/contract/routing.ts";
import { onAbort } from "../../src/base/scope.ts";
import type { Datagrams } from "../../src/contract/datagrams.ts";
import type { Dialer, Listener } from "../../src/contract/dial.ts";
import { connectUdp } from "../../src/app/link/udp_client.ts";
import { UdpListener } from "../../src/app/link/udp_listener.ts";
import { UdpServer } from "../../src/app/link/udp_server.ts";
import { UdpConnection } from "../../src/app/link/udp_connection.ts";
import { LONGEST_PACKET } from "../../src/app/link/accept.ts";
import type { ServerMemory } from "../../src/app/link/connect.ts";
import type { RekeyLimits } from "../../src/app/link/record_writer.ts";
import type { WireMode, WireSecrets } from "../../src/app/link/config.ts";
import type { ClientIdentity } from "../../src/core/link/v2/identity.ts";
import { nodeKeyExchange } from "../../src/io/crypto/x25519.ts";
import type { TunRouter } from "../../src/app/tun/tun_router.ts";
import { PoolRouter } from "../../src/app/tun/pool_router.ts";
import { PeerRouter } from "../../src/app/tun/peer_router.ts";
import { runTunClient } from "../../src/app/system/tun_client.ts";
import type { TunClientOptions } from "../../src/app/system/tun_client_options.ts";
import { runTunServer, type TunServerOptions } from "../../src/app/system/tun_server.ts";
import { CountedCiphers } from "./ciphers.ts";
import { FakeClock } from "./clock.ts";
import { FakeDevice } from "./device.ts";
import { keptLog } from "./log.ts";
import { namedKeys, secretOf } from "./named_keys.ts";
import { FakePaths } from "./paths.ts";
import { MemoryNet } from "./memory.ts";
import { MemoryUdp, type OnWire } from "./memory_udp.ts";
import { seededRng } from "./rng.ts";
import { handshakeKeys } from "./v1_session.ts";

export const SERVER_HOST = "192.0.2.1";
export const SERVER_PORT = 20203;
const STOP = new Error("the test is over");

/** When the virtual clock began, in milliseconds since 1970. */
const EPOCH = 1_790_000_000_000;

type KeyOptions = Pick<NonNullable<Parameters<typeof handshakeKeys>[0]>, "psk" | "cipher"> & {
  /** v1 unless it is said. */
  wire?: WireMode;
  /** By how much its wall clock is ahead. */
  skewMs?: number;
  rekey?: RekeyLimits;
  /** Named keys of a server; a client's `psk` is the name of its own. */
  keys?: readonly string[];
};

/** A program that runs: its device, its log, and how it ended. */
export interface Running {
  readonly device: FakeDevice;
  readonly router: TunRouter;
  /** At a client: the addresses that it was given, for each session. */
  readonly given: string[][];
  readonly ended: Promise<unknown>;
  /** Its log's lines, as `level message`. */
  lines(): string[];
  /** Facts of its log's lines with these words. */
  fields(message: string): Record<string, unknown>[];
  stop(): Promise<void>;
}

/** Hosts, a network and a clock for whole programs; at the end everything must be gone. */
export class TunWorld implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly net = new MemoryNet();
  readonly udp = new MemoryUdp((datagram) => this.carry(datagram));
  /** Has a datagram arrive, or not. */
  carry = (datagram: OnWire): void => this.udp.deliver(datagram);
  readonly ciphers = new CountedCiphers();
  readonly #running: Running[] = [];
  readonly #sockets = new AbortController();
  #seed = 0;

  server(
    o:
      & KeyOptions
      & Pick<TunServerOptions, "many" | "onSession" | "pushed" | "sessions">
      /** Listens for datagrams as well. */
      & { udp?: boolean } = {},
  ): Running {
    return this.#run((common, signal) => {
      const listener = this.net.listen({ host: "", port: SERVER_PORT }, { signal });
      const { many, onSession, pushed, sessions } = o;
      return runTunServer({
        ...common,
        listeners: [listener, ...o.udp === true ? [this.#udpListener()] : []],
        sessions,
        pushed,
        ...(many && { many }),
        ...(onSession && { onSession }),
      });
    }, o);
  }

  /** Open until the world ends, so that a server can say that it ends. */
  #udpListener(): Listener {
    const { signal } = this.#sockets;
    const datagrams = this.udp.on(SERVER_HOST)({ host: "", port: SERVER_PORT }, { signal });
    return new UdpListener(datagrams as Datagrams, (o) => new UdpServer(o));
  }

  /** Dials by datagrams from that host. */
  udpDialer(host: string): Dialer {
    return {
      start: (to, { signal }, events) => {
        const datagrams = this.udp.on(host)({ host: "", port: 0 }, {
          signal: new AbortController().signal,
        });
        const connection = new UdpConnection(to as HostPort, {
          datagrams: datagrams as Datagrams,
          connect: connectUdp,
        });
        connection.ends.use(onAbort(signal, () => connection.reset()));
        return events.connected(connection);
      },
    };
  }

  client(
    o: KeyOptions & {
      host?: string;
      retries?: number;
      dialer?: Dialer;
      resolver?: Resolver;
      /** Instance number, equal for clients that are one process. */
      instance?: number;
      identity?: ClientIdentity;
      memory?: ServerMemory;
      /** Called with the addresses that the server assigns. */
      takeAddresses?: TunClientOptions["takeAddresses"];
      sessionEnded?: () => void;
      paths?: Paths;
      addresses?: readonly string[];
      lastServer?: TunClientOptions["lastServer"];
    } = {},
  ): Running {
    return this.#run((common, _signal, given) =>
      runTunClient({
        takeAddresses: (addresses, session) => {
          given.push(addresses.map(formatCidr));
          return o.takeAddresses?.(addresses, session);
        },
        sessionEnded: o.sessionEnded,
        ...common,
        paths: o.paths ?? new FakePaths(),
        addresses: o.addresses ?? [],
        lastServer: o.lastServer,
        server: { host: "server.example", port: SERVER_PORT },
        dialer: o.dialer ?? this.net.dialer(o.host ?? "192.0.2.2"),
        resolver: o.resolver ?? { resolve: () => Promise.resolve([SERVER_HOST]) },
        retries: o.retries ?? Infinity,
        instance: seededRng(o.instance ?? 1000 + ++this.#seed)(16),
        identity: o.identity,
        memory: o.memory ?? forgetful(),
      }), o);
  }

  #run(
    start: (
      common: ReturnType<TunWorld["common"]>,
      signal: AbortSignal,
      given: string[][],
    ) => Promise<void>,
    o: KeyOptions & Pick<TunServerOptions, "many">,
  ): Running {
    const stop = new AbortController();
    const device = new FakeDevice();
    const { log, records } = keptLog(this.clock);
    const packets = { mssClamp: false, longest: LONGEST_PACKET };
    const router = o.many === undefined
      ? new PeerRouter(device, this.clock, packets)
      : new PoolRouter(device, this.clock, {
        ...packets,
        log,
        ...(o.many.networks && { networks: o.many.networks }),
      });
    const given: string[][] = [];
    const running: Running = {
      device,
      router,
      given,
      ended: start(this.common(o, router, log, stop.signal), stop.signal, given).then(
        () => null,
        (error: unknown) => error === STOP ? null : error,
      ),
      lines: () => records.map(({ level, message }) => `${level} ${message}`),
      fields: (message) =>
        records.filter((r) => r.message === message).map((r) => ({ ...r.fields })),
      stop: async () => {
        stop.abort(STOP);
        await this.clock.settle();
        await running.ended;
      },
    };
    this.#running.push(running);
    return running;
  }

  common(
    o: KeyOptions,
    router: TunRouter,
    log: ReturnType<typeof keptLog>["log"],
    signal: AbortSignal,
  ) {
    const { nonce: _nonce, ...keys } = handshakeKeys({ ...o, makeCipher: this.ciphers.factory });
    const secrets: WireSecrets = {
      mode: o.wire ?? "v1",
      v1: keys,
      s: secretOf(o.psk ?? "correct horse"),
      ...(o.keys && { keys: namedKeys(o.keys) }),
      keyExchange: nodeKeyExchange,
      rng: seededRng(++this.#seed),
      wallClock: () => EPOCH + this.clock.now() + (o.skewMs ?? 0),
      ...(o.rekey && { rekey: o.rekey }),
    };
    return { router, secrets, clock: this.clock, log, signal };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const running of this.#running) await running.stop();
    this.#sockets.abort(STOP);
    if (this.ciphers.live > 0) throw new Error(`${this.ciphers.live} ciphers were not disposed of`);
    if (this.clock.pending > 0) throw new Error(`${this.clock.pending} timers are still set`);
  }
}

/** A client's memory of its server, for one process. */
export function forgetful(seenV2 = false): ServerMemory & { seenV2: boolean } {
  const memory = { seenV2: seenV2, reportV2: () => void (memory.seenV2 = true) };
  return memory;
}

/** The error that a program ended with. */
export function errorOf(ended: unknown): TtunError {
  if (ended instanceof TtunError) return ended;
  throw new Error(`Ended otherwise than by an error of ttun's: ${String(ended)}`);
}

/** An IPv4 packet without a sense, told apart by `mark`. */
export function ipPacket(mark: number, size = 40): Uint8Array {
  const packet = new Uint8Array(size);
  packet[0] = 0x45;
  packet[size - 2] = mark >> 8;
  packet[size - 1] = mark;
  return packet;
}
