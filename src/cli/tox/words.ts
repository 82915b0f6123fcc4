import type { ToxConnection } from "../../../ffi/tox/tox_types.ts";

/** Tells how an end is reached, for the log. */
export function wayOf(connection: ToxConnection): string {
  return connection === "tcp" ? "relay" : connection;
}
