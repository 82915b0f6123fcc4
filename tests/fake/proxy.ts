import type { HostPort } from "../../src/base/addr.ts";
import { TtunError } from "../../src/base/errors.ts";
import { concat, utf8 } from "../../src/base/bytes.ts";
import type { Logger, LogRecord } from "../../src/base/log.ts";
import type { CipherName } from "../../src/contract/cipher.ts";
import type { Resolver } from "../../src/contract/host.ts";
import type { Dialer } from "../../src/contract/dial.ts";
import type { Connection } from "../../src/contract/connection.ts";
import { DEFAULT_LIMITS, type ProxyLimits } from "../../src/app/net/connection_limits.ts";
import type { ProxyHost } from "../../src/app/net/proxy_host.ts";
import type { NamedKey } from "../../src/base/named_key.ts";
import type { TtConfig } from "../../src/app/tt/config.ts";
import type { WireMode } from "../../src/app/link/config.ts";
import { sleep } from "../../src/app/loop/sleep.ts";
import type { ProxyLinkServing, ProxyLinkUse } from "../../src/app/system/proxy_options.ts";
import { pskKey } from "../../src/core/link/v1/kdf.ts";
import { SessionList } from "../../src/core/status/session_list.ts";
import { nodeKeyExchange } from "../../src/io/crypto/x25519.ts";
import { MemoryDatagrams } from "./memory_datagrams.ts";
import { runProxyClient } from "../../src/app/system/proxy_client.ts";
import { serveProxy } from "../../src/app/system/proxy_server.ts";
import { BypassRules } from "../../src/core/proxy/bypass_rules.ts";
import { parseRules } from "./rules.ts";
import type { CheckPassword } from "../../src/core/proxy/socks/socks5_server.ts";
import { CountedCiphers } from "./ciphers.ts";
import { FakeClock } from "./clock.ts";
import { CountedStreams } from "./counted_streams.ts";
import { keptLog } from "./log.ts";
import { MemoryNet } from "./memory.ts";
import { seededRng } from "./rng.ts";
import { OldServer } from "./tt_old.ts";
import { accept, read, write } from "../../src/app/loop/stream_io.ts";
import { dial } from "../../src/app/net/dial_events.ts";

/** Addresses for documentation (RFC 5737) for our own hosts; targets must be of the internet. */
export const SERVER_HOST = "192.0.2.1";
export const CLIENT_HOST = "192.0.2.2";
export const TARGET_V4 = "8.0.0.10";
export const TARGET_V6 = "2a00::10";
export const TARGET_NAME = "target.example";

export const PASSWORD = "correct horse battery staple";
export const RANGE = { first: 20_000, last: 30_000 };

/** The minute in which the virtual clock begins. */
export const MINUTE = 26_173_462;

/** A server's log message when its first ports are open. */
const START = "listening; the firewall must let the whole range in";

const STOP = new Error("the test is over");

/** A program's wall clock, relative to the virtual clock. */
export interface WallOptions {
  /** By how much it is ahead. */
  readonly skewMs?: number;
}

interface WireOptions extends WallOptions {
  /** Absent = v1: tt alone. */
  readonly mode?: WireMode;
  readonly keepMs?: number;
  /** Milliseconds that each secret of version 2 takes. */
  readonly secretMs?: number;
  /** Fails instead. */
  readonly secretError?: TtunError;
  readonly cipher?: CipherName;
  readonly range?: { first: number; last: number };
  readonly mostText?: number;
  readonly limits?: Partial<ProxyLimits>;
  readonly dialer?: Dialer;
  readonly resolver?: Resolver;
}

export interface ServerOptions extends WireOptions {
  readonly keys?: readonly NamedKey[];
  readonly password?: string;
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
  readonly listen?: (net: CountedStreams) => CountedStreams["listen"];
}

export interface ClientOptions extends WireOptions {
  readonly password?: string;
  readonly server?: string;
  readonly direct?: readonly string[];
  readonly checksServer?: boolean;
  readonly isEager?: boolean;
  readonly auth?: CheckPassword;
  /** Where programs find it; another machine's come to another address than loopback. */
  readonly listenHost?: string;
}

/** A program that runs. */
export interface ProxyRun {
  /** The streams that it has. */
  readonly streams: CountedStreams;
  /** How it ended; null = by our stop. */
  readonly ended: Promise<unknown>;
  /** Its log's lines, as `level message`, without those of `debug` and a server's first one. */
  lines(): string[];
  /** All of its log. */
  records(): readonly LogRecord[];
  /** Facts of its log's lines with these words. */
  fields(message: string): LogRecord["fields"][];
  stop(): Promise<void>;
}

export interface ClientRun extends ProxyRun {
  /** A local program connects to it. */
  connect(): Promise<Connection>;
}

/** Hosts, a network, names and a clock for whole proxies; at the end everything must be gone. */
export class ProxyWorld implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly net: MemoryNet;
  readonly ciphers = new CountedCiphers();
  readonly datagrams = new MemoryDatagrams();
  /** Sessions of all programs. */
  readonly sessions = new SessionList();
  readonly names = new Map<string, string[]>([[TARGET_NAME, [TARGET_V4]]]);
  /** How fast all wall clocks go. */
  readonly #speed: number;
  readonly #startMs: number;
  readonly #own = new AbortController();
  readonly #running: ProxyRun[] = [];
  #seed = 0;
  #localPort = 1080;

  constructor(o: { speed?: number; capacity?: number; second?: number } = {}) {
    const capacity = o.capacity === undefined ? {} : { capacity: o.capacity };
    this.net = new MemoryNet({ clock: this.clock, ...capacity });
    this.#speed = o.speed ?? 1;
    this.#startMs = 60_000 * MINUTE + 1000 * (o.second ?? 20);
  }

  /** Of the test itself: over at the end. */
  get signal(): AbortSignal {
    return this.#own.signal;
  }

  readonly wallClock = (): number => this.#startMs + this.#speed * this.clock.now();

  get minute(): number {
    return Math.floor(this.wallClock() / 60_000);
  }

  rng() {
    return seededRng(++this.#seed);
  }

  server(o: ServerOptions = {}): ProxyRun {
    const password = utf8(o.password ?? PASSWORD);
    return this.#run(o, SERVER_HOST, (common, streams) => {
      const listen = o.listen?.(streams) ?? streams.listen.bind(streams);
      return serveProxy({
        preciseNow: () => this.clock.now(),
        ...common,
        keys: o.keys ?? [{ name: "", password }],
        host: "",
        listen,
        rules: parseRules({ allow: o.allow ?? [], deny: o.deny ?? [] }),
        links: this.#link(o, SERVER_HOST),
      });
    });
  }

  client(o: ClientOptions = {}): ClientRun {
    const host = o.listenHost ?? "127.0.0.1";
    const at: HostPort = { host, port: this.#localPort++ };
    const running = this.#run(o, CLIENT_HOST, (common, streams) =>
      runProxyClient({
        ...common,
        password: utf8(o.password ?? PASSWORD),
        server: o.server ?? "server.example",
        listener: streams.listen(at, common),
        direct: new BypassRules(o.direct ?? []),
        checksServer: o.checksServer ?? false,
        isEager: o.isEager ?? false,
        auth: o.auth ?? null,
        link: this.#link(o, CLIENT_HOST),
      }));
    const program = this.net.dialer(o.listenHost === undefined ? "127.0.0.1" : "192.0.2.9");
    return { ...running, connect: () => dial(program, at, { signal: this.signal }) };
  }

  /** Version 2 of the link, for either end. */
  #link(o: WireOptions, host: string): (ProxyLinkUse & ProxyLinkServing) | null {
    const { mode = "v1", cipher = "chacha20-poly1305", keepMs = 60_000, secretMs = 0 } = o;
    if (mode === "v1") return null;
    const sockets = this.datagrams.on(host);
    return {
      secrets: {
        mode,
        v1: { psk: new Uint8Array(), cipher, makeCipher: this.ciphers.factory },
        keyExchange: nodeKeyExchange,
        rng: this.rng(),
        wallClock: () => this.wallClock() + (o.skewMs ?? 0),
      },
      // scrypt's place is taken by a quick hash
      secretOf: async ({ password }) => {
        if (o.secretError !== undefined) throw o.secretError;
        if (secretMs > 0) await sleep(this.clock, secretMs, this.signal);
        return pskKey(concat(utf8("s of "), password));
      },
      keepMs,
      sessions: this.sessions,
      instance: this.rng()(16),
      bind: sockets.bind,
      onUsed: () => {},
      datagrams: { sockets, resolver: { resolve: this.#resolve }, idleMs: 60_000 },
    };
  }

  /** A server as the existing ones are; its ports of T-1, T and T+1 are open. */
  oldServer(o: { cipher?: CipherName } = {}): OldServer {
    const server = new OldServer({
      password: PASSWORD,
      cipher: o.cipher ?? "chacha20-poly1305",
      ...RANGE,
      host: SERVER_HOST,
      listen: (at, options) => this.net.listen(at, options),
      dialer: this.net.dialer(SERVER_HOST),
      rng: this.rng(),
      signal: this.signal,
      resolve: (name) => /^[0-9.]+$/.test(name) ? name : this.names.get(name)?.[0] ?? null,
    });
    server.open(this.minute - 1, this.minute, this.minute + 1);
    return server;
  }

  /** A host that serves each connection so; the stream is closed behind it. */
  target(serve: (stream: Connection) => Promise<void>, at: Partial<HostPort> = {}): void {
    const listener = this.net.listen({ host: "", port: 80, ...at }, this);
    const run = async () => {
      for (;;) {
        const stream = await accept(listener, this);
        const close = () => stream[Symbol.asyncDispose]();
        serve(stream).then(close, close);
      }
    };
    run().catch(() => {}); // the test is over
  }

  #run(
    o: WireOptions,
    host: string,
    start: (common: ReturnType<ProxyWorld["common"]>, streams: CountedStreams) => Promise<void>,
  ): ProxyRun {
    const stop = new AbortController();
    const streams = new CountedStreams(this.net);
    const { log, records } = keptLog(this.clock);
    const ended = start(this.common(o, host, streams, log, stop.signal), streams).then(
      () => null,
      (error: unknown) => error === STOP ? null : error,
    );
    const running: ProxyRun = {
      streams,
      ended,
      records: () => records,
      lines: () =>
        records.filter(({ level, message }) => level !== "debug" && message !== START)
          .map((r) => `${r.level} ${r.message}`),
      fields: (message) => records.filter((r) => r.message === message).map((r) => r.fields),
      stop: async () => {
        stop.abort(STOP);
        await this.clock.settle();
        await ended;
      },
    };
    this.#running.push(running);
    return running;
  }

  common(
    o: WireOptions,
    host: string,
    streams: CountedStreams,
    log: Logger,
    signal: AbortSignal,
  ): ProxyHost & { wire: TtConfig; limits: ProxyLimits } {
    return {
      dialer: o.dialer ?? streams.dialer(host),
      resolver: o.resolver ?? { resolve: this.#resolve },
      clock: this.clock,
      wallClock: () => this.wallClock() + (o.skewMs ?? 0),
      rng: this.rng(),
      log,
      signal,
      wire: {
        cipher: o.cipher ?? "chacha20-poly1305",
        makeCipher: this.ciphers.factory,
        range: o.range ?? RANGE,
        mostText: o.mostText,
      },
      limits: { ...DEFAULT_LIMITS, ...o.limits },
    };
  }

  // deno-lint-ignore require-await -- it throws as a promise does
  readonly #resolve = async (host: string): Promise<string[]> => {
    if (host === "server.example") return [SERVER_HOST];
    const found = /[:]|^[0-9.]+$/.test(host) ? [host] : this.names.get(host);
    if (found === undefined) throw new TtunError("name", `${host} does not resolve`);
    return found;
  };

  async [Symbol.asyncDispose](): Promise<void> {
    for (const running of this.#running) await running.stop();
    const left = this.#running.reduce((sum, { streams }) => sum + streams.open, 0);
    this.#own.abort(STOP);
    await this.clock.settle();
    const { open } = this.datagrams;
    if (open > 0) throw new Error(`${open} sockets are still open`);
    if (left > 0) throw new Error(`${left} streams are still open`);
    if (this.ciphers.live > 0) throw new Error(`${this.ciphers.live} ciphers were not disposed of`);
    if (this.clock.pending > 0) throw new Error(`${this.clock.pending} timers are still set`);
  }
}

/** A target that sends back what it gets, and its FIN after the client's. */
export async function echo(stream: Connection): Promise<void> {
  const into = new Uint8Array(64 * 1024);
  for (;;) {
    const got = await read(stream, into);
    if (got === null) return void await stream.closeWrite();
    await write(stream, into.slice(0, got));
  }
}
