import type { ToxWay } from "../../core/status/report.ts";
import type { ToxConnection } from "../../../ffi/tox/tox_types.ts";

/** Tells how an end is reached. */
export function wayOf(connection: ToxConnection): ToxWay | "none" {
  return connection === "tcp" ? "relay" : connection;
}
