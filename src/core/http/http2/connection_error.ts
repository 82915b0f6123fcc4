import { ProtocolError } from "../../../base/errors.ts";
import type { ErrorCode } from "./constants.ts";

/** A fault of the other end that leaves nothing of the connection to be trusted. */
export class ConnectionError extends ProtocolError {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, what: string) {
    super(`HTTP/2: ${what}`);
    this.code = code;
  }
}
