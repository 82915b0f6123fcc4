import type { Addr } from "../../base/addr.ts";
import type { Target } from "../../base/target.ts";
import type { NameOwner } from "../../contract/host.ts";
import type { RelayCount } from "./relay.ts";

/** Events of a proxied connection; one of the last two ends it, once. */
export interface ServedEvents extends NameOwner {
  /** Address of the client; absent = it is not known. */
  readonly from?: Addr;
  onTarget(target: Target): void;
  onRefused(thrown: unknown): void;
  /** Both ways have ended; here and below the stream is the caller's to close. */
  onEnd(count: RelayCount): boolean | void;
  /** ProtocolError: no request; ConnectError: no target; TtunError. */
  onFailure(error: unknown): void;
}
