import { type Addr, formatAddr } from "./addr.ts";
import { TtunError } from "./errors.ts";

export function noAnswer(to: Addr, ms: number): TtunError {
  return new TtunError(
    "timeout",
    `Cannot connect to ${formatAddr(to)}: no answer within ${ms / 1000} s`,
  );
}
