import { ProtocolError } from "../../../base/errors.ts";

/** A header block that cannot be read: the whole connection is dead, since its table is. */
export class HpackError extends ProtocolError {
  constructor(what: string) {
    super(`Cannot read compressed fields: ${what}`);
  }
}
