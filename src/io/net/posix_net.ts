import { type Addr, type HostPort, requireHostPort } from "../../base/addr.ts";
import { noAnswer } from "../../base/dial_timeout.ts";
import { onAbort } from "../../base/scope.ts";
import type { Dialer, DialEvents, DialOptions, Listener } from "../../contract/dial.ts";
import { WATCH_INPUT } from "../../../ffi/linux/epoll.ts";
import { connectResult } from "../../../ffi/linux/socket.ts";
import { check } from "../../../ffi/native.ts";
import type { Descriptor, Reactor } from "../reactor/reactor.ts";
import { netError } from "./net_errors.ts";
import { PosixListener } from "./posix_listener.ts";
import { PosixStream } from "./posix_stream.ts";
import { type SocketCalls, TCP_CALLS } from "./socket_calls.ts";

export interface PosixNetOptions {
  readonly mptcp: { readonly dial: boolean; readonly listen: boolean };
  readonly segmentBytes?: SegmentBytes;
  /** SO_MARK of outgoing connections. */
  readonly mark?: number | undefined;
  /** Default: the kernel's TCP. */
  readonly calls?: SocketCalls;
}

/** TCP_MAXSEG of connections in bytes; absent = the link's limit. */
export interface SegmentBytes {
  readonly dial?: number | undefined;
  readonly listen?: number | undefined;
}

/** Hosts must be IP addresses: names are resolved before. */
export class PosixNet implements Dialer {
  readonly limitsSegments = true;
  readonly #reactor: Reactor;
  readonly #calls: SocketCalls;
  readonly #mptcp: PosixNetOptions["mptcp"];
  readonly #segmentBytes: SegmentBytes;
  readonly #mark: number | undefined;

  constructor(
    reactor: Reactor,
    { mptcp: { dial, listen }, segmentBytes = {}, mark, calls = TCP_CALLS }: PosixNetOptions,
  ) {
    this.#reactor = reactor;
    this.#calls = calls;
    // Callers' objects have several shapes.
    this.#mptcp = { dial, listen };
    this.#segmentBytes = { dial: segmentBytes.dial, listen: segmentBytes.listen };
    this.#mark = mark;
  }

  start(to: Addr, o: DialOptions, events: DialEvents): boolean | void {
    try {
      o.signal.throwIfAborted();
      const target = requireHostPort(to);
      const fd = this.#calls.connect(this.#reactor.libc, target, {
        mptcp: this.#mptcp.dial,
        segmentBytes: lesser(this.#segmentBytes.dial, o.segmentBytes),
        mark: this.#mark,
      });
      const descriptor = this.#reactor.own(fd, o.signal);
      return new Dialing(this.#reactor, descriptor, target, o, events).begin();
    } catch (thrown) {
      return events.failed(netError(thrown, "connect", to));
    }
  }

  /** Host "" means all addresses. @throws {TtunError} in_use, privilege, usage */
  listen(at: Addr, o: { signal: AbortSignal }): Listener {
    o.signal.throwIfAborted();
    try {
      const to = requireHostPort(at);
      const fd = this.#calls.listen(this.#reactor.libc, to, {
        mptcp: this.#mptcp.listen,
        segmentBytes: this.#segmentBytes.listen,
      });
      const descriptor = this.#reactor.own(fd, o.signal, WATCH_INPUT);
      return new PosixListener(this.#reactor, descriptor, to, this.#calls);
    } catch (thrown) {
      throw netError(thrown, "listen", at);
    }
  }
}

function lesser(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? a ?? b : Math.min(a, b);
}

/** Owns its descriptor until it becomes a stream. */
class Dialing {
  readonly #reactor: Reactor;
  readonly #descriptor: Descriptor;
  readonly #to: HostPort;
  readonly #events: DialEvents;
  readonly #timer: Disposable | null;
  readonly #registration: Disposable | null;

  constructor(
    reactor: Reactor,
    descriptor: Descriptor,
    to: HostPort,
    { timeoutMs, cancel }: DialOptions,
    events: DialEvents,
  ) {
    this.#reactor = reactor;
    this.#descriptor = descriptor;
    this.#to = to;
    this.#events = events;
    descriptor.isEmpty = true; // until an edge reports input
    this.#timer = timeoutMs === undefined
      ? null
      : reactor.after(timeoutMs, () => descriptor.close(() => noAnswer(to, timeoutMs)));
    this.#registration = cancel === undefined
      ? null
      : onAbort(cancel, (reason) => descriptor.close(() => reason));
  }

  begin(): boolean {
    if (this.#descriptor.closed) return this.#onWritable();
    this.#descriptor.onWritable(this.#onWritable);
    return true;
  }

  readonly #onWritable = (): boolean => {
    const descriptor = this.#descriptor;
    this.#timer?.[Symbol.dispose]();
    this.#registration?.[Symbol.dispose]();
    try {
      descriptor.check();
      const { libc } = this.#reactor;
      // A failed attempt is reported by an error or hang-up event.
      if (descriptor.mayStopShort) check("connect", connectResult(libc, descriptor.fd));
    } catch (thrown) {
      const error = netError(thrown, "connect", this.#to);
      descriptor.close(() => error);
      return this.#events.failed(error) === true;
    }
    const stream = new PosixStream(this.#reactor, descriptor, this.#to, true);
    return this.#events.connected(stream) === true;
  };
}
