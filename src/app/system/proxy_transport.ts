import type { Scope } from "../../base/scope.ts";
import type { Outbound } from "../../contract/outbound.ts";
import type { StreamService } from "../net/stream_service.ts";
import type { TtConfig } from "../tt/config.ts";
import { TtOutbound, type TtOutboundOptions } from "../tt/tt_outbound.ts";
import { TtServer, type TtServerOptions } from "../tt/tt_server.ts";

/** Settings of the transport between a proxy's two ends. */
export type WireConfig = TtConfig;

/** A client's way to targets through the server. */
export interface ServerOutbound extends Outbound, Disposable {
  /**
   * Tries the server without asking it for anything; returns how many milliseconds its answer took.
   * @throws {TtunError} why there is no answer; the reason of the host's signal
   */
  check(): Promise<number>;
  /** Closes an idle connection to the server; returns false if there is none. */
  dropIdle(): boolean;
}

/** A server's end: takes proxied connections for a service. */
export interface TransportServer extends Disposable {
  /** Number of connections that have not asked for anything yet, and of idle ones. */
  readonly pending: number;
  /** Closes something when descriptors run out; returns false if there is nothing. */
  evictIdle(): boolean;
  /** Runs until the signal aborts. @throws {TtunError} if it cannot listen */
  run(): Promise<never>;
}

/** Opens the client's end of the transport. */
export function openOutbound(o: TtOutboundOptions): ServerOutbound {
  return new TtOutbound(o);
}

/** Opens the server's end of the transport; its listeners live under `tasks`. */
export function openServer(
  tasks: Scope,
  o: TtServerOptions,
  service: StreamService,
): TransportServer {
  return new TtServer(tasks, o, service);
}
