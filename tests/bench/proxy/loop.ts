/**
 * Sockets of a load in one thread, by bare system calls and callbacks: promises, or the reactor,
 * would cost as much as a short connection through the programs that are measured.
 */
import { Epoll, WATCH_EDGES } from "../../../ffi/linux/epoll.ts";
import { Errno } from "../../../ffi/linux/errno.ts";
import { check } from "../../../ffi/native.ts";
import { type Libc, openLibc } from "../../../ffi/linux/libc.ts";
import { packSockaddr } from "../../fake/sockaddr.ts";
import { MSG_NOSIGNAL, startListen } from "../../../ffi/linux/socket.ts";
import type { HostPort } from "../../../src/base/addr.ts";

/** Linux's numbers: sys/socket.h. */
const AF_INET = 2;
const STREAM_NONBLOCK_CLOEXEC = 1 | 0o4000 | 0o2000000;
const NONBLOCK_CLOEXEC = 0o4000 | 0o2000000;
const MSG_TRUNC = 0x20; // of TCP: the kernel throws the bytes away, and copies none

/** Called when its socket may have something to do, until it says "wait". */
export type Handler = (socket: Socket) => "wait" | "again";

export class Loop {
  readonly libc: Libc = openLibc();
  readonly #epoll = new Epoll(this.libc);
  /** By token: one that is free is used again, and the kernel has forgotten the old socket by then. */
  readonly #sockets: (Socket | null)[] = [null];
  readonly #free: number[] = [];
  #again: Socket[] = [];

  /** Begins a connection. IPv4 alone. A failure is told by the first `send`. */
  connect(to: HostPort, handler: Handler): Socket {
    const fd = check("socket", this.libc.socket(AF_INET, STREAM_NONBLOCK_CLOEXEC, 0));
    const address = addressOf(to);
    this.libc.connect(fd, address, address.length);
    return this.#own(fd, handler);
  }

  /** `handlerOf` is asked for the handler of each new connection. */
  listen(at: HostPort, handlerOf: () => Handler): void {
    this.#own(startListen(this.libc, at, { mptcp: false }), (listener) => {
      for (;;) {
        const fd = this.libc.accept4(listener.fd, null, null, NONBLOCK_CLOEXEC);
        if (fd === -Errno.EAGAIN) return "wait";
        this.#own(check("accept4", fd), handlerOf());
      }
    });
  }

  #own(fd: number, handler: Handler): Socket {
    const token = this.#free.pop() ?? this.#sockets.length;
    const socket = new Socket(this.libc, fd, handler, () => {
      this.#sockets[token] = null;
      this.#free.push(token);
    });
    this.#sockets[token] = socket;
    this.#epoll.add(fd, token, WATCH_EDGES); // its first event is that it can be written to
    return socket;
  }

  /** Serves the sockets for so long. Infinity = for ever. */
  run(ms: number): void {
    const end = performance.now() + ms;
    for (let left = ms; left > 0; left = end - performance.now()) {
      const timeout = this.#again.length > 0 ? 0 : left === Infinity ? -1 : Math.ceil(left);
      const again = this.#again;
      this.#again = [];
      this.#epoll.each(this.#epoll.wait(timeout), this.#visit);
      for (const socket of again) this.#call(socket);
    }
  }

  readonly #visit = (token: number): void => {
    const socket = this.#sockets[token];
    if (socket) this.#call(socket);
  };

  #call(socket: Socket): void {
    if (!socket.isClosed && socket.handler(socket) === "again") this.#again.push(socket);
  }
}

export class Socket {
  readonly fd: number;
  handler: Handler;
  isClosed = false;
  readonly #libc: Libc;
  readonly #forget: () => void;

  constructor(libc: Libc, fd: number, handler: Handler, forget: () => void) {
    this.#libc = libc;
    this.fd = fd;
    this.handler = handler;
    this.#forget = forget;
  }

  /** How many bytes came; null = none yet. 0 = FIN. @throws {NativeError} */
  receive(into: Uint8Array<ArrayBuffer>): number | null {
    return resultOf("recv", this.#libc.recv(this.fd, into, 0));
  }

  /** Receives and drops the bytes. */
  skip(room: Uint8Array<ArrayBuffer>): number | null {
    return resultOf("recv", this.#libc.recv(this.fd, room, MSG_TRUNC));
  }

  /** How many bytes went; null = none yet. @throws {NativeError} */
  send(bytes: Uint8Array<ArrayBuffer>): number | null {
    return resultOf("send", this.#libc.send(this.fd, bytes, MSG_NOSIGNAL));
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#libc.close(this.fd);
    this.#forget();
  }
}

function resultOf(call: string, result: number): number | null {
  return result === -Errno.EAGAIN ? null : check(call, result);
}

const addresses = new Map<string, Uint8Array<ArrayBuffer>>();

/** Packed once for each target. */
function addressOf(to: HostPort): Uint8Array<ArrayBuffer> {
  const key = `${to.host} ${to.port}`;
  const known = addresses.get(key);
  if (known !== undefined) return known;
  const { bytes } = packSockaddr(to);
  addresses.set(key, bytes);
  return bytes;
}
