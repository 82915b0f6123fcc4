import { TtunError } from "../../base/errors.ts";
import type { Addr } from "../../base/addr.ts";
import type { Dialer, DialEvents, Stream } from "../../contract/stream.ts";
import { startDial, tell } from "./dial_events.ts";

/** Others take what becomes free as well: so often it is made free again. */
const ATTEMPTS = 8;

/**
 * Dials; out of descriptors it closes something by `evictIdle` (false = nothing to close) and tries
 * again at once. So strangers who hold what there is take nothing from those who are let in.
 */
export function dialMakingRoom(dialer: Dialer, evictIdle: () => boolean): Dialer {
  const again = async (to: Addr, o: Parameters<Dialer["dial"]>[1], first: unknown) => {
    let thrown = first;
    for (let left = ATTEMPTS; left > 0; left--) {
      if (!isExhausted(thrown) || !evictIdle()) break;
      try {
        return await dialer.dial(to, o);
      } catch (next) {
        thrown = next;
      }
    }
    throw thrown;
  };
  return {
    dial: (to, o): Promise<Stream> => dialer.dial(to, o).catch((thrown) => again(to, o, thrown)),
    start: (to, o, events) =>
      startDial(dialer, to, o, new Attempt(events, (thrown) => again(to, o, thrown))),
  };
}

/** The first attempt of a dial: only where it fails for want of room it is not the last. */
class Attempt implements DialEvents {
  readonly #events: DialEvents;
  readonly #again: (thrown: unknown) => Promise<Stream>;

  constructor(events: DialEvents, again: (thrown: unknown) => Promise<Stream>) {
    this.#events = events;
    this.#again = again;
  }

  connected(stream: Stream): boolean | void {
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
