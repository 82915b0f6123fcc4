import { type ErrorKind, EXIT_CODES, ProtocolError, TtunError } from "../../../base/errors.ts";
import { withoutControls } from "../../../base/without_controls.ts";

/** Returns the failure that another machine tells; a kind that is not known is a protocol error. */
export function refusalOf(kind: string, message: string): TtunError {
  const words = withoutControls(message);
  const isOurs = Object.hasOwn(EXIT_CODES, kind) && kind !== "internal";
  return isOurs ? new TtunError(kind as ErrorKind, words) : new ProtocolError(words);
}
