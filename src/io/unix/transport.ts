import type { Dialer, DialEvents, DialOptions } from "../../contract/dial.ts";
import { connectUnix } from "../../../ffi/linux/unix_socket.ts";
import { LocalStream } from "../net/local_stream.ts";
import type { Descriptor, Reactor } from "../reactor/reactor.ts";
import type { Transport, TransportTools } from "../transport.ts";
import { bindPath } from "./socket_path.ts";
import { connectError, listenError } from "./unix_errors.ts";
import { UnixListener } from "./unix_listener.ts";

/** `unix:///path`: stream sockets of this machine, by the path of their file. */
export const UNIX_TRANSPORT: Transport = {
  dialer: (path, tools) => new UnixDialer(path, tools),
  listen: (path, { name, reactor, log, signal }) => {
    signal.throwIfAborted();
    try {
      const bound = bindPath(reactor.libc, path);
      return new UnixListener(reactor, { path, name, bound, log, signal });
    } catch (thrown) {
      throw listenError(thrown, name);
    }
  },
};

/** Such a connection is there at once or not at all; events come in the loop's next turn. */
class UnixDialer implements Dialer<void> {
  readonly #path: string;
  readonly #name: string;
  readonly #reactor: Reactor;

  constructor(path: string, { name, reactor }: TransportTools) {
    this.#path = path;
    this.#name = name;
    this.#reactor = reactor;
  }

  start(_: void, { signal, cancel }: DialOptions, events: DialEvents): boolean | void {
    const reactor = this.#reactor;
    try {
      signal.throwIfAborted();
      const descriptor = reactor.own(connectUnix(reactor.libc, this.#path), signal);
      reactor.onTurn(() => this.#connected(descriptor, cancel, events));
    } catch (thrown) {
      return events.failed(connectError(thrown, this.#name));
    }
  }

  #connected(
    descriptor: Descriptor,
    cancel: AbortSignal | undefined,
    events: DialEvents,
  ): boolean | void {
    try {
      if (cancel?.aborted === true) descriptor.close(() => cancel.reason);
      descriptor.check();
    } catch (reason) {
      return events.failed(reason);
    }
    const remote = { path: this.#path };
    return events.connected(
      new LocalStream(this.#reactor, descriptor, this.#name, { remote }),
    );
  }
}
