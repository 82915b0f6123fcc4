import { ProtocolError, toTtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Clock } from "../../contract/host.ts";
import { type Addr, formatAddr } from "../../base/addr.ts";
import { isLoopback } from "../../base/loopback.ts";
import type { Stream } from "../../contract/stream.ts";
import type { Target } from "../../base/target.ts";
import { addressGroup } from "../net/address_group.ts";
import type { PendingConnections } from "../net/pending_connections.ts";
import type { RateLimitedLog } from "../../base/rate_limited_log.ts";
import { ConnectError } from "../net/connect_error.ts";
import { targetText } from "../../base/target.ts";
import { startClose } from "../../base/start_close.ts";
import type { ServedEvents } from "../net/served_events.ts";
import { serveInbound } from "./inbound.ts";
import type { InboundOptions } from "./inbound_options.ts";
import type { LoginLimit } from "./login_limit.ts";
import type { Holder, Quota } from "../net/connection_quota.ts";
import type { RelayCount } from "../net/relay.ts";

/** Milliseconds for a program's first byte, and then for its request. */
export const PROGRAM_REQUEST_MS = 30_000;

const CAPITAL_G = 0x47;
const CAPITAL_H = 0x48;

export interface InboundHost {
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Connections without a first byte. */
  readonly pending: PendingConnections;
  readonly quota: Quota;
  readonly inbound: InboundOptions;
  /** Options for programs of other machines. */
  readonly inboundOfOthers: InboundOptions;
  /** Lines that programs can cause in any number. */
  readonly said: RateLimitedLog;
  /** Null = no password is required. */
  readonly logins: LoginLimit | null;
}

/** A local program's connection. By callbacks, as SocksDriver is. */
export class InboundConnection implements ServedEvents, Holder {
  readonly #host: InboundHost;
  readonly #stream: Stream;
  readonly from: Addr;
  readonly #onOver: () => void;
  /** Time of accept: only the relay knows its later activity. */
  readonly lastActive: number;
  #place: Disposable | null = null;
  #target: Target | null = null;
  /** Until the first byte, as the next one. */
  #pending: Disposable | null = null;
  #deadline: Disposable | null = null;

  constructor(host: InboundHost, stream: Stream, from: Addr, onOver: () => void) {
    this.#host = host;
    this.#stream = stream;
    this.from = from;
    this.#onOver = onOver;
    this.lastActive = host.clock.now();
  }

  begin(): boolean {
    const { quota, said } = this.#host;
    this.#place = quota.take(this.from, this);
    if (this.#place === null) {
      said.warn("no place for another connection", { peer: this.#peer });
      this.#stream.reset();
      this.#onOver();
      return false;
    }
    try {
      return this.#read();
    } catch (error) {
      this.onFailure(error);
      return false;
    }
  }

  /** All programs are of one account, whose places their addresses share. */
  get account(): string {
    return "";
  }

  evict(): void {
    this.#host.said.info("closed a connection: another address needs its place", {
      peer: this.#peer,
    });
    this.#stream.reset();
  }

  get owner(): string {
    return addressGroup(this.from);
  }

  get #peer(): string {
    return formatAddr(this.from);
  }

  readonly #onReadable = (): boolean => {
    try {
      return this.#read();
    } catch (error) {
      this.onFailure(error);
      return false;
    }
  };

  #read(): boolean {
    const { clock, pending, inbound } = this.#host;
    const { scratch } = inbound.relays.options;
    const got = this.#stream.readNow(scratch.message);
    if (got === undefined) {
      this.#stream.onReadable(this.#onReadable);
      this.#pending ??= pending.add(this.from, () => this.#stream.reset());
      this.#deadline ??= clock.after(
        PROGRAM_REQUEST_MS,
        () => startClose(this.#stream),
      );
      return true;
    }
    this.#unwait();
    if (got !== null) return this.#serve(scratch.plainTo(got));
    this.#end();
    return false;
  }

  #serve(first: Uint8Array): boolean {
    const { logins, clock, pending } = this.#host;
    const inbound = this.#optionsFor(first[0]!);
    const { auth } = inbound;
    if (logins === null || auth === null) return serveInbound(this.#stream, first, inbound, this);
    const address = this.owner;
    const wait = logins.wait(address);
    let isKnown = false; // then requests behind it are not guesses: a wrong password ends the connection
    const checked: InboundOptions = {
      ...inbound,
      auth: (user, password) => {
        if (!isKnown && wait === 0 && logins.owes(address)) return false;
        const isRight = auth(user, password);
        if (!isRight) logins.failed(address);
        isKnown ||= isRight;
        return isRight;
      },
    };
    if (wait === 0) return serveInbound(this.#stream, first, checked, this);
    if (wait === null) {
      throw new ProtocolError("Cannot serve a client: its address has guessed too many passwords");
    }
    const kept = first.slice();
    const begin = () => {
      this.#unwait();
      logins.begin(address);
      try {
        serveInbound(this.#stream, kept, checked, this);
      } catch (error) {
        this.onFailure(error);
      }
    };
    this.#pending = pending.add(this.from, () => this.#stream.reset());
    this.#deadline = clock.after(wait, begin);
    return false;
  }

  /** Only programs of this machine get pages of the proxy's own, by GET and HEAD. */
  #optionsFor(first: number): InboundOptions {
    const { inbound, inboundOfOthers } = this.#host;
    if (first !== CAPITAL_G && first !== CAPITAL_H) return inbound;
    return "host" in this.from && isLoopback(this.from.host) ? inbound : inboundOfOthers;
  }

  #unwait(): void {
    this.#pending?.[Symbol.dispose]();
    this.#deadline?.[Symbol.dispose]();
  }

  onTarget(target: Target): void {
    this.#target = target;
    const { log } = this.#host;
    if (log.isDebug) log.debug("connect", { peer: this.#peer, target: targetText(target) });
  }

  onRefused(thrown: unknown): void {
    this.#tell(thrown);
  }

  onEnd(count: RelayCount): boolean {
    const { log } = this.#host;
    if (log.isDebug) {
      log.debug("done", { peer: this.#peer, target: targetText(this.#target), ...count });
    }
    this.#end();
    return true;
  }

  onFailure(error: unknown): void {
    this.#unwait();
    const { signal, inbound: { relays } } = this.#host;
    // A ConnectError was logged before.
    const isTold = error instanceof ConnectError || signal.aborted || relays.isCut;
    if (!isTold) this.#tell(error);
    this.#end();
  }

  #end(): void {
    startClose(this.#stream);
    this.#place![Symbol.dispose]();
    this.#onOver();
  }

  #tell(thrown: unknown): void {
    const { log, said } = this.#host;
    const peer = this.#peer;
    const target = targetText(this.#target);
    if (thrown instanceof ConnectError) {
      const fields = { peer, target, why: thrown.message };
      if (thrown.failure === "tunnel") said.warn("no way to the server", fields);
      else log.debug("not connected", fields);
      return;
    }
    const error = toTtunError(thrown);
    if (error.kind === "internal") return log.error(error.message, { peer, target });
    if (error instanceof ProtocolError) {
      return said.warn("connection ended", { peer, target, why: error.message });
    }
    log.debug("connection ended", { peer, target, why: error.message });
  }
}
