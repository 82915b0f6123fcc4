import { ProtocolError, type TtunError } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";
import type { Connection, SocketOptions } from "../../contract/connection.ts";
import { portOf } from "../../core/hop/port_range.ts";
import { greeting } from "../../core/proxy/socks/socks5_client.ts";
import { NonceMemory } from "../../core/tt/nonce_filter.ts";
import { RandomBlock } from "../../core/tt/random_pool.ts";
import { readable } from "../loop/stream_io.ts";
import type { ProxyLimits } from "../net/connection_limits.ts";
import { dialAny } from "../net/dial_host.ts";
import { PathWatch } from "../net/path_watch.ts";
import type { ProxyHost } from "../net/proxy_host.ts";
import type { ScratchBuffers } from "../net/scratch.ts";
import type { TtConfig } from "./config.ts";
import { ANSWER_MS } from "./connect_request.ts";
import { FrameBuffers } from "./frame_buffers.ts";
import type { MinuteKeyCache } from "./minute_keys.ts";
import { OwedEnds } from "./owed_ends.ts";
import { hungUp, silent } from "./server_errors.ts";
import { connectionOptions, TtConnection, type TtConnectionHost } from "./tt_connection.ts";

/** Milliseconds for the server's TCP, as in the existing programs. */
const DIAL_MS = 5000;

/** Milliseconds for the server's name, if it was never resolved. */
const NAME_MS = 10_000;

/** Minutes back from which an answer may come: the longest lifetime of a port. */
const REACH = 15;

export interface TtDialerOptions extends ProxyHost {
  readonly wire: TtConfig;
  readonly server: string;
  readonly limits: ProxyLimits;
  readonly scratch: ScratchBuffers;
  /** The cache stays the caller's. */
  readonly secrets: MinuteKeyCache;
}

export class TtDialer implements Disposable {
  readonly #o: TtDialerOptions;
  readonly #nonces: NonceMemory;
  readonly #paths: PathWatch;
  readonly #owed: OwedEnds;
  readonly #host: TtConnectionHost;
  readonly #options: SocketOptions;
  connectMs = 0;
  /** The server has shown the mark: it takes the request together with the greeting. */
  knowsMark = false;

  constructor(o: TtDialerOptions, idle: TtConnectionHost["idle"]) {
    this.#o = o;
    this.#nonces = new NonceMemory(o.rng, { reach: REACH });
    this.#paths = new PathWatch(o.clock);
    this.#options = connectionOptions(o.wire);
    this.#owed = new OwedEnds(o.clock, o.signal);
    this.#host = {
      clock: o.clock,
      wallClock: o.wallClock,
      buffers: new FrameBuffers(),
      random: new RandomBlock(o.rng),
      mostText: o.wire.mostText,
      paths: this.#paths,
      idle,
      owed: this.#owed,
      onPeer: (peer) => void (this.knowsMark = peer !== "unmarked"),
      replayed: (verdict) => {
        const words = `Cannot trust the server: its first frame is not new (${verdict})`;
        return new ProtocolError(words);
      },
    };
  }

  /** @throws {TtunError} unreachable, timeout, … */
  async dial(minute: number, signal: AbortSignal): Promise<TtConnection> {
    const { secrets, wire, server, clock, dialer, resolver, signal: life } = this.#o;
    const borrowed = secrets.borrow(minute);
    const began = clock.now();
    let socket: Connection | null = null;
    try {
      socket = await dialAny({
        to: { host: server, port: portOf(borrowed.keys.otp, wire.range) },
        dialer,
        resolver,
        clock,
        nameMs: NAME_MS,
        timeoutMs: DIAL_MS,
        signal,
        life,
      });
      this.connectMs = clock.now() - began;
      socket.setOptions(this.#options);
      return new TtConnection(this.#host, socket, borrowed, this.#nonces, null);
    } catch (error) {
      await socket?.[Symbol.asyncDispose]();
      borrowed[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * Has the server prove a minute's key. `onConnected`: its port has accepted the connection.
   * @throws {TtunError} why there is no answer
   */
  async greet(minute: number, signal: AbortSignal, onConnected?: () => void): Promise<void> {
    const connection = await this.dial(minute, signal);
    onConnected?.();
    await using stream = connection.begin();
    using _registration = onAbort(signal, () => stream.reset());
    let late: TtunError | null = null;
    using _deadline = this.#o.clock.after(ANSWER_MS, () => {
      late = silent(stream.peer, ANSWER_MS);
      stream.reset();
    });
    try {
      await stream.writeFrames([greeting()]);
      const read = () => stream.readNow(this.#o.scratch.message);
      let got = read();
      for (; got === undefined; got = read()) await readable(stream);
      if (got === null) throw hungUp(stream.peer);
    } catch (error) {
      throw late ?? error;
    } finally {
      stream.reset(); // after an end the server would log a client that breaks off
    }
  }

  /** Resolves to true if the server answers with that minute's key. */
  async isOpen(minute: number): Promise<boolean> {
    try {
      await this.greet(minute, this.#o.signal);
      return true;
    } catch {
      return false; // whatever the reason, it is not an answer
    }
  }

  [Symbol.dispose](): void {
    this.#owed[Symbol.dispose]();
    this.#paths[Symbol.dispose]();
  }
}
