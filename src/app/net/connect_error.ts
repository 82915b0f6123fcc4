import { TtunError } from "../../base/errors.ts";
import { formatTarget, type ForwardTarget } from "../../base/target.ts";
import { type Failure, failureOf } from "../../core/proxy/failure.ts";

/** The reason for a failed connect, for the client; the message is for the log. */
export class ConnectError extends Error {
  override readonly name = "ConnectError";
  readonly failure: Failure;

  constructor(failure: Failure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.failure = failure;
  }
}

export function toConnectError(thrown: unknown, target: ForwardTarget): ConnectError {
  if (thrown instanceof ConnectError) return thrown;
  const failure = thrown instanceof TtunError ? failureOf(thrown) : "general";
  const words = thrown instanceof Error ? thrown.message : String(thrown);
  return new ConnectError(failure, `${formatTarget(target)}: ${words}`, { cause: thrown });
}
