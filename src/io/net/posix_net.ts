import { type Addr, formatAddr, type HostPort } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { noAnswer } from "../../base/dial_timeout.ts";
import { onAbort } from "../../base/scope.ts";
import { zoneOf } from "../../base/zone.ts";
import type { Connection, ConnectionStats, SocketOptions } from "../../contract/connection.ts";
import type { Dialer, DialEvents, DialOptions, Listener } from "../../contract/dial.ts";
import type { MaybePromise, OnReady } from "../../contract/stream.ts";
import { WATCH_INPUT } from "../../../ffi/linux/epoll.ts";
import { Errno } from "../../../ffi/linux/errno.ts";
import {
  accept,
  acceptedAddr,
  connectResult,
  localAddr,
  MSG_NOSIGNAL,
  shutdownWrite,
  startConnect,
  startListen,
} from "../../../ffi/linux/socket.ts";
import { limitSegments, lingerZero, setSocketOptions } from "../../../ffi/linux/socket_options.ts";
import { connectionStats } from "../../../ffi/linux/socket_stats.ts";
import { check, NativeError } from "../../../ffi/native.ts";
import { netError } from "./net_errors.ts";
import type { Descriptor, Reactor } from "../reactor/reactor.ts";

/** A read below this many bytes most likely has emptied the socket. */
const LITTLE = 4096;

/** Shared result of `asyncDispose`: closing is synchronous here. */
const CLOSED = Promise.resolve();

export interface PosixNetOptions {
  readonly mptcp: { readonly dial: boolean; readonly listen: boolean };
  readonly segmentBytes?: SegmentLimits;
}

/** Largest segment of connections in bytes (TCP_MAXSEG); absent = no limit but the link's. */
export interface SegmentLimits {
  readonly dial?: number | undefined;
  readonly listen?: number | undefined;
}

/** TCP on the reactor. Hosts must be IP addresses: names are resolved before. */
export class PosixNet implements Dialer {
  readonly limitsSegments = true;
  readonly #reactor: Reactor;
  readonly #o: PosixNetOptions;

  constructor(reactor: Reactor, o: PosixNetOptions) {
    this.#reactor = reactor;
    this.#o = o;
  }

  dial(to: Addr, o: DialOptions): Promise<Connection> {
    return new Promise((resolve, reject) => {
      this.start(to, o, { connected: resolve, failed: reject });
    });
  }

  start(to: Addr, o: DialOptions, events: DialEvents): boolean | void {
    try {
      o.signal.throwIfAborted();
      const target = hostPort(to);
      const { mptcp, segmentBytes } = this.#o;
      const fd = startConnect(this.#reactor.libc, target, {
        mptcp: mptcp.dial,
        segmentBytes: lesser(segmentBytes?.dial, o.segmentBytes),
      });
      const descriptor = this.#reactor.own(fd, o.signal);
      return new Dialing(this.#reactor, descriptor, target, o, events).begin();
    } catch (thrown) {
      return events.failed(netError(thrown, "connect", to));
    }
  }

  /**
   * Listens on an address; host "" means all addresses.
   * @throws {TtunError} in_use, privilege, usage
   */
  listen(at: Addr, o: { signal: AbortSignal }): Listener {
    o.signal.throwIfAborted();
    try {
      const to = hostPort(at);
      const { mptcp, segmentBytes } = this.#o;
      const fd = startListen(this.#reactor.libc, to, {
        mptcp: mptcp.listen,
        segmentBytes: segmentBytes?.listen,
      });
      return new PosixListener(this.#reactor, this.#reactor.own(fd, o.signal, WATCH_INPUT), to);
    } catch (thrown) {
      throw netError(thrown, "listen", at);
    }
  }
}

function lesser(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? a ?? b : Math.min(a, b);
}

function hostPort(addr: Addr): HostPort {
  if ("path" in addr) throw new TtunError("system", "Cannot use a unix socket here");
  return addr;
}

/** A connection attempt in progress. Owns its descriptor until it becomes a stream. */
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
    const stream = new PosixStream(this.#reactor, descriptor, this.#to);
    return this.#events.connected(stream) === true;
  };
}

class PosixListener implements Listener {
  readonly addr: Addr;
  readonly #reactor: Reactor;
  readonly #descriptor: Descriptor;

  constructor(reactor: Reactor, descriptor: Descriptor, at: HostPort) {
    this.#reactor = reactor;
    this.#descriptor = descriptor;
    const addr = localAddr(reactor.libc, descriptor.fd);
    // A Multipath TCP socket does not report its zone.
    this.addr = zoneOf(at.host) === null ? addr : { host: at.host, port: addr.port };
  }

  limitSegments(segmentBytes: number): boolean {
    this.#descriptor.check();
    return limitSegments(this.#reactor.libc, this.#descriptor.fd, segmentBytes);
  }

  accept(o: { signal: AbortSignal }): MaybePromise<Connection> {
    return this.#try(o.signal) ?? this.#wait(o.signal);
  }

  readonly now = {
    accept: (o: { signal: AbortSignal }): Connection | null => this.#try(o.signal),
    onReady: (run: OnReady): void => this.#descriptor.onReadable(run),
  };

  async #wait(signal: AbortSignal): Promise<Connection> {
    // The signal may end this wait while the listener stays open.
    using _tie = onAbort(signal, () => this.#descriptor.wakeReader());
    for (;;) {
      await this.#descriptor.readable();
      const stream = this.#try(signal);
      if (stream !== null) return stream;
    }
  }

  /** Returns null if no connection is waiting. */
  #try(signal: AbortSignal): Connection | null {
    const { libc } = this.#reactor;
    for (;;) {
      this.#descriptor.check();
      signal.throwIfAborted();
      const fd = accept(libc, this.#descriptor.fd);
      if (fd < 0) {
        if (fd === -Errno.EAGAIN) return null;
        // Reset before it was accepted; the next one may be sound (accept(2), "Error handling").
        if (passing(-fd)) continue;
        throw netError(new NativeError("accept4", -fd), "accept", this.addr);
      }
      const remote = acceptedAddr(libc);
      return new PosixStream(this.#reactor, this.#own(fd, signal), remote);
    }
  }

  #own(fd: number, signal: AbortSignal): Descriptor {
    try {
      return this.#reactor.own(fd, signal, WATCH_INPUT);
    } catch (thrown) {
      throw netError(thrown, "accept", this.addr);
    }
  }

  // deno-lint-ignore require-await -- the contract's close is asynchronous elsewhere
  async [Symbol.asyncDispose](): Promise<void> {
    this.#descriptor.close(listenerClosed);
  }
}

/** Returns true for errors of one connection, which do not concern the listener. */
function passing(errno: number): boolean {
  return errno === Errno.ECONNABORTED || errno === Errno.EPROTO || errno === Errno.ENETDOWN ||
    errno === Errno.EHOSTDOWN || errno === Errno.EHOSTUNREACH || errno === Errno.ENETUNREACH ||
    errno === Errno.ETIMEDOUT || errno === Errno.EPERM;
}

class PosixStream implements Connection {
  readonly remote: Addr;
  readonly #reactor: Reactor;
  readonly #descriptor: Descriptor;
  #local: Addr | null = null;

  constructor(reactor: Reactor, descriptor: Descriptor, remote: Addr) {
    this.#reactor = reactor;
    this.#descriptor = descriptor;
    this.remote = remote;
  }

  get peer(): string {
    return formatAddr(this.remote);
  }

  /** Queried from the kernel on first use. */
  get local(): Addr {
    if (this.#local === null) {
      this.#descriptor.check();
      try {
        this.#local = localAddr(this.#reactor.libc, this.#descriptor.fd);
      } catch (thrown) {
        throw netError(thrown, "stream", this.remote);
      }
    }
    return this.#local;
  }

  read(into: Uint8Array): MaybePromise<number | null> {
    const got = this.readNow(into);
    return got === undefined ? this.#waitRead(into) : got;
  }

  async #waitRead(into: Uint8Array): Promise<number | null> {
    for (;;) {
      await this.#descriptor.readable();
      const got = this.readNow(into);
      if (got !== undefined) return got;
    }
  }

  onReadable(run: OnReady): void {
    this.#descriptor.onReadable(run);
  }

  readable(): Promise<void> {
    return this.#descriptor.readable();
  }

  readNow(into: Uint8Array): number | null | undefined {
    const descriptor = this.#descriptor;
    descriptor.check();
    if (descriptor.isEmpty) return undefined;
    const got = this.#reactor.libc.recv(descriptor.fd, into, 0);
    if (got > 0) {
      // A short read has emptied the socket (epoll(7), Q9), unless it stopped before an end, error
      // or urgent mark. After a large read, more has arrived by the time it is processed.
      if (got < LITTLE && got < into.length && !descriptor.mayStopShort) descriptor.isEmpty = true;
      return got;
    }
    if (got === 0) return null;
    if (got !== -Errno.EAGAIN) throw this.#failed("recv", got);
    descriptor.isEmpty = true;
    return undefined;
  }

  write(all: Uint8Array): MaybePromise<void> {
    const done = this.writeNow(all);
    if (done < all.length) return this.#waitWrite(all.subarray(done));
  }

  async #waitWrite(rest: Uint8Array): Promise<void> {
    while (rest.length > 0) {
      await this.#descriptor.writable();
      rest = rest.subarray(this.writeNow(rest));
    }
  }

  writeNow(all: Uint8Array): number {
    const { libc } = this.#reactor;
    let done = 0;
    while (done < all.length) {
      this.#descriptor.check();
      const rest = done === 0 ? all : all.subarray(done);
      const took = libc.send(this.#descriptor.fd, rest, MSG_NOSIGNAL);
      if (took === -Errno.EAGAIN) break;
      if (took < 0) throw this.#failed("send", took);
      done += took;
    }
    return done;
  }

  closeWrite(): void {
    this.#descriptor.check();
    try {
      shutdownWrite(this.#reactor.libc, this.#descriptor.fd);
    } catch (thrown) {
      throw netError(thrown, "stream", this.remote);
    }
  }

  reset(): void {
    if (this.#descriptor.closed) return;
    lingerZero(this.#reactor.libc, this.#descriptor.fd);
    this.#descriptor.close(closedHere);
  }

  stats(): ConnectionStats {
    if (this.#descriptor.closed) return { protocol: "tcp", peerClosed: true };
    return connectionStats(this.#reactor.libc, this.#descriptor.fd);
  }

  setOptions(options: SocketOptions): string[] {
    this.#descriptor.check();
    return setSocketOptions(this.#reactor.libc, this.#descriptor.fd, options);
  }

  #failed(call: string, result: number): unknown {
    return netError(new NativeError(call, -result), "stream", this.remote);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#descriptor.close(closedHere);
    return CLOSED;
  }
}

function listenerClosed(): TtunError {
  return new TtunError("lost", "Cannot accept: the listener has been closed");
}

function closedHere(): TtunError {
  return new TtunError("lost", "Cannot go on: the connection was closed at this end");
}
