import type { Connection } from "../../contract/connection.ts";

/**
 * Resets a connection on which no key was proved, if it has TLS: that would end in an orderly way,
 * which a peer without a key would take for the end of all that there is.
 */
export function resetIfBound(stream: Connection): void {
  if (stream.binding !== undefined) stream.reset();
}
