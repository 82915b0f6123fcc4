import type { Connection } from "../../contract/connection.ts";
import { openSocketPair } from "../../../ffi/linux/socket.ts";
import type { Reactor } from "../reactor/reactor.ts";
import { PosixStream } from "./posix_stream.ts";

/** Both ends of a connection without a network, for the log. */
const NOWHERE = { host: "127.0.0.1", port: 0 };

/**
 * Opens two streams that are connected with each other; both live under the signal.
 * @throws {NativeError} EMFILE, ENFILE
 */
export function openStreamPair(reactor: Reactor, signal: AbortSignal): [Connection, Connection] {
  const [a, b] = openSocketPair(reactor.libc, "stream");
  const first = reactor.own(a, signal);
  return [
    new PosixStream(reactor, first, NOWHERE),
    new PosixStream(reactor, reactor.own(b, signal), NOWHERE),
  ];
}
