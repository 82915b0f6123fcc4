import type { Addr } from "../../base/addr.ts";
import { toTtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { RateLimitedLog } from "../../base/rate_limited_log.ts";
import { startClose } from "../../base/start_close.ts";
import { formatTarget, type ForwardTarget } from "../../base/target.ts";
import type { DialEvents } from "../../contract/dial.ts";
import type { NameOwner } from "../../contract/host.ts";
import type { Outbound } from "../../contract/outbound.ts";
import type { Stream } from "../../contract/stream.ts";
import { addressGroup } from "../net/address_group.ts";
import { ConnectError } from "../net/connect_error.ts";
import type { Holder, Quota } from "../net/connection_quota.ts";
import type { RelayCount, RelayFailure, Relays } from "../net/relay.ts";
import { type EarlyOptions, readEarly } from "./read_early.ts";

/** State that all forwarded connections share. */
export interface ForwardHost {
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly relays: Relays;
  readonly quota: Quota;
  readonly outbound: Outbound<ForwardTarget>;
  /** Lines that peers can cause in any number. */
  readonly said: RateLimitedLog;
}

export interface ForwardedFrom {
  /** Owned by the connection. */
  readonly stream: Stream;
  /** The peer, for the quota. */
  readonly from: Addr;
}

/** Connects a stream with its forward's target. By callbacks, as SocksDriver is. */
export class ForwardedConnection implements DialEvents<Stream>, Holder, NameOwner {
  readonly #host: ForwardHost;
  readonly #stream: Stream;
  readonly #from: Addr;
  readonly #to: ForwardTarget;
  readonly #onOver: () => void;
  readonly #count: RelayCount = { up: 0, down: 0 };
  /** Time of the start: only the relay knows its later activity. */
  readonly lastActive: number;
  #place: Disposable | null = null;
  #upstream: Stream | null = null;

  constructor(
    host: ForwardHost,
    { stream, from }: ForwardedFrom,
    to: ForwardTarget,
    onOver: () => void,
  ) {
    this.#host = host;
    this.#stream = stream;
    this.#from = from;
    this.#to = to;
    this.#onOver = onOver;
    this.lastActive = host.relays.options.clock.now();
  }

  /** Calls `onOver` at the end. Returns true as OnReady does. */
  begin(): boolean {
    const { quota, said, outbound, signal, relays } = this.#host;
    this.#place = quota.take(this.#from, this);
    if (this.#place === null) {
      said.warn("no place for another forwarded connection", this.#facts);
      this.#stream.reset();
      this.#onOver();
      return false;
    }
    let early: EarlyOptions;
    try {
      early = readEarly(this.#stream, relays.options.scratch);
    } catch (error) { // it is gone already
      return this.#relayed({ error });
    }
    this.#count.up += early.early?.length ?? 0;
    try {
      return outbound.open(this.#to, { signal, client: this, ...early }, this) === true;
    } catch (error) {
      return this.failed(error);
    }
  }

  /** All connections are of one account, whose places their addresses share. */
  get account(): string {
    return "";
  }

  get owner(): string {
    return addressGroup(this.#from);
  }

  evict(): void {
    this.#host.said.info(
      "closed a forwarded connection: another address needs its place",
      this.#facts,
    );
    this.#stream.reset();
  }

  connected(upstream: Stream): boolean {
    const { log, relays } = this.#host;
    this.#upstream = upstream;
    if (log.isDebug) log.debug("forwarding", this.#facts);
    return relays.start(this.#stream, upstream, this.#count, this.#relayed);
  }

  failed(thrown: unknown): boolean {
    const { log, said, signal } = this.#host;
    this.#stream.reset();
    if (!signal.aborted) {
      const error = thrown instanceof ConnectError ? null : toTtunError(thrown);
      const facts = { ...this.#facts, why: error?.message ?? (thrown as ConnectError).message };
      if (error?.kind === "internal") log.error("cannot forward a connection", facts);
      else said.warn("cannot forward a connection", facts);
    }
    this.#end();
    return false;
  }

  readonly #relayed = (failure: RelayFailure): boolean => {
    const { log, signal, relays } = this.#host;
    if (failure !== null && !signal.aborted && !relays.isCut) {
      const error = toTtunError(failure.error);
      const facts = { ...this.#facts, ...this.#count, why: error.message };
      if (error.kind === "internal") log.error("a forwarded connection has failed", facts);
      else if (log.isDebug) log.debug("a forwarded connection has broken", facts);
    } else if (log.isDebug) log.debug("forwarded", { ...this.#facts, ...this.#count });
    this.#end();
    return failure === null;
  };

  #end(): void {
    if (this.#upstream !== null) startClose(this.#upstream);
    startClose(this.#stream);
    this.#place![Symbol.dispose]();
    this.#onOver();
  }

  get #facts(): { peer: string; to: string } {
    return { peer: this.#stream.peer, to: formatTarget(this.#to) };
  }
}
