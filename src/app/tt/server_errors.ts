import { TtunError } from "../../base/errors.ts";
import { ConnectError } from "../net/connect_error.ts";

/** Other reasons for the silence of a server that has not proved the key. */
const OTHERWISE = "another key, cipher or port range there, " +
  "or the clocks differ by more than two minutes";

export function silent(server: string, ms: number): TtunError {
  const words = `No answer from the server ${server} within ${ms / 1000} s`;
  return new TtunError("timeout", words);
}

export function hungUp(server: string): TtunError {
  const words = `The server ${server} hung up without a word: ${OTHERWISE}`;
  return new TtunError("auth", words);
}

export function noWay(error: TtunError): ConnectError {
  return new ConnectError("tunnel", reasonsOf(error), { cause: error });
}

/** Adds possible reasons: if key or clock is wrong, most often no port is open. */
export function reasonsOf(error: TtunError): string {
  if (error.kind === "unreachable") return `${error.message} (or ${OTHERWISE})`;
  if (error.kind !== "timeout") return error.message;
  return `${error.message} (its firewall must let all of --port-range in; or ${OTHERWISE})`;
}
