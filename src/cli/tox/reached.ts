import { FinalError, toTtunError, TtunError } from "../../base/errors.ts";
import type { ToxClientState } from "../../io/tox/tox_client.ts";

/** Returns the error of an end whose node has failed: no later attempt can succeed. */
export function nodeFailed(thrown: unknown): FinalError {
  const { kind, message } = toTtunError(thrown);
  return new FinalError(kind, `Cannot go on over Tox: ${message}`, { cause: thrown });
}

/** How far a client is, for the log. */
export const STATES: Readonly<Record<ToxClientState, string>> = {
  offline: "this node has lost the Tox network",
  asked: "on the Tox network, asking for the server",
  up: "the server is online",
};

/**
 * Returns the error of a client that has not reached its server in time. `nodes`: where the user says
 * by which nodes the network is found.
 */
export function notReached(
  state: ToxClientState,
  deadlineMs: number,
  nodes = "--nodes",
): TtunError {
  const seconds = deadlineMs / 1000;
  return state === "offline"
    ? new TtunError(
      "timeout",
      `Cannot reach the Tox network within ${seconds} s: no node of the list has answered; see ` +
        `whether UDP gets out here, or give other nodes by ${nodes}`,
    )
    : new TtunError(
      "timeout",
      `Cannot reach the server within ${seconds} s: this end is on the Tox network, and nothing ` +
        "has come from the server; see whether it runs, whether its ID is this one, and whether " +
        "it lets this end in (its secret, its -i)",
    );
}
