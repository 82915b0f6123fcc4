import { TtunError } from "../../base/errors.ts";

/** Minutes are counted from 1970 on, UTC. */
export const MINUTE_MS = 60_000;

/** Returns 0 before 1970: nobody has set that clock. @throws {TtunError} `internal` for NaN */
export function minuteOf(unixMs: number): number {
  if (!Number.isFinite(unixMs)) throw new TtunError("internal", `Cannot use ${unixMs} as a time`);
  return Math.max(0, Math.floor(unixMs / MINUTE_MS));
}
