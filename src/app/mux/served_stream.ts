import type { Addr } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { RateLimitedLog } from "../../base/rate_limited_log.ts";
import { startClose } from "../../base/start_close.ts";
import { formatTarget, type ForwardTarget, makeTarget } from "../../base/target.ts";
import type { DialEvents } from "../../contract/dial.ts";
import type { NameOwner } from "../../contract/host.ts";
import type { Outbound } from "../../contract/outbound.ts";
import type { Stream } from "../../contract/stream.ts";
import { type MuxAddress, type Open, OPENED, OpenKind, Refusal } from "../../core/mux/frames.ts";
import type { MuxStream } from "../../core/mux/mux_stream.ts";
import { socks5Code } from "../../core/proxy/failure.ts";
import { addressGroup } from "../net/address_group.ts";
import { ConnectError } from "../net/connect_error.ts";
import type { Holder, Quota } from "../net/connection_quota.ts";
import type { RelayCount, RelayFailure, Relays } from "../net/relay.ts";
import { type OwnService, serveOwnService } from "./own_services.ts";

/** Whose streams they are, for limits and for the log. */
export interface StreamOwner {
  /** Address of the first carrier, which the quota counts. */
  readonly from: Addr;
  /** Name of its key; "" where all have the same key. */
  readonly account: string;
  /** False while its session has no connection; absent = it is not known. */
  readonly isConnected?: boolean;
}

/** State that all streams share which the other end has opened. */
export interface StreamHost {
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly relays: Relays;
  readonly quota: Quota;
  readonly outbound: Outbound<ForwardTarget>;
  /** Lines that clients can cause in any number. */
  readonly said: RateLimitedLog;
  /** Logs why there is no connection; absent = `said` does. `owner` as `ownerText` has it. */
  readonly tell?: ((thrown: unknown, peer: string, owner: string) => void) | undefined;
}

/** A key at an address: lines of the log, and questions for names, are limited by it. */
export function ownerText({ from, account }: StreamOwner): string {
  const address = addressGroup(from);
  return account === "" ? address : `${account} ${address}`;
}

/** State that all streams share which clients have opened. */
export interface ServerStreamHost extends StreamHost {
  /** Places of streams to ttun's own services. */
  readonly services: Quota;
  /** The service "meeting"; absent = there is none. */
  readonly meetings?: OwnService | undefined;
}

/** Answers a stream that a client has opened, and connects it with its target. */
export function serveStream(
  host: ServerStreamHost,
  stream: MuxStream,
  { kind, address, service }: Open,
  owner: StreamOwner,
): void {
  if (kind === OpenKind.service) {
    const { services: places, meetings } = host;
    return serveOwnService(stream, service, { places, meetings, client: owner });
  }
  if (kind !== OpenKind.connect) return stream.answer(Refusal.notSupported, null);
  const target = targetOf(address);
  if (target === null) return stream.answer(Refusal.generalFailure, null);
  connectStream(host, stream, target, owner);
}

/** Answers a stream by a connection to the target. */
export function connectStream(
  host: StreamHost,
  stream: MuxStream,
  target: ForwardTarget,
  owner: StreamOwner,
): void {
  new ServedStream(host, stream, target, owner).begin();
}

function targetOf(address: MuxAddress): ForwardTarget | null {
  if (address === null || "path" in address) return address;
  try {
    return makeTarget(address.host, address.port);
  } catch (error) {
    if (error instanceof TtunError) return null; // no host name or no port
    throw error;
  }
}

class ServedStream implements DialEvents<Stream>, Holder, NameOwner {
  readonly owner: string;
  readonly #began: number;
  readonly #host: StreamHost;
  readonly #stream: MuxStream;
  readonly #target: ForwardTarget;
  readonly #of: StreamOwner;
  readonly #count: RelayCount = { up: 0, down: 0 };
  readonly #cancel = new AbortController();
  #place: Disposable | null = null;
  #connection: Stream | null = null;

  constructor(host: StreamHost, stream: MuxStream, target: ForwardTarget, owner: StreamOwner) {
    this.#host = host;
    this.#stream = stream;
    this.#target = target;
    this.#of = owner;
    this.owner = ownerText(owner);
    this.#began = host.relays.options.clock.now();
  }

  get account(): string {
    return this.#of.account;
  }

  get lastActive(): number {
    return Math.max(this.#began, this.#stream.activeAt);
  }

  begin(): void {
    const { quota, said, outbound, signal } = this.#host;
    this.#place = quota.take(this.#of.from, this);
    if (this.#place === null) {
      said.warn("no place for another connection", this.#facts, this.owner);
      return this.#stream.answer(Refusal.generalFailure, null);
    }
    this.#stream.onOver = () => this.#cancel.abort(new TtunError("lost", "The other end gave up"));
    outbound.open(this.#target, { signal, cancel: this.#cancel.signal, client: this }, this);
  }

  evict(): void {
    const other = this.account === "" ? "address" : "account";
    this.#host.said.info(
      `closed an idle connection: another ${other} needs its place`,
      this.#facts,
    );
    this.#stream.reset();
    this.#connection?.reset();
  }

  connected(connection: Stream): boolean {
    const { log, relays } = this.#host;
    this.#connection = connection;
    this.#stream.onOver = null;
    if (log.isDebug) log.debug("connect", this.#facts);
    this.#stream.answer(OPENED, null);
    return relays.start(this.#stream, connection, this.#count, this.#relayed);
  }

  failed(thrown: unknown): boolean {
    const { said, signal, tell } = this.#host;
    this.#stream.onOver = null;
    const error = thrown instanceof ConnectError ? thrown : null;
    if (!signal.aborted && !this.#cancel.signal.aborted) {
      const why = error?.message ?? (thrown instanceof Error ? thrown.message : String(thrown));
      if (tell !== undefined) tell(thrown, this.#facts.peer, this.owner);
      else said.warn("cannot connect", { ...this.#facts, why }, this.owner);
    }
    this.#stream.answer(socks5Code(error?.failure ?? "general"), null);
    this.#place![Symbol.dispose]();
    return true;
  }

  readonly #relayed = (failure: RelayFailure): boolean => {
    const { log, relays, signal, tell } = this.#host;
    if (log.isDebug) {
      const ms = relays.options.clock.now() - this.#began;
      const why = failure?.error instanceof Error ? { why: failure.error.message } : {};
      log.debug("done", {
        ...this.#facts,
        seconds: Math.round(ms / 100) / 10,
        ...this.#count,
        ...why,
      });
    }
    if (failure !== null && !signal.aborted) tell?.(failure.error, this.#facts.peer, this.owner);
    startClose(this.#stream);
    startClose(this.#connection!);
    this.#place![Symbol.dispose]();
    return failure === null;
  };

  get #facts(): { peer: string; user?: string; target: string } {
    const { from, account } = this.#of;
    return {
      peer: addressGroup(from),
      ...(account !== "" && { user: account }),
      target: formatTarget(this.#target),
    };
  }
}
