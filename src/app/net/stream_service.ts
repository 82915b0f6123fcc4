import type { RateLimitedLog } from "../../base/rate_limited_log.ts";
import type { Stream } from "../../contract/stream.ts";
import type { Quota } from "./connection_quota.ts";
import type { ScratchBuffers } from "./scratch.ts";
import type { ServedEvents } from "./served_events.ts";

/** The service that a transport's server passes its proxied connections to. */
export interface StreamService {
  readonly scratch: ScratchBuffers;
  readonly quota: Quota;
  /**
   * Serves a proxied connection, which begins with `first` (lent for this call), as a listener on this
   * host serves a local program. The stream stays the caller's. Returns true as OnReady does.
   */
  readonly serve: (stream: Stream, first: Uint8Array, events: ServedEvents) => boolean;
  readonly rejected: RateLimitedLog;
  /**
   * Logs why a connection was refused or has ended. `owner`: a key at an address, or an address, for
   * the limit of log lines.
   */
  readonly tell: (thrown: unknown, peer: string, owner: string) => void;
}
