import { tell } from "../../src/app/net/dial_events.ts";
import type { OpenOptions, Outbound } from "../../src/contract/outbound.ts";
import type { Stream } from "../../src/contract/stream.ts";
import type { Target } from "../../src/base/target.ts";

export type PromisedOpen = (target: Target, o: OpenOptions) => Promise<Stream>;

/** An outbound that opens streams as a function says by its promise. */
export function openBy(connect: PromisedOpen): Outbound {
  return { open: (target, o, events) => tell(events, connect(target, o)) };
}
