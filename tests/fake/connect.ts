import { tell } from "../../src/app/net/dial_events.ts";
import type { Connect, ConnectOptions } from "../../src/app/net/direct_outbound.ts";
import type { Stream } from "../../src/contract/stream.ts";
import type { Target } from "../../src/base/target.ts";

export type PromisedConnect = (target: Target, o: ConnectOptions) => Promise<Stream>;

/** Connects as a function says by its promise. */
export function connectBy(connect: PromisedConnect): Connect {
  return (target, o, events) => tell(events, connect(target, o));
}
