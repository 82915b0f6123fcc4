import type { Target } from "../base/target.ts";
import type { DialEvents } from "./dial.ts";
import type { NameOwner } from "./host.ts";
import type { Stream } from "./stream.ts";

/** A way to targets; with `ForwardTarget` for `To`, to unix sockets as well. */
export interface Outbound<To = Target> {
  /**
   * Opens a stream that lives under `signal`. Fails with a ConnectError (app/net/connect_error.ts)
   * or the signal's reason. Returns as `OnReady`. It is a property, as of a method the compiler
   * would not check `To`.
   */
  readonly open: (target: To, o: OpenOptions, events: DialEvents<Stream>) => boolean | void;
}

export interface OpenOptions {
  readonly signal: AbortSignal;
  /** Gives the attempt up; it aborts with `signal` too. Of no effect once the stream is there. */
  readonly cancel?: AbortSignal;
  /** First bytes for the target, which may be sent along with the connect request. */
  readonly early?: Uint8Array;
  /** The early bytes must not be sent twice. */
  readonly once?: boolean;
  readonly client?: NameOwner | undefined;
}
