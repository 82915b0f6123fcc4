import { type Addr, formatAddr, type HostPort, requireHostPort } from "../../base/addr.ts";
import { noAnswer } from "../../base/dial_timeout.ts";
import { UnreachableError } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Dialer, DialEvents, DialOptions, Listener } from "../../contract/dial.ts";
import type { Clock } from "../../contract/host.ts";
import type { OnReady } from "../../contract/stream.ts";
import {
  accept,
  acceptedName,
  connectFrom,
  connectResult,
  listenShared,
  localName,
} from "../../../ffi/sockets/shared_port.ts";
import { NativeError } from "../../../ffi/native.ts";
import { listenerClosed, netError } from "../net/net_errors.ts";
import type { PolledSocket, PollLoop } from "./poll_loop.ts";
import { PolledStream } from "./polled_stream.ts";

/** TCP from one port of all addresses, over sockets that are polled. */
export class PolledDialer implements Dialer {
  readonly #loop: PollLoop;
  readonly #clock: Clock;
  readonly #port: number;

  /** `port` 0: each connection has one of the system's choice. */
  constructor(loop: PollLoop, clock: Clock, port: number) {
    this.#loop = loop;
    this.#clock = clock;
    this.#port = port;
  }

  start(to: Addr, { signal, cancel, timeoutMs }: DialOptions, events: DialEvents): void {
    let target: HostPort;
    let socket: PolledSocket;
    try {
      signal.throwIfAborted();
      cancel?.throwIfAborted();
      target = requireHostPort(to);
      socket = this.#loop.own(connectFrom(this.#loop.sockets, target, this.#port), signal);
    } catch (thrown) {
      return void events.failed(this.#error(thrown, to));
    }
    const waiting = new DisposableStack();
    if (timeoutMs !== undefined) {
      const late = () => socket.close(noAnswer(target, timeoutMs));
      waiting.use(this.#clock.after(timeoutMs, late));
    }
    if (cancel !== undefined) waiting.use(onAbort(cancel, (reason) => socket.close(reason)));
    socket.onWritable(() => {
      waiting.dispose();
      try {
        socket.check();
        const { sockets } = this.#loop;
        const result = connectResult(sockets, socket.fd);
        if (result < 0) throw sockets.error("connect", result);
      } catch (thrown) {
        const error = this.#error(thrown, target);
        socket.close(error);
        return events.failed(error) === true;
      }
      return events.connected(new PolledStream(this.#loop, socket, target)) === true;
    });
  }

  #error(thrown: unknown, to: Addr): unknown {
    const { portHasPeer } = this.#loop.sockets.system.errors;
    const hasPeer = thrown instanceof NativeError && thrown.call === "connect" &&
      portHasPeer.includes(thrown.errno);
    if (!hasPeer) return netError(thrown, "connect", to);
    const words = `Cannot connect to ${formatAddr(to)}: the port has such a connection, or had it`;
    return new UnreachableError("network", words, { cause: thrown });
  }
}

/** Listens on a port from which connections may be made. @throws {TtunError} */
export function listenPolled(loop: PollLoop, at: HostPort, signal: AbortSignal): Listener {
  signal.throwIfAborted();
  try {
    return new PolledListener(loop, loop.own(listenShared(loop.sockets, at), signal));
  } catch (thrown) {
    throw netError(thrown, "listen", at);
  }
}

class PolledListener implements Listener {
  readonly addr: Addr;
  readonly #loop: PollLoop;
  readonly #socket: PolledSocket;

  constructor(loop: PollLoop, socket: PolledSocket) {
    this.#loop = loop;
    this.#socket = socket;
    this.addr = localName(loop.sockets, socket.fd);
  }

  acceptNow({ signal }: { signal: AbortSignal }): Connection | null {
    const { sockets } = this.#loop;
    for (;;) {
      this.#socket.check();
      signal.throwIfAborted();
      const fd = accept(sockets, this.#socket.fd);
      if (fd === -sockets.system.errors.wouldBlock) return null;
      if (fd < 0) {
        const error = sockets.error("accept", fd);
        if (isPassing(error)) continue;
        throw netError(error, "accept", this.addr);
      }
      const remote = acceptedName(sockets);
      return new PolledStream(this.#loop, this.#loop.own(fd, signal), remote);
    }
  }

  onAcceptable(run: OnReady): void {
    this.#socket.onReadable(run);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close(listenerClosed());
    await this.#socket.closed.promise;
  }
}

/** The connection ended before it was accepted; the next one may be sound. */
function isPassing(error: NativeError): boolean {
  return error.is(
    ...["ECONNABORTED", "ECONNRESET", "EPROTO", "ENETDOWN", "EHOSTDOWN"] as const,
    ...["EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT", "EPERM"] as const,
  );
}
