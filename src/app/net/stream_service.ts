import type { RateLimitedLog } from "../../base/rate_limited_log.ts";
import type { Stream } from "../../contract/stream.ts";
import type { Quota } from "./connection_quota.ts";
import type { ScratchBuffers } from "./scratch.ts";
import type { ServedEvents } from "./served_events.ts";

/** A transport's server passes its proxied connections to it. */
export interface StreamService {
  readonly scratch: ScratchBuffers;
  readonly quota: Quota;
  /** `first` is lent for this call; the stream stays the caller's. Returns true as OnReady does. */
  readonly serve: (stream: Stream, first: Uint8Array, events: ServedEvents) => boolean;
  readonly rejected: RateLimitedLog;
  /** `owner`: a key at an address, or an address; log lines are limited by it. */
  readonly tell: (thrown: unknown, peer: string, owner: string) => void;
}
