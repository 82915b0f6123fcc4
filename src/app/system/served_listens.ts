import { type Addr, formatAddr, requireHostPort } from "../../base/addr.ts";
import { toTtunError, TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { RateLimitedLog } from "../../base/rate_limited_log.ts";
import { onAbort, type Scope } from "../../base/scope.ts";
import type { Connection } from "../../contract/connection.ts";
import type { BoundDatagrams, DatagramBinder } from "../../contract/datagrams.ts";
import type { Listener } from "../../contract/dial.ts";
import type { Clock } from "../../contract/host.ts";
import { ALL_ADDRESSES } from "../../core/acl/listen_rule.ts";
import type { ListenDecision, ListenRules } from "../../core/acl/listen_rules.ts";
import { LEFT_TO_SERVER } from "../../core/forward/listen_address.ts";
import { type MuxAddress, type Open, OPENED, OpenKind, Refusal } from "../../core/mux/frames.ts";
import type { MuxStream } from "../../core/mux/mux_stream.ts";
import { DatagramForward } from "../forward/datagram_forward.ts";
import { ForwardedConnection } from "../forward/forwarded_connection.ts";
import { openDatagramFlow } from "../mux/datagram_flow.ts";
import { openStream } from "../mux/mux_outbound.ts";
import type { SessionClient } from "../mux/served_sessions.ts";
import { acceptLoop } from "../net/accept_loop.ts";
import { addressGroup } from "../net/address_group.ts";
import { Quota } from "../net/connection_quota.ts";
import { discard } from "../net/discard.ts";
import type { Relays } from "../net/relay.ts";

/** Listeners of one session, and of all, those of one address among them. */
const MOST_PER_SESSION = 128;
const LIMITS = { total: 1024, perAddress: 256 };

/** A listener of a client's. */
interface Listening {
  readonly addr: Addr;
  /** Runs until it is closed; throws the reason. */
  run(): Promise<never>;
  close(): PromiseLike<void> | void;
}

export interface ServedListensOptions {
  readonly rules: ListenRules;
  /** Opens a listener that lives under the signal. @throws {TtunError} in_use, privilege, usage */
  readonly listen: (at: Addr, o: { signal: AbortSignal }) => Listener;
  /** Opens a UDP socket that lives under the signal; null = there are none on this system. */
  readonly bind: DatagramBinder["bind"] | null;
  /** Milliseconds of silence after which a source of datagrams is forgotten. */
  readonly udpIdleMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  /** Lines that clients can cause in any number. */
  readonly said: RateLimitedLog;
  readonly relays: Relays;
  readonly quota: Quota;
  readonly tasks: Scope;
}

/** Listens for clients that ask for it (`-R`); what connects goes to the client as streams. */
export class ServedListens {
  readonly #o: ServedListensOptions;
  readonly #bySession = new Map<SessionClient, number>();
  readonly #places = new Quota(LIMITS);

  constructor(o: ServedListensOptions) {
    this.#o = o;
  }

  /** Answers a stream that asks for a listener, which ends with the stream. */
  serve(stream: MuxStream, { kind, address }: Open, client: SessionClient): void {
    const { said, tasks } = this.#o;
    const owner = addressGroup(client.from);
    const facts = { peer: owner, listen: address === null ? "none" : formatAddr(address) };
    const refuse = (why: string, code: number) => {
      said.warn("does not listen for a client", { ...facts, why }, owner);
      stream.answer(code, null);
    };
    const { bind } = this.#o;
    const isUdp = kind === OpenKind.udpListen;
    if (isUdp && bind === null) {
      return refuse("there is no UDP on this system", Refusal.notSupported);
    }
    const decision = judge(this.#o.rules, address);
    if (!decision.isAllowed) return refuse(decision.why, Refusal.notAllowed);
    const place = this.#place(client);
    if (place === null) return refuse("there are too many listeners", Refusal.generalFailure);
    const life = new AbortController();
    const { signal } = life;
    let listening: Listening;
    try {
      tasks.signal.throwIfAborted();
      const { at } = decision;
      listening = isUdp
        ? this.#forwardDatagrams(bind!(requireHostPort(at), { signal }), stream, client)
        : this.#acceptFor(this.#o.listen(at, { signal }), stream, client);
    } catch (thrown) {
      place[Symbol.dispose]();
      const { kind, message } = toTtunError(thrown);
      if (kind === "internal" && !tasks.signal.aborted) this.#o.log.error(message, facts);
      return refuse(message, kind === "in_use" ? Refusal.taken : Refusal.generalFailure);
    }
    const bound = formatAddr(listening.addr);
    said.info("listening for a client", { peer: owner, address: bound }, owner);
    stream.answer(OPENED, boundAddress(listening.addr));
    tasks.spawn(() => this.#run(listening, life, stream, place));
  }

  #acceptFor(listener: Listener, stream: MuxStream, client: SessionClient): Listening {
    const { clock, log, tasks: { signal } } = this.#o;
    return {
      addr: listener.addr,
      run: () =>
        acceptLoop({
          listener,
          clock,
          log,
          signal,
          take: (connection) => this.#take(connection, listener, stream, client),
          evictIdle: () => false, // each connection carries something
        }),
      close: () => listener[Symbol.asyncDispose](),
    };
  }

  /** Each source has a stream of its own to the client. */
  #forwardDatagrams(
    socket: BoundDatagrams,
    { id }: MuxStream,
    { mux }: SessionClient,
  ): Listening {
    const { clock, udpIdleMs: idleMs } = this.#o;
    const forward = new DatagramForward({
      socket,
      open: (from, events) => {
        const open = { kind: OpenKind.accepted, listener: id, address: from };
        return openDatagramFlow(mux, { open, clock }, events);
      },
      to: null,
      idleMs,
      clock,
    });
    return {
      addr: socket.addr,
      run: () => forward.run(),
      close: () => {
        forward[Symbol.dispose]();
        socket[Symbol.dispose]();
      },
    };
  }

  /** Listens until the client ends the stream, or the session ends. */
  async #run(
    { addr, run, close }: Listening,
    life: AbortController,
    stream: MuxStream,
    place: Disposable,
  ): Promise<void> {
    const { clock, log, tasks: { signal } } = this.#o;
    using _place = place;
    using _end = onAbort(signal, (reason) => life.abort(reason));
    const listening = run();
    const ended = discard(stream, clock).catch(() => {}); // how it ended makes no difference
    try {
      await Promise.race([ended, listening]);
    } catch (thrown) { // the listener has failed
      if (signal.aborted) return;
      const why = toTtunError(thrown).message;
      log.warn("does not listen any more", { address: formatAddr(addr), why });
    } finally {
      life.abort(new TtunError("lost", "Nobody needs the listener any more"));
      await close();
      await stream[Symbol.asyncDispose]();
      await listening.catch(() => {}); // its reason is the close, or was logged above
      await ended;
    }
  }

  /** Counts a listener until it is disposed of; null = there is no room for it. */
  #place(client: SessionClient): Disposable | null {
    const count = this.#bySession.get(client) ?? 0;
    const place = count < MOST_PER_SESSION ? this.#places.take(client.from) : null;
    if (place === null) return null;
    this.#bySession.set(client, count + 1);
    return {
      [Symbol.dispose]: () => {
        place[Symbol.dispose]();
        const left = this.#bySession.get(client)! - 1;
        if (left === 0) this.#bySession.delete(client);
        else this.#bySession.set(client, left);
      },
    };
  }

  /** Connections take places of the client that they are for. */
  #take(
    connection: Connection,
    { addr }: Listener,
    { id }: MuxStream,
    { from, mux }: SessionClient,
  ): boolean {
    const { log, said, relays, quota, tasks } = this.#o;
    const { signal } = tasks;
    const { remote, peer } = connection;
    const address = "path" in remote ? null : remote;
    const open = { kind: OpenKind.accepted, listener: id, address };
    tasks.enter();
    return new ForwardedConnection(
      {
        log,
        signal,
        said,
        relays,
        quota,
        outbound: { open: (_, o, events) => openStream(mux, open, peer, o, events) },
      },
      { stream: connection, from },
      addr,
      tasks.leave,
    ).begin();
  }
}

function judge(
  rules: ListenRules,
  address: MuxAddress,
): ListenDecision<{ readonly at: Addr }> {
  if (address === null) return { isAllowed: false, why: "there is no address" };
  if ("path" in address) {
    const decision = rules.judgePath(address.path);
    return decision.isAllowed ? { isAllowed: true, at: { path: decision.path } } : decision;
  }
  const { host, port } = address;
  const decision = rules.judge(host === LEFT_TO_SERVER ? null : host, port);
  return decision.isAllowed ? { isAllowed: true, at: { host: decision.host, port } } : decision;
}

function boundAddress(addr: Addr): MuxAddress {
  if ("path" in addr) return addr;
  return addr.host === ALL_ADDRESSES ? { host: "::", port: addr.port } : addr;
}
