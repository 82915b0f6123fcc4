import { TtunError } from "../../base/errors.ts";
import type { Addr } from "../../base/addr.ts";
import type { Dialer, DialEvents, DialOptions } from "../../contract/dial.ts";
import type { Connection } from "../../contract/connection.ts";
import { dial, tell } from "./dial_events.ts";

/** Evictions for one dial: other connections also take the descriptors that become free. */
const ATTEMPTS = 8;

/** When descriptors run out, `evictIdle` frees one (false = none to free) for another dial. */
export function dialMakingRoom(dialer: Dialer, evictIdle: () => boolean): Dialer {
  const again = async (to: Addr, o: DialOptions, first: unknown) => {
    let thrown = first;
    for (let left = ATTEMPTS; left > 0; left--) {
      if (!isExhausted(thrown) || !evictIdle()) break;
      try {
        return await dial(dialer, to, o);
      } catch (next) {
        thrown = next;
      }
    }
    throw thrown;
  };
  return {
    start: (to, o, events) =>
      dialer.start(to, o, new Attempt(events, (thrown) => again(to, o, thrown))),
  };
}

class Attempt implements DialEvents {
  readonly #events: DialEvents;
  readonly #again: (thrown: unknown) => Promise<Connection>;

  constructor(events: DialEvents, again: (thrown: unknown) => Promise<Connection>) {
    this.#events = events;
    this.#again = again;
  }

  connected(stream: Connection): boolean | void {
    return this.#events.connected(stream);
  }

  failed(thrown: unknown): boolean | void {
    if (!isExhausted(thrown)) return this.#events.failed(thrown);
    tell(this.#events, this.#again(thrown));
  }
}

function isExhausted(thrown: unknown): boolean {
  return thrown instanceof TtunError && thrown.kind === "exhausted";
}
