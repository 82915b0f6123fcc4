import { formatAddr, type HostPort } from "../../base/addr.ts";
import { ProtocolError, toTtunError, TtunError } from "../../base/errors.ts";
import { onAbort, type Scope } from "../../base/scope.ts";
import type { Connection, SocketOptions } from "../../contract/connection.ts";
import type { Listener } from "../../contract/dial.ts";
import { portOf } from "../../core/hop/port_range.ts";
import { ListenSchedule } from "../../core/hop/schedule.ts";
import type { PortList } from "../../core/status/port_list.ts";
import { NonceMemory } from "../../core/tt/nonce_filter.ts";
import { RandomBlock } from "../../core/tt/random_pool.ts";
import { PortHopper } from "../hop/port_hopper.ts";
import { Gatekeeper, type Visitor } from "../net/gatekeeper.ts";
import { addressGroup } from "../net/address_group.ts";
import type { StrangerBudget } from "../link/stranger_budget.ts";
import { PathWatch } from "../net/path_watch.ts";
import type { ProxyHost } from "../net/proxy_host.ts";
import type { StreamService } from "../net/stream_service.ts";
import { Stranger } from "../net/stranger.ts";
import { isSameKey, type NamedKey } from "../../base/named_key.ts";
import type { TtConfig } from "./config.ts";
import { type Admitted, type FirstFrameOptions, readFirstFrame } from "./first_frame_reader.ts";
import { FrameBuffers } from "./frame_buffers.ts";
import { type Account, KeyCandidates } from "./key_candidates.ts";
import { MinuteKeyCache } from "./minute_keys.ts";
import type { OtherClient, OtherWire } from "./other_wire.ts";
import { ServerConnection, type ServerConnectionHost } from "./server_connection.ts";
import { connectionOptions, TtConnection, type TtConnectionHost } from "./tt_connection.ts";

/**
 * HTTP as tt's servers recognise it (docs/wire/tt-v1.md, 3.2). Empty lines may precede it
 * (RFC 9112 section 2.2), or be all of it.
 */
const HTTP_METHOD = /^[\r\n]*(?:[A-Z]{3,10} |$)/;

/** Bytes of a first text that HTTP_METHOD is applied to. */
const METHOD_ROOM = 32;

export interface TtServerOptions extends ProxyHost {
  readonly wire: TtConfig;
  readonly keys: readonly NamedKey[];
  /** The host to listen on; "" = all addresses. */
  readonly host: string;
  /** @throws {TtunError} in_use, privilege, usage */
  readonly listen: (at: HostPort, o: { signal: AbortSignal }) => Listener;
  /** Has the ports while they are listened on. */
  readonly portList?: PortList | undefined;
  /** For first bytes that are right for no key. Borrowed. */
  readonly budget: StrangerBudget;
  /** Spoken on the same ports; null = none. */
  readonly other: OtherWire | null;
  /** False: nothing but the other wire is spoken. */
  readonly takesTt: boolean;
}

/** A key with what the server keeps of it. */
interface ServedKey {
  readonly key: NamedKey;
  readonly account: Account;
  readonly schedule: ListenSchedule;
  readonly revocation: AbortController;
}

/** Opens the minutes' ports, admits clients that prove a key, and serves what they proxy. */
export class TtServer implements Disposable {
  readonly #o: TtServerOptions;
  readonly #service: StreamService;
  readonly #owned = new DisposableStack();
  readonly #hopper: PortHopper;
  readonly #candidates: KeyCandidates;
  #keys: readonly ServedKey[];
  /** Its known clients are between two proxied connections. */
  readonly #gate: Gatekeeper;
  readonly #reading: FirstFrameOptions;
  readonly #connections: TtConnectionHost;
  readonly #served: ServerConnectionHost;
  readonly #options: SocketOptions;

  /** Listeners and connections live under `tasks`. */
  constructor(tasks: Scope, o: TtServerOptions, service: StreamService) {
    this.#o = o;
    this.#service = service;
    const { clock, wallClock, log, wire } = o;
    const { signal } = tasks;
    const buffers = new FrameBuffers();
    this.#keys = o.keys.map((key) => this.#serveKey(key));
    this.#owned.defer(() => this.#keys.forEach(({ account }) => account.secrets[Symbol.dispose]()));
    const accounts = this.#keys.map(({ account }) => account);
    const random = new RandomBlock(o.rng);
    this.#gate = new Gatekeeper({
      clock,
      rng: (length) => random.take(length),
      onRejected: (why, peer) => this.#reject(why, peer),
    });
    const candidates = this.#owned.use(new KeyCandidates({ accounts, range: wire.range }));
    this.#candidates = candidates;
    const { budget, other, takesTt } = o;
    this.#reading = {
      budget,
      candidates,
      buffers,
      wallClock,
      isWanted: isRequest,
      other,
      takesTt,
    };
    this.#connections = {
      clock,
      wallClock,
      buffers,
      random,
      mostText: wire.mostText,
      paths: this.#owned.use(new PathWatch(clock)),
      idle: null,
      owed: null,
      replayed: (verdict) => {
        const words = `Cannot serve another connection: its first frame is ${verdict}`;
        return new ProtocolError(words);
      },
    };
    this.#served = { ...service, clock, log, signal, pending: this.#gate.known };
    this.#options = connectionOptions(wire);
    this.#hopper = new PortHopper(tasks, {
      ...o,
      schedules: this.#keys.map(({ schedule }) => schedule),
      range: wire.range,
      take: (stream, port) => tasks.spawn(() => this.#serve(stream, port)),
      evictIdle: () => this.evictIdle(),
    });
  }

  #serveKey(key: NamedKey): ServedKey {
    const { rng, wire } = this.#o;
    const secrets = new MinuteKeyCache(key.password, wire);
    const revocation = new AbortController();
    const schedule = new ListenSchedule({
      minutePort: (minute) => {
        const { otp, lifetime } = secrets.keysAt(minute);
        return { port: portOf(otp, wire.range), lifetime };
      },
    });
    const { signal: revoked } = revocation;
    const account = { name: key.name, secrets, nonces: new NonceMemory(rng), revoked };
    return { key, account, schedule, revocation };
  }

  /**
   * Has `keys` in place of those that there are, whose names and passwords stay. Connections of keys
   * that are gone end, and their ports are closed.
   */
  replaceKeys(keys: readonly NamedKey[]): void {
    const before = this.#keys;
    this.#keys = keys.map((key) =>
      before.find((one) => isSameKey(one.key, key)) ?? this.#serveKey(key)
    );
    this.#candidates.replace(this.#keys.map(({ account }) => account));
    this.#hopper.replace(this.#keys.map(({ schedule }) => schedule));
    for (const one of before.filter((one) => !this.#keys.includes(one))) {
      const { account: { name, secrets }, revocation } = one;
      revocation.abort(new TtunError("auth", `The key of ${name} has been taken back`));
      secrets[Symbol.dispose]();
    }
  }

  /** Runs until the signal aborts. @throws {TtunError} if no port can be opened at the beginning */
  run(): Promise<never> {
    return this.#hopper.run();
  }

  /** Connections without a key, without a request, or idle. */
  get pending(): number {
    return this.#gate.size;
  }

  /** Closes something when descriptors run out; returns false if there is nothing. */
  evictIdle(): boolean {
    return this.#gate.evictIdle();
  }

  /** Serves a connection from accept to close. Never rejects: errors end this connection alone. */
  async #serve(stream: Connection, port: number): Promise<void> {
    let owned: AsyncDisposable = stream;
    const peer = formatAddr(stream.remote);
    try {
      const admitted = await this.#gate.admit(stream, peer, this.#prove, port);
      if (admitted === null) return;
      if ("serve" in admitted) return await this.#serveOther(stream, port, admitted);
      const { minute, account } = admitted;
      using _revocation = onAbort(account.revoked, () => stream.reset());
      const host = this.#connections;
      const connection = new TtConnection(host, stream, minute, account.nonces, admitted);
      owned = connection;
      stream.setOptions(this.#options);
      await new ServerConnection(this.#served, connection, admitted, peer).run();
    } catch (thrown) {
      if (this.#served.signal.aborted) return;
      this.#service.tell(thrown, peer, addressGroup(stream.remote));
    } finally {
      await owned[Symbol.asyncDispose]();
    }
  }

  async #serveOther(stream: Connection, port: number, client: OtherClient): Promise<void> {
    const { range } = this.#o.wire;
    const portAt = (minute: number) => {
      const found = this.#keys.find(({ account }) => account.name === client.account);
      // A key that is gone has no ports, and its client is on its way out.
      return found === undefined ? port : portOf(found.account.secrets.keysAt(minute).otp, range);
    };
    if (await client.serve(port, portAt)) await this.#gate.fallSilent(stream);
  }

  readonly #prove = async (
    stream: Connection,
    port: number,
    visitor: Visitor,
  ): Promise<Admitted | OtherClient> => {
    const first = await readFirstFrame(stream, port, this.#reading);
    if (!("found" in first)) return first;
    return await this.#o.other!.prove(stream, first.found, first.bytes, visitor);
  };

  /** Logs a rejection; a connection that ended or was too slow is not worth a line. */
  #reject(why: unknown, peer: string): void {
    if (why instanceof Stranger) {
      this.#service.rejected.warn("connection rejected", { peer, why: why.message });
    } else if (toTtunError(why).kind === "internal" && !this.#served.signal.aborted) {
      this.#service.tell(why, peer, peer);
    }
  }

  [Symbol.dispose](): void {
    this.#owned[Symbol.dispose]();
  }
}

function isRequest(text: Uint8Array): boolean {
  if (text[0] === 5) return text.length > 2 && text.length === 2 + text[1]!;
  return HTTP_METHOD.test(String.fromCharCode(...text.subarray(0, METHOD_ROOM)));
}
