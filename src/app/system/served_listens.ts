import { type Addr, formatAddr } from "../../base/addr.ts";
import { toTtunError, TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { RateLimitedLog } from "../../base/rate_limited_log.ts";
import type { Scope } from "../../base/scope.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Listener } from "../../contract/dial.ts";
import type { Clock } from "../../contract/host.ts";
import { ALL_ADDRESSES } from "../../core/acl/listen_rule.ts";
import type { ListenDecision, ListenRules } from "../../core/acl/listen_rules.ts";
import { LEFT_TO_SERVER } from "../../core/forward/listen_address.ts";
import { type MuxAddress, OPENED, OpenKind } from "../../core/mux/frames.ts";
import type { MuxStream } from "../../core/mux/mux_stream.ts";
import { ForwardedConnection } from "../forward/forwarded_connection.ts";
import { openStream } from "../mux/mux_outbound.ts";
import type { SessionClient } from "../mux/mux_server.ts";
import { acceptLoop } from "../net/accept_loop.ts";
import { addressGroup } from "../net/address_group.ts";
import type { Quota } from "../net/connection_quota.ts";
import { discard } from "../net/discard.ts";
import type { Relays } from "../net/relay.ts";

/** Listeners of one session, and of all. */
const MOST_PER_SESSION = 128;
const MOST_LISTENERS = 1024;

/** SOCKS5 replies (RFC 1928 section 6); "refused" stands for an address that is taken. */
const GENERAL_FAILURE = 1;
const NOT_ALLOWED = 2;
const TAKEN = 5;

export interface ServedListensOptions {
  readonly rules: ListenRules;
  /** Opens a listener that lives under the signal. @throws {TtunError} in_use, privilege, usage */
  readonly listen: (at: Addr, o: { signal: AbortSignal }) => Listener;
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
  #count = 0;

  constructor(o: ServedListensOptions) {
    this.#o = o;
  }

  /** Answers a stream that asks for a listener, which ends with the stream. */
  serve(stream: MuxStream, address: MuxAddress, client: SessionClient): void {
    const { said, tasks } = this.#o;
    const owner = addressGroup(client.from);
    const facts = { peer: owner, listen: address === null ? "none" : formatAddr(address) };
    const refuse = (why: string, code: number) => {
      said.warn("does not listen for a client", { ...facts, why }, owner);
      stream.answer(code, null);
    };
    if (this.#isFull(client)) return refuse("there are too many listeners", GENERAL_FAILURE);
    const decision = judge(this.#o.rules, address);
    if (!decision.isAllowed) return refuse(decision.why, NOT_ALLOWED);
    const life = new AbortController();
    let listener: Listener;
    try {
      tasks.signal.throwIfAborted();
      listener = this.#o.listen(decision.at, { signal: life.signal });
    } catch (thrown) {
      const { kind, message } = toTtunError(thrown);
      if (kind === "internal" && !tasks.signal.aborted) this.#o.log.error(message, facts);
      return refuse(message, kind === "in_use" ? TAKEN : GENERAL_FAILURE);
    }
    said.info("listening for a client", { peer: owner, address: formatAddr(listener.addr) }, owner);
    stream.answer(OPENED, boundAddress(listener.addr));
    tasks.spawn(() => this.#run(listener, life, stream, client));
  }

  #isFull(client: SessionClient): boolean {
    return this.#count >= MOST_LISTENERS || (this.#bySession.get(client) ?? 0) >= MOST_PER_SESSION;
  }

  /** Accepts until the client ends the stream, or the session ends. */
  async #run(
    listener: Listener,
    life: AbortController,
    stream: MuxStream,
    client: SessionClient,
  ): Promise<void> {
    const { clock, log, tasks: { signal } } = this.#o;
    using _place = this.#place(client);
    const accepting = acceptLoop({
      listener,
      clock,
      log,
      signal,
      take: (connection) => this.#take(connection, listener, stream, client),
      evictIdle: () => false, // each connection carries something
    });
    const ending = discard(stream, clock);
    const hasEnded = ending.then(() => true, () => true);
    try {
      await Promise.race([hasEnded, accepting]);
    } catch (thrown) { // the listener has failed
      if (signal.aborted) return;
      const why = toTtunError(thrown).message;
      log.warn("does not listen any more", { address: formatAddr(listener.addr), why });
    } finally {
      life.abort(new TtunError("lost", "Nobody needs the listener any more"));
      await listener[Symbol.asyncDispose]();
      await stream[Symbol.asyncDispose]();
      await accepting.catch(() => {}); // its reason is the close, or was logged above
      await hasEnded;
    }
  }

  /** Counts a listener until it is disposed of. */
  #place(client: SessionClient): Disposable {
    const add = (one: 1 | -1) => {
      const count = (this.#bySession.get(client) ?? 0) + one;
      if (count === 0) this.#bySession.delete(client);
      else this.#bySession.set(client, count);
      this.#count += one;
    };
    add(1);
    return { [Symbol.dispose]: () => add(-1) };
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
