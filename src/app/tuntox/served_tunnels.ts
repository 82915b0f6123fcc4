import { TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { RateLimitedLog } from "../../base/rate_limited_log.ts";
import { startClose } from "../../base/start_close.ts";
import { formatTarget, makeTarget, type Target } from "../../base/target.ts";
import type { DialEvents } from "../../contract/dial.ts";
import type { Clock, NameOwner, Rng } from "../../contract/host.ts";
import type { Outbound } from "../../contract/outbound.ts";
import type { PacketLink } from "../../contract/packet_link.ts";
import type { Stream } from "../../contract/stream.ts";
import { socks5Code } from "../../core/proxy/failure.ts";
import type { TunnelLimits } from "../../core/tuntox/limits.ts";
import { permitsTunnel, type TunnelRule } from "../../core/tuntox/rules.ts";
import type { TunnelRequest, Tunnels } from "../../core/tuntox/tunnels.ts";
import type { UnreadTotal } from "../../core/tuntox/unread_total.ts";
import { ConnectError } from "../net/connect_error.ts";
import type { Holder, Quota } from "../net/connection_quota.ts";
import type { RelayCount, RelayFailure, Relays } from "../net/relay.ts";
import { TunnelLink } from "./tunnel_link.ts";

/** State that the tunnels of all friends share. */
export interface TunnelHost {
  readonly clock: Clock;
  readonly random: Rng;
  readonly log: Logger;
  /** Lines that friends can cause in any number. */
  readonly said: RateLimitedLog;
  readonly signal: AbortSignal;
  /** They should limit how long a half-closed connection is idle: a client may have left by FIN. */
  readonly relays: Relays;
  readonly quota: Quota;
  readonly outbound: Outbound;
  /** Rules of tuntox's file, beside those of the outbound; null = there is none. */
  readonly rules: readonly TunnelRule[] | null;
  readonly limits?: TunnelLimits | undefined;
  /** Of what waits for the targets of all friends. */
  readonly total: UnreadTotal;
}

/** Connects the tunnels that a friend asks for with their targets, until it is disposed of. */
export function serveTunnels(host: TunnelHost, link: PacketLink): TunnelLink {
  const { clock, random, log, limits, total } = host;
  const served: TunnelLink = new TunnelLink(link, {
    ...{ clock, random, log, limits, total },
    serve: (request) => new ServedTunnel(host, served.tunnels, link.peer, request).begin(),
  });
  return served;
}

class ServedTunnel implements DialEvents<Stream>, Holder, NameOwner {
  readonly owner: string;
  /** All friends have keys of their own, which the quota knows as addresses. */
  readonly account = "";
  readonly lastActive: number;
  readonly #host: TunnelHost;
  readonly #tunnels: Tunnels;
  readonly #request: TunnelRequest;
  readonly #cancel = new AbortController();
  readonly #count: RelayCount = { up: 0, down: 0 };
  #target: Target | null = null;
  #place: Disposable | null = null;
  #ends: readonly [Stream, Stream] | null = null;

  constructor(host: TunnelHost, tunnels: Tunnels, peer: string, request: TunnelRequest) {
    this.#host = host;
    this.#tunnels = tunnels;
    this.#request = request;
    this.owner = peer;
    this.lastActive = host.clock.now();
  }

  begin(): void {
    const { rules, quota, said, outbound, signal } = this.#host;
    const target = this.#target = this.#readTarget();
    if (target === null) return;
    if (rules !== null && !permitsTunnel(rules, target)) {
      said.warn("the rules permit no tunnel there", this.#facts, this.owner);
      return this.#tunnels.refuse(this.#request, socks5Code("denied"));
    }
    this.#place = quota.take({ path: this.owner }, this);
    if (this.#place === null) {
      said.warn("no place for another tunnel", this.#facts, this.owner);
      return this.#tunnels.refuse(this.#request, socks5Code("exhausted"));
    }
    this.#request.onGone = () => this.#cancel.abort(new TtunError("lost", "The friend has gone"));
    outbound.open(target, { signal, cancel: this.#cancel.signal, client: this }, this);
  }

  /** Null: it is refused. */
  #readTarget(): Target | null {
    try {
      return makeTarget(this.#request.host, this.#request.port);
    } catch (error) {
      if (!(error instanceof TtunError)) throw error;
      this.#host.said.warn("a request for no target", {
        peer: this.owner,
        why: error.message,
      }, this.owner);
      this.#tunnels.refuse(this.#request, socks5Code("general"));
      return null;
    }
  }

  evict(): void {
    this.#host.said.info("closed a tunnel: another friend needs its place", this.#facts);
    this.#cancel.abort(new TtunError("exhausted", "Another friend needs the place"));
    for (const end of this.#ends ?? []) end.reset();
  }

  connected(connection: Stream): boolean {
    const { log, relays } = this.#host;
    this.#request.onGone = null;
    const stream = this.#tunnels.accept(this.#request);
    if (stream === null) {
      startClose(connection);
      this.#place![Symbol.dispose]();
      return true;
    }
    this.#ends = [stream, connection];
    if (log.isDebug) log.debug("tunnel", this.#facts);
    return relays.start(stream, connection, this.#count, this.#relayed);
  }

  failed(thrown: unknown): boolean {
    const { said, signal } = this.#host;
    this.#request.onGone = null;
    if (!signal.aborted && !this.#cancel.signal.aborted) {
      const why = thrown instanceof Error ? thrown.message : String(thrown);
      said.warn("cannot connect", { ...this.#facts, why }, this.owner);
    }
    const failure = thrown instanceof ConnectError ? thrown.failure : "general";
    this.#tunnels.refuse(this.#request, socks5Code(failure));
    this.#place![Symbol.dispose]();
    return true;
  }

  readonly #relayed = (failure: RelayFailure): boolean => {
    const { log } = this.#host;
    if (log.isDebug) {
      const why = failure?.error instanceof Error ? { why: failure.error.message } : {};
      log.debug("tunnel ended", { ...this.#facts, ...this.#count, ...why });
    }
    for (const end of this.#ends!) startClose(end);
    this.#place![Symbol.dispose]();
    return failure === null;
  };

  get #facts(): { peer: string; target: string } {
    return { peer: this.owner, target: formatTarget(this.#target!) };
  }
}
