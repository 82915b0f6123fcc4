import type { HostPort } from "../base/addr.ts";
import type { Logger } from "../base/log.ts";
import type { Dialer, Listener } from "../contract/dial.ts";
import type { Clock } from "../contract/host.ts";
import type { Reactor } from "./reactor/reactor.ts";

export interface TransportTools {
  /** The URL for logs. */
  readonly name: string;
  readonly reactor: Reactor;
  readonly log: Logger;
}

export interface DialerTools extends TransportTools {
  /** Closes what the dialer needs, such as libraries. */
  readonly opened: AsyncDisposableStack;
}

export interface LayerTools {
  readonly clock: Clock;
  /** Listeners live under it. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** Closes what the layer needs, such as libraries, behind all connections. */
  readonly opened: AsyncDisposableStack;
}

/** Stands between TCP and what runs over it, at both ends of a URL with an address. */
export interface Layer {
  /** @throws {TtunError} usage, system */
  dialer(inner: Dialer, at: HostPort, tools: LayerTools): Dialer;
  /** Owns `inner` when it returns. @throws {TtunError} usage, system */
  listener(inner: Listener, at: HostPort, tools: LayerTools): Listener;
}

export interface WayTools extends LayerTools {
  /** Null = Deno's own loop and sockets. */
  readonly reactor: Reactor | null;
  /** SO_MARK of the connections to the other end (Linux). */
  readonly mark: number | undefined;
  /** Takes what a client has to be told, once the listener is there. */
  readonly tellClient: (url: string) => void;
}

/** Reaches a URL with an address by other means than TCP. */
export interface Way {
  /** @throws {TtunError} usage, privilege, system */
  dialer(at: HostPort, tools: WayTools): Dialer;
  /** @throws {TtunError} usage, in_use, privilege, system */
  listener(at: HostPort, tools: WayTools): Listener;
}

/**
 * Opens the two ends that a URL without a network address can name; a transport may have only one
 * of them. `at` is what its entry of cli/transport/table.ts has read from the URL.
 * Both are called while there are permissions and privileges for everything, streams come later.
 */
export interface Transport {
  dialer?(at: string, tools: DialerTools): Dialer<void>;
  /** @throws {TtunError} in_use, privilege, usage, system */
  listen?(at: string, o: TransportTools & { readonly signal: AbortSignal }): Listener;
  /** For a URL with an address, which is dialled and listened on as for TCP. */
  readonly layer?: Layer;
  /** For one that is resolved as for TCP, and then dialled and listened on without it. */
  readonly way?: Way;
}
