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
import { serveOwnService } from "./own_services.ts";

/** State that all streams share which the other end has opened. */
export interface StreamHost {
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly relays: Relays;
  readonly quota: Quota;
  readonly outbound: Outbound<ForwardTarget>;
  /** Lines that clients can cause in any number. */
  readonly said: RateLimitedLog;
}

/** State that all streams share which clients have opened. */
export interface ServerStreamHost extends StreamHost {
  /** Places of streams to ttun's own services. */
  readonly services: Quota;
}

/** Answers a stream that a client has opened, and connects it with its target. */
export function serveStream(
  host: ServerStreamHost,
  stream: MuxStream,
  { kind, address, service }: Open,
  from: Addr,
): void {
  if (kind === OpenKind.service) {
    return serveOwnService(stream, service, { places: host.services, from });
  }
  if (kind !== OpenKind.connect) return stream.answer(Refusal.notSupported, null);
  const target = targetOf(address);
  if (target === null) return stream.answer(Refusal.generalFailure, null);
  connectStream(host, stream, target, from);
}

/** Answers a stream by a connection to the target. `from`: the address that the quota counts. */
export function connectStream(
  host: StreamHost,
  stream: MuxStream,
  target: ForwardTarget,
  from: Addr,
): void {
  new ServedStream(host, stream, target, from).begin();
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
  readonly lastActive: number;
  readonly #host: StreamHost;
  readonly #stream: MuxStream;
  readonly #target: ForwardTarget;
  readonly #from: Addr;
  readonly #count: RelayCount = { up: 0, down: 0 };
  readonly #cancel = new AbortController();
  #place: Disposable | null = null;
  #connection: Stream | null = null;

  constructor(host: StreamHost, stream: MuxStream, target: ForwardTarget, from: Addr) {
    this.#host = host;
    this.#stream = stream;
    this.#target = target;
    this.#from = from;
    this.owner = addressGroup(from);
    this.lastActive = host.relays.options.clock.now();
  }

  /** All streams are of one key, whose places its addresses share. */
  get account(): string {
    return "";
  }

  begin(): void {
    const { quota, said, outbound, signal } = this.#host;
    this.#place = quota.take(this.#from, this);
    if (this.#place === null) {
      said.warn("no place for another stream", this.#facts, this.owner);
      return this.#stream.answer(Refusal.generalFailure, null);
    }
    this.#stream.onOver = () => this.#cancel.abort(new TtunError("lost", "The other end gave up"));
    outbound.open(this.#target, { signal, cancel: this.#cancel.signal, client: this }, this);
  }

  evict(): void {
    this.#host.said.info("closed a stream: another address needs its place", this.#facts);
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
    const { said, signal } = this.#host;
    this.#stream.onOver = null;
    const error = thrown instanceof ConnectError ? thrown : null;
    if (!signal.aborted && !this.#cancel.signal.aborted) {
      const why = error?.message ?? (thrown instanceof Error ? thrown.message : String(thrown));
      said.warn("cannot connect", { ...this.#facts, why }, this.owner);
    }
    this.#stream.answer(socks5Code(error?.failure ?? "general"), null);
    this.#place![Symbol.dispose]();
    return true;
  }

  readonly #relayed = (failure: RelayFailure): boolean => {
    const { log } = this.#host;
    if (log.isDebug) {
      const why = failure?.error instanceof Error ? { why: failure.error.message } : {};
      log.debug("closed", { ...this.#facts, ...this.#count, ...why });
    }
    startClose(this.#stream);
    startClose(this.#connection!);
    this.#place![Symbol.dispose]();
    return failure === null;
  };

  get #facts(): { peer: string; target: string } {
    return { peer: this.owner, target: formatTarget(this.#target) };
  }
}
