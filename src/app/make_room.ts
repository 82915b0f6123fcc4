import { TtunError } from "../base/errors.ts";
import type { Addr } from "../base/addr.ts";
import type { Dialer, Stream } from "../contract/stream.ts";

/** Others take what becomes free as well: so often it is made free again. */
const ATTEMPTS = 8;

/**
 * Dials; out of descriptors it closes something by `makeRoom` (false = nothing to close) and tries
 * again at once. So strangers who hold what there is take nothing from those who are let in.
 */
export function dialMakingRoom(dialer: Dialer, makeRoom: () => boolean): Dialer {
  const again = async (to: Addr, o: Parameters<Dialer["dial"]>[1], first: unknown) => {
    let thrown = first;
    for (let left = ATTEMPTS; left > 0; left--) {
      if (!isExhausted(thrown) || !makeRoom()) break;
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
  };
}

function isExhausted(thrown: unknown): boolean {
  return thrown instanceof TtunError && thrown.kind === "exhausted";
}
