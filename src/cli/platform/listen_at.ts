import { formatAddr, type HostPort } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { Listener } from "../../contract/dial.ts";

/**
 * Listens where an option says. `doing`: what for, as "serve metrics".
 * @throws {TtunError} in_use, in words that name the option; as `listen`
 */
export function listenAt(
  at: HostPort,
  { doing, option }: { readonly doing: string; readonly option: string },
  listen: () => Listener,
): Listener {
  try {
    return listen();
  } catch (error) {
    if (!(error instanceof TtunError) || error.kind !== "in_use") throw error;
    throw new TtunError(
      "in_use",
      `Cannot ${doing} on ${formatAddr(at)}: the port is taken; give ${option} another one`,
      { cause: error },
    );
  }
}
