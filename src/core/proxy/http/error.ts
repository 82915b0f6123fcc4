import { ProtocolError } from "../../../base/errors.ts";

/** A message that breaks HTTP, with the status that tells its sender. */
export class HttpError extends ProtocolError {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}
