import type { HostPort } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { ConnectedDatagrams, DatagramDialer } from "../../contract/names.ts";
import type { BoundDatagrams, DatagramBinder } from "../../contract/datagrams.ts";
import type { OnReady } from "../../contract/stream.ts";
import { WATCH_INPUT } from "../../../ffi/linux/epoll.ts";
import {
  bindDatagrams,
  type BoundSocket,
  datagramSource,
  receiveDatagram,
  sendDatagram,
} from "../../../ffi/linux/datagrams.ts";
import { Errno } from "../../../ffi/linux/errno.ts";
import { localAddr, MSG_NOSIGNAL, openDatagrams, tryLocalAddr } from "../../../ffi/linux/socket.ts";
import { NativeError } from "../../../ffi/native.ts";
import { netError } from "./net_errors.ts";
import type { Descriptor, Reactor } from "../reactor/reactor.ts";

/** An arbitrary port (discard): no datagram is sent to it. */
const DISCARD = 9;

export class PosixDatagrams implements DatagramDialer, DatagramBinder {
  readonly #reactor: Reactor;
  readonly #mark: number | undefined;

  /** `mark`: SO_MARK of connected sockets. */
  constructor(reactor: Reactor, mark?: number) {
    this.#reactor = reactor;
    this.#mark = mark;
  }

  connect(to: HostPort, { signal }: { signal: AbortSignal }): ConnectedDatagrams {
    signal.throwIfAborted();
    try {
      const fd = openDatagrams(this.#reactor.libc, to, this.#mark);
      return new PosixDatagramSocket(this.#reactor, this.#reactor.own(fd, signal, WATCH_INPUT), to);
    } catch (thrown) {
      throw netError(thrown, "connect", to);
    }
  }

  bind(at: HostPort, { signal }: { signal: AbortSignal }): BoundDatagrams {
    signal.throwIfAborted();
    try {
      const socket = bindDatagrams(this.#reactor.libc, at);
      const descriptor = this.#reactor.own(socket.fd, signal, WATCH_INPUT);
      return new PosixBoundSocket(this.#reactor, descriptor, socket, at);
    } catch (thrown) {
      throw netError(thrown, "listen", at);
    }
  }

  sourceOf(host: string): string | null {
    const { libc } = this.#reactor;
    let fd: number;
    try {
      fd = openDatagrams(libc, { host, port: DISCARD }, this.#mark);
    } catch {
      return null; // no route, or the address family is not supported
    }
    const source = tryLocalAddr(libc, fd);
    libc.close(fd);
    return source?.host ?? null;
  }
}

class PosixDatagramSocket implements ConnectedDatagrams {
  readonly #reactor: Reactor;
  readonly #descriptor: Descriptor;
  readonly #to: HostPort;

  constructor(reactor: Reactor, descriptor: Descriptor, to: HostPort) {
    this.#reactor = reactor;
    this.#descriptor = descriptor;
    this.#to = to;
  }

  send(bytes: Uint8Array<ArrayBuffer>): void {
    this.#descriptor.check();
    this.#result("send", this.#reactor.libc.send(this.#descriptor.fd, bytes, MSG_NOSIGNAL));
  }

  receiveNow(into: Uint8Array<ArrayBuffer>): number | undefined {
    this.#descriptor.check();
    return this.#result("recv", this.#reactor.libc.recv(this.#descriptor.fd, into, 0));
  }

  #result(call: string, result: number): number | undefined {
    if (result >= 0) return result;
    if (result === -Errno.EAGAIN || result === -Errno.ENOBUFS) return undefined;
    throw netError(new NativeError(call, -result), "stream", this.#to);
  }

  onReceivable(run: OnReady): void {
    this.#descriptor.onReadable(run);
  }

  [Symbol.dispose](): void {
    this.#descriptor.close(() => new TtunError("lost", "The socket was closed at this end"));
  }
}

class PosixBoundSocket implements BoundDatagrams {
  readonly addr: HostPort;
  readonly #reactor: Reactor;
  readonly #descriptor: Descriptor;
  readonly #socket: BoundSocket;

  constructor(reactor: Reactor, descriptor: Descriptor, socket: BoundSocket, at: HostPort) {
    this.#reactor = reactor;
    this.#descriptor = descriptor;
    this.#socket = socket;
    this.addr = { host: at.host, port: localAddr(reactor.libc, socket.fd).port };
  }

  sendTo(bytes: Uint8Array, to: HostPort): void {
    if (this.#descriptor.closed) return;
    sendDatagram(this.#reactor.libc, this.#socket, bytes, to); // an error drops the datagram
  }

  receiveNow(into: Uint8Array, take: (size: number, from: HostPort) => void): boolean {
    this.#descriptor.check();
    const { libc } = this.#reactor;
    const size = receiveDatagram(libc, this.#socket.fd, into);
    if (size === -Errno.EAGAIN) return false;
    if (size < 0) throw netError(new NativeError("recvfrom", -size), "stream", this.addr);
    take(size, datagramSource(libc));
    return true;
  }

  onReceivable(run: OnReady): void {
    this.#descriptor.onReadable(run);
  }

  [Symbol.dispose](): void {
    this.#descriptor.close(() => new TtunError("lost", "The socket was closed at this end"));
  }
}
