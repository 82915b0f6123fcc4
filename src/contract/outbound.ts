import type { Target } from "../base/target.ts";
import type { DialEvents } from "./dial.ts";
import type { NameOwner } from "./host.ts";
import type { Stream } from "./stream.ts";

/** A way to targets: from this machine, or through a server. */
export interface Outbound {
  /**
   * Connects to a target unless `signal` aborts first, under which the stream lives. A failure is
   * reported as a ConnectError (app/net/connect_error.ts) or the signal's reason. Returns as
   * `OnReady`.
   */
  open(target: Target, o: OpenOptions, events: DialEvents<Stream>): boolean | void;
}

export interface OpenOptions {
  readonly signal: AbortSignal;
  /** First bytes for the target, which may be sent along with the connect request. */
  readonly early?: Uint8Array;
  /** The early bytes must not be sent twice. */
  readonly once?: boolean;
  /** The client on whose behalf the connection is made. */
  readonly client?: NameOwner | undefined;
}
