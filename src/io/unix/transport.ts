import type { DialEvents, DialOptions, Listener } from "../../contract/dial.ts";
import { connectUnix } from "../../../ffi/linux/unix_socket.ts";
import { LocalStream } from "../net/local_stream.ts";
import type { Transport, TransportTools } from "../transport.ts";
import { bindPath } from "./socket_path.ts";
import { connectError, listenError } from "./unix_errors.ts";
import { UnixListener } from "./unix_listener.ts";

/** `unix:///path`: stream sockets of this machine, by the path of their file. */
export const UNIX_TRANSPORT: Transport = {
  dialer: (path, tools) => ({
    start: (_: void, o, events) => dialUnix(path, tools, o, events),
  }),
  listen: listenUnix,
};

/** @throws {TtunError} in_use, privilege, usage, system */
export function listenUnix(
  path: string,
  { name, reactor, log, signal }: TransportTools & { readonly signal: AbortSignal },
): Listener {
  signal.throwIfAborted();
  try {
    const bound = bindPath(reactor.libc, path);
    return new UnixListener(reactor, { path, name, bound, log, signal });
  } catch (thrown) {
    throw listenError(thrown, name);
  }
}

/**
 * Connects, as `Dialer.start` does. Such a connection is there at once or not at all; events come
 * in the loop's next turn.
 */
export function dialUnix(
  path: string,
  { name, reactor }: TransportTools,
  { signal, cancel }: DialOptions,
  events: DialEvents,
): boolean | void {
  try {
    signal.throwIfAborted();
    const descriptor = reactor.own(connectUnix(reactor.libc, path), signal);
    reactor.onTurn(() => {
      try {
        if (cancel?.aborted === true) descriptor.close(() => cancel.reason);
        descriptor.check();
      } catch (reason) {
        return events.failed(reason);
      }
      return events.connected(new LocalStream(reactor, descriptor, name, { remote: { path } }));
    });
  } catch (thrown) {
    return events.failed(connectError(thrown, name));
  }
}
