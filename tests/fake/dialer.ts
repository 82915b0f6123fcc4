import { tell } from "../../src/app/net/dial_events.ts";
import type { Addr } from "../../src/base/addr.ts";
import type { Connection } from "../../src/contract/connection.ts";
import type { Dialer, DialOptions } from "../../src/contract/dial.ts";

export type PromisedDial = (to: Addr, o: DialOptions) => Promise<Connection>;

/** Dials as a function says by its promise. */
export function dialBy(dial: PromisedDial): Dialer {
  return { start: (to, o, events) => tell(events, dial(to, o)) };
}
