import type { Addr, HostPort } from "../../base/addr.ts";
import { zoneOf } from "../../base/zone.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Listener } from "../../contract/dial.ts";
import type { OnReady } from "../../contract/stream.ts";
import { WATCH_INPUT } from "../../../ffi/linux/epoll.ts";
import { Errno } from "../../../ffi/linux/errno.ts";
import { limitSegments } from "../../../ffi/linux/socket_options.ts";
import { NativeError } from "../../../ffi/native.ts";
import type { Descriptor, Reactor } from "../reactor/reactor.ts";
import { listenerClosed, netError } from "./net_errors.ts";
import { PosixStream } from "./posix_stream.ts";
import type { SocketCalls } from "./socket_calls.ts";

export class PosixListener implements Listener {
  readonly addr: Addr;
  readonly #reactor: Reactor;
  readonly #descriptor: Descriptor;
  readonly #calls: SocketCalls;

  constructor(reactor: Reactor, descriptor: Descriptor, at: HostPort, calls: SocketCalls) {
    this.#reactor = reactor;
    this.#descriptor = descriptor;
    this.#calls = calls;
    const addr = calls.localAddr(reactor.libc, descriptor.fd);
    // A Multipath TCP socket does not report its zone.
    this.addr = zoneOf(at.host) === null ? addr : { host: at.host, port: addr.port };
  }

  limitSegments(segmentBytes: number): boolean {
    this.#descriptor.check();
    return limitSegments(this.#reactor.libc, this.#descriptor.fd, segmentBytes);
  }

  acceptNow({ signal }: { signal: AbortSignal }): Connection | null {
    const { libc } = this.#reactor;
    for (;;) {
      this.#descriptor.check();
      signal.throwIfAborted();
      const fd = this.#calls.accept(libc, this.#descriptor.fd);
      if (fd < 0) {
        if (fd === -Errno.EAGAIN) return null;
        // Reset before it was accepted; the next one may be sound (accept(2), "Error handling").
        if (passing(-fd)) continue;
        throw netError(new NativeError("accept4", -fd), "accept", this.addr);
      }
      const remote = this.#calls.acceptedAddr(libc);
      return new PosixStream(this.#reactor, this.#own(fd, signal), remote);
    }
  }

  onAcceptable(run: OnReady): void {
    this.#descriptor.onReadable(run);
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

/** Errors of a connection that ended before it was accepted. */
export function passing(errno: number): boolean {
  return errno === Errno.ECONNABORTED || errno === Errno.EPROTO || errno === Errno.ENETDOWN ||
    errno === Errno.EHOSTDOWN || errno === Errno.EHOSTUNREACH || errno === Errno.ENETUNREACH ||
    errno === Errno.ETIMEDOUT || errno === Errno.EPERM;
}
