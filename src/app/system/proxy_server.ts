import { formatAddr } from "../../base/addr.ts";
import { ProtocolError, toTtunError } from "../../base/errors.ts";
import { holdListener, onAbort, scope } from "../../base/scope.ts";
import type { Connection } from "../../contract/connection.ts";
import { NonceMemory } from "../../core/tt/nonce_filter.ts";
import { portOf } from "../../core/hop/port_range.ts";
import { RandomBlock } from "../../core/tt/random_pool.ts";
import { ListenSchedule } from "../../core/hop/schedule.ts";
import { dialMakingRoom } from "../net/retry_exhausted.ts";
import { Gatekeeper } from "../net/gatekeeper.ts";
import { addressGroup } from "../net/half_open.ts";
import { OF_PEERS, RateLimitedLog } from "../../base/rate_limited_log.ts";
import { PathWatch } from "../net/path_watch.ts";
import { Stranger } from "../net/stranger.ts";
import { ConnectError, directOutbound } from "../net/direct_outbound.ts";
import { type Admitted, type FirstFrameOptions, readFirstFrame } from "../tt/first_frame_reader.ts";
import { KeyCandidates } from "../tt/key_candidates.ts";
import { MinuteKeyCache } from "../tt/minute_keys.ts";
import type { ProxyServerOptions } from "./proxy_options.ts";
import { PortHopper } from "../hop/port_hopper.ts";
import { Quota } from "../net/connection_quota.ts";
import { Relays } from "../net/relay.ts";
import { ScratchBuffers } from "../net/scratch.ts";
import { serveInbound } from "../proxy/inbound.ts";
import { ServerConnection, type ServerConnectionHost } from "../tt/server_connection.ts";
import { CONNECTION_OPTIONS, TtConnection, type TtConnectionHost } from "../tt/tt_connection.ts";

/** How long a client that has shown the password may take to say what it wants. */
const REQUEST_MS = 30_000;

/**
 * The first text of somebody who wants a proxy, as tt's servers tell it (docs/wire/tt-v1.md, 3.2); empty
 * lines may come first (RFC 9112 section 2.2), also alone.
 */
const HTTP_METHOD = /^[\r\n]*(?:[A-Z]{3,10} |$)/;

/** Where that must show. */
const METHOD_ROOM = 32;

/**
 * Serves a proxy on the ports of the hour until the signal aborts (docs/wire/tt-v1.md).
 * @throws {TtunError} when no port can be opened
 */
export async function serveProxy(o: ProxyServerOptions): Promise<void> {
  using stack = new DisposableStack();
  const accounts = o.keys.map(({ name, password }) => ({
    name,
    secrets: stack.use(new MinuteKeyCache(password, o.wire)),
    nonces: new NonceMemory(o.rng),
  }));
  const cut = new AbortController();
  using _tie = onAbort(o.signal, (reason) => cut.abort(reason)); // before what the scope owns
  using _hold = holdListener(cut.signal);
  await scope(o.signal, (tasks) => {
    const guesses = stack.use(new KeyCandidates({ accounts, range: o.wire.range }));
    const relays = stack.use(
      new Relays({ ...o, ...o.limits, scratch: new ScratchBuffers(), cut: cut.signal }),
    );
    const paths = stack.use(new PathWatch(o.clock));
    const server = new ProxyServer({ ...o, signal: tasks.signal }, guesses, relays, paths);
    const hopper = new PortHopper(tasks, {
      ...o,
      schedules: accounts.map(({ secrets }) =>
        new ListenSchedule({
          minutePort: (minute) => {
            const { otp, lifetime } = secrets.keysAt(minute);
            return { port: portOf(otp, o.wire.range), lifetime };
          },
        })
      ),
      range: o.wire.range,
      take: (stream, port) => tasks.spawn(() => server.serve(stream, port)),
      evictIdle: () => server.evictIdle(),
    });
    tasks.spawn(() => hopper.run());
  });
}

class ProxyServer {
  /** Its known clients are between two proxied connections. */
  readonly #gate: Gatekeeper;
  readonly #o: ProxyServerOptions;
  readonly #reading: FirstFrameOptions;
  readonly #rejected: RateLimitedLog;
  /** Lines that clients cause. */
  readonly #said: RateLimitedLog;
  readonly #random: RandomBlock;
  readonly #connections: TtConnectionHost;
  readonly #served: ServerConnectionHost;

  constructor(o: ProxyServerOptions, guesses: KeyCandidates, relays: Relays, paths: PathWatch) {
    this.#o = o;
    this.#rejected = new RateLimitedLog(o.log, () => o.clock.now());
    this.#said = new RateLimitedLog(o.log, () => o.clock.now(), OF_PEERS);
    this.#random = new RandomBlock(o.rng);
    this.#gate = new Gatekeeper({
      clock: o.clock,
      rng: (length) => this.#random.take(length),
      onRejected: (why, peer) => this.#reject(why, peer),
    });
    const { scratch } = relays.options;
    this.#reading = { guesses, scratch, wallClock: o.wallClock, isWanted: isRequest };
    const dialer = dialMakingRoom(o.dialer, () => this.evictIdle());
    const connect = directOutbound({ ...o, dialer, connectMs: o.limits.connectMs });
    const { signal } = o;
    const quota = new Quota(o.limits);
    o.onCounters?.(() => ({
      connections: quota.count,
      served: quota.taken,
      pending: this.#gate.size,
    }));
    const inbound = { relays, connect, auth: null, asTt: true, signal, requestMs: REQUEST_MS };
    this.#connections = {
      clock: o.clock,
      wallClock: o.wallClock,
      scratch,
      random: this.#random,
      mostText: o.wire.mostText,
      paths,
      idle: null,
      replayed: (verdict) => {
        const words = `Cannot serve another connection: its first frame is ${verdict}`;
        return new ProtocolError(words);
      },
    };
    this.#served = {
      ...o,
      scratch,
      quota,
      pending: this.#gate.known,
      serve: (stream, first, events) => serveInbound(stream, first, inbound, events),
      rejected: this.#rejected,
      tell: (thrown, peer, owner) => this.#tell(thrown, peer, owner),
    };
  }

  /** Closes something when descriptors run out; returns false if there is nothing. */
  evictIdle(): boolean {
    return this.#gate.evictIdle();
  }

  /** Serves a connection from accept to close. Never rejects: errors end this connection alone. */
  async serve(stream: Connection, port: number): Promise<void> {
    let owned: AsyncDisposable = stream;
    const peer = formatAddr(stream.remote);
    try {
      const admitted = await this.#gate.admit(stream, peer, this.#prove, port);
      if (admitted === null) return;
      const { minute, account } = admitted;
      const host = this.#connections;
      const connection = new TtConnection(host, stream, minute, account.nonces, admitted);
      owned = connection;
      stream.setOptions(CONNECTION_OPTIONS);
      await new ServerConnection(this.#served, connection, admitted, peer).run();
    } catch (thrown) {
      if (!this.#o.signal.aborted) this.#tell(thrown, peer, addressGroup(stream.remote));
    } finally {
      await owned[Symbol.asyncDispose]();
    }
  }

  readonly #prove = (stream: Connection, port: number): Promise<Admitted> =>
    readFirstFrame(stream, port, this.#reading);

  /** Logs a rejection; a connection that ended or was too slow is not worth a line. */
  #reject(why: unknown, peer: string): void {
    if (why instanceof Stranger) {
      this.#rejected.warn("connection rejected", { peer, why: why.message });
    } else if (toTtunError(why).kind === "internal" && !this.#o.signal.aborted) {
      this.#tell(why, peer, peer);
    }
  }

  /** `owner`: a key at an address, or where that is not known an address. */
  #tell(thrown: unknown, peer: string, owner: string): void {
    const { log } = this.#o;
    if (thrown instanceof ConnectError) {
      const { failure, message: why } = thrown;
      // That it takes an --allow is for whoever runs the server: the client may not hear of it.
      if (failure === "denied") return this.#said.info("target denied", { peer, why }, owner);
      return log.debug("not connected", { peer, why });
    }
    const error = toTtunError(thrown);
    if (error.kind === "internal") return log.error(error.message, { peer });
    if (error instanceof ProtocolError) {
      return this.#said.warn("connection ended", { peer, why: error.message }, owner);
    }
    log.debug("connection ended", { peer, why: error.message });
  }
}

/** Returns true if a first text asks for a proxy. */
function isRequest(text: Uint8Array): boolean {
  if (text[0] === 5) return text.length > 2 && text.length === 2 + text[1]!;
  return HTTP_METHOD.test(String.fromCharCode(...text.subarray(0, METHOD_ROOM)));
}
