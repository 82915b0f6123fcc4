import { ProtocolError } from "../../base/errors.ts";

export class HttpError extends ProtocolError {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}
