import type { Connection } from "../../contract/connection.ts";

/** Protocol of a connection that goes through the server where both ends have met. */
export const RELAY_PROTOCOL = "relay";

/** Returns true if a connection goes through a server for want of a direct way. */
export function isRelayed(stream: Pick<Connection, "stats">): boolean {
  return stream.stats().protocol === RELAY_PROTOCOL;
}
