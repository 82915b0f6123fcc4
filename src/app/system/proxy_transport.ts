import type { NamedKey } from "../../base/named_key.ts";
import type { Scope } from "../../base/scope.ts";
import type { Outbound } from "../../contract/outbound.ts";
import type { StreamService } from "../net/stream_service.ts";
import type { TtConfig } from "../tt/config.ts";
import { TWO_TEXTS } from "../tt/frame_buffers.ts";
import { TtOutbound, type TtOutboundOptions } from "../tt/tt_outbound.ts";
import { TtServer, type TtServerOptions } from "../tt/tt_server.ts";

export type WireConfig = TtConfig;

/** Bytes that the transport's streams take at once: the size of a relay's buffer. */
export const STREAM_CHUNK = TWO_TEXTS;

/** How the transport's clients are answered by the proxy (docs/wire/tt-v1.md, 3.3). */
export const SOCKS_DIALECT = { anyMethod: true, hidesBound: true };

/** A client's way to targets through the server. */
export interface ServerOutbound extends Outbound, Disposable {
  /** Returns the milliseconds until the server's answer; a TtunError says why there is none. */
  check(): Promise<number>;
  /** Returns false if there is no idle connection to the server. */
  dropIdle(): boolean;
}

export interface TransportServer extends Disposable {
  /** Connections that have not asked for anything yet, and idle ones. */
  readonly pending: number;
  /** Closes something when descriptors run out; returns false if there is nothing. */
  evictIdle(): boolean;
  /** Has these keys alone; connections of others end. */
  replaceKeys(keys: readonly NamedKey[]): void;
  /** Runs until the signal aborts. @throws {TtunError} if it cannot listen */
  run(): Promise<never>;
}

export function openOutbound(o: TtOutboundOptions): ServerOutbound {
  return new TtOutbound(o);
}

/** Listeners live under `tasks`. */
export function openServer(
  tasks: Scope,
  o: TtServerOptions,
  service: StreamService,
): TransportServer {
  return new TtServer(tasks, o, service);
}
