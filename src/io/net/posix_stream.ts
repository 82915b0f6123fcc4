import { type Addr, formatAddr } from "../../base/addr.ts";
import type { Connection, SocketOptions } from "../../contract/connection.ts";
import type { ConnectionStats } from "../../contract/stats.ts";
import type { OnReady } from "../../contract/stream.ts";
import { congestionOf } from "../../../ffi/linux/congestion.ts";
import { Errno } from "../../../ffi/linux/errno.ts";
import { localAddr, MSG_MORE, MSG_NOSIGNAL, shutdownWrite } from "../../../ffi/linux/socket.ts";
import { lingerZero, setNoDelay, setSocketOptions } from "../../../ffi/linux/socket_options.ts";
import { connectionStats } from "../../../ffi/linux/socket_stats.ts";
import { NativeError } from "../../../ffi/native.ts";
import type { Descriptor, Reactor } from "../reactor/reactor.ts";
import { closedHere, netError } from "./net_errors.ts";

/** A read below this many bytes most likely has emptied the socket. */
const LITTLE = 4096;

/** Bytes that any segment holds (RFC 9293 section 3.7.1). */
const ANY_SEGMENT = 536;

/** A shared result, as closing is synchronous here. */
const CLOSED = Promise.resolve();

export class PosixStream implements Connection {
  readonly remote: Addr;
  readonly #reactor: Reactor;
  readonly #descriptor: Descriptor;
  #local: Addr | null = null;
  /** TCP_NODELAY is not set yet: one segment waits for nothing without it. */
  #mayDelay: boolean;
  #hasWritten = false;

  /** `mayDelay`: the socket has the system's default, as one that did not come from a listener. */
  constructor(reactor: Reactor, descriptor: Descriptor, remote: Addr, mayDelay = false) {
    this.#reactor = reactor;
    this.#descriptor = descriptor;
    this.remote = remote;
    this.#mayDelay = mayDelay;
  }

  get peer(): string {
    return formatAddr(this.remote);
  }

  get local(): Addr {
    if (this.#local === null) {
      this.#descriptor.check();
      try {
        this.#local = localAddr(this.#reactor.libc, this.#descriptor.fd);
      } catch (thrown) {
        throw netError(thrown, "stream", this.peer);
      }
    }
    return this.#local;
  }

  onReadable(run: OnReady): void {
    this.#descriptor.onReadable(run);
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

  get mayEnd(): boolean {
    return this.#descriptor.mayStopShort;
  }

  writeNow(all: Uint8Array, isLast = false): number {
    const { libc } = this.#reactor;
    const flags = isLast ? MSG_NOSIGNAL | MSG_MORE : MSG_NOSIGNAL;
    if (this.#mayDelay && (this.#hasWritten || all.length > ANY_SEGMENT)) this.#sendAtOnce();
    this.#hasWritten = true;
    let done = 0;
    while (done < all.length) {
      this.#descriptor.check();
      const rest = done === 0 ? all : all.subarray(done);
      const took = libc.send(this.#descriptor.fd, rest, flags);
      if (took === -Errno.EAGAIN) break;
      if (took < 0) throw this.#failed("send", took);
      done += took;
    }
    return done;
  }

  #sendAtOnce(): void {
    this.#descriptor.check();
    this.#mayDelay = false;
    setNoDelay(this.#reactor.libc, this.#descriptor.fd);
  }

  onWritable(run: OnReady): void {
    this.#descriptor.onWritable(run);
  }

  closeWrite(closes = false): void {
    this.#descriptor.check();
    if (closes) return;
    try {
      shutdownWrite(this.#reactor.libc, this.#descriptor.fd);
    } catch (thrown) {
      throw netError(thrown, "stream", this.peer);
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

  get congestion(): string {
    return this.#descriptor.closed ? "" : congestionOf(this.#reactor.libc, this.#descriptor.fd);
  }

  setOptions(options: SocketOptions): string[] {
    this.#descriptor.check();
    if (options.noDelay !== undefined) this.#mayDelay = false;
    return setSocketOptions(this.#reactor.libc, this.#descriptor.fd, options);
  }

  #failed(call: string, result: number): unknown {
    return netError(new NativeError(call, -result), "stream", this.peer);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#descriptor.close(closedHere);
    return CLOSED;
  }
}
