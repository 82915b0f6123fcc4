import type { Addr } from "../../base/addr.ts";
import type { Logger } from "../../base/log.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Listener } from "../../contract/dial.ts";
import type { OnReady } from "../../contract/stream.ts";
import { WATCH_INPUT } from "../../../ffi/linux/epoll.ts";
import { Errno } from "../../../ffi/linux/errno.ts";
import { acceptUnnamed } from "../../../ffi/linux/socket.ts";
import { peerUid } from "../../../ffi/linux/unix_socket.ts";
import { NativeError } from "../../../ffi/native.ts";
import { LocalStream } from "../net/local_stream.ts";
import { listenerClosed, netError } from "../net/net_errors.ts";
import { passing } from "../net/posix_listener.ts";
import type { Descriptor, Reactor } from "../reactor/reactor.ts";
import { type BoundSocket, removePath } from "./socket_path.ts";

export interface UnixListenerOptions {
  readonly path: string;
  /** Name of the listener, and of those who connect, for logs. */
  readonly name: string;
  readonly bound: BoundSocket;
  readonly log: Pick<Logger, "warn">;
  readonly signal: AbortSignal;
  /** Closes connections of other users; absent = all are let in that the file lets in. */
  readonly admits?: (uid: number) => boolean;
}

/** Owns the socket and its file, which goes with it. */
export class UnixListener implements Listener {
  readonly addr: Addr;
  readonly #reactor: Reactor;
  readonly #descriptor: Descriptor;
  readonly #o: UnixListenerOptions;

  constructor(reactor: Reactor, o: UnixListenerOptions) {
    this.addr = { path: o.path };
    this.#reactor = reactor;
    this.#o = o;
    this.#descriptor = reactor.own(o.bound.fd, o.signal, WATCH_INPUT);
  }

  acceptNow({ signal }: { signal: AbortSignal }): Connection | null {
    const { libc } = this.#reactor;
    const { name } = this.#o;
    for (;;) {
      this.#descriptor.check();
      signal.throwIfAborted();
      const fd = acceptUnnamed(libc, this.#descriptor.fd);
      if (fd === -Errno.EAGAIN) return null;
      if (fd < 0 && passing(-fd)) continue;
      if (fd >= 0 && this.#o.admits?.(peerUid(libc, fd)) === false) {
        libc.close(fd);
        continue;
      }
      try {
        if (fd < 0) throw new NativeError("accept4", -fd);
        const descriptor = this.#reactor.own(fd, signal, WATCH_INPUT);
        return new LocalStream(this.#reactor, descriptor, name, { local: this.addr });
      } catch (thrown) {
        throw netError(thrown, "accept", name);
      }
    }
  }

  onAcceptable(run: OnReady): void {
    this.#descriptor.onReadable(run);
  }

  // deno-lint-ignore require-await -- the contract's close is asynchronous elsewhere
  async [Symbol.asyncDispose](): Promise<void> {
    this.#descriptor.close(listenerClosed);
    const { path, bound, log, name } = this.#o;
    if (removePath(this.#reactor.libc, path, bound)) return;
    log.warn("the socket's file stays: this user may not remove it", { address: name });
  }
}
