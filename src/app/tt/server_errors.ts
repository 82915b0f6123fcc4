import { TtunError } from "../../base/errors.ts";
import { ConnectError } from "../net/connect_error.ts";

/** Other reasons why a server that has not proved the key may not have answered. */
const OTHERWISE = "another key, cipher or port range there, " +
  "or the clocks differ by more than two minutes";

/** Returns the error for a server that has accepted the connection and says nothing. */
export function silent(server: string, ms: number): TtunError {
  const words = `No answer from the server ${server} within ${ms / 1000} s`;
  return new TtunError("timeout", words);
}

/** Returns the error for a server that closes the connection before it has proved the key. */
export function hungUp(server: string): TtunError {
  const words = `The server ${server} hung up without a word: ${OTHERWISE}`;
  return new TtunError("auth", words);
}

/** Returns the error for a target if there is no way to the server. */
export function noWay(error: TtunError): ConnectError {
  return new ConnectError("tunnel", reasonsOf(error), { cause: error });
}

/**
 * Returns the message of an error on the way to the server, with other possible reasons. Ports follow
 * from key and clock: if one of these is wrong, most often no port is open.
 */
export function reasonsOf(error: TtunError): string {
  if (error.kind === "unreachable") return `${error.message} (or ${OTHERWISE})`;
  if (error.kind !== "timeout") return error.message;
  return `${error.message} (its firewall must let all of --port-range in; or ${OTHERWISE})`;
}
