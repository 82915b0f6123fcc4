import type { Target } from "../../base/target.ts";
import type { NameOwner } from "../../contract/host.ts";
import type { RelayCount } from "./relay.ts";

/** Events of one proxied connection. The last two end it; one of them comes, once. */
export interface ServedEvents extends NameOwner {
  onTarget(target: Target): void;
  /** Why there is no connection to it. */
  onRefused(thrown: unknown): void;
  /** Both ways have ended; the stream is the caller's to close, here as below. Returns as OnReady. */
  onEnd(count: RelayCount): boolean | void;
  /** {ProtocolError} what is no request; {ConnectError} why there is no target; {TtunError} */
  onFailure(error: unknown): void;
}
