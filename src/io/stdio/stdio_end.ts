import type { OnReady } from "../../contract/stream.ts";
import { Errno } from "../../../ffi/linux/errno.ts";
import { type Access, duplicate, isReady, isSocket, reopen } from "../../../ffi/linux/inherited.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import { MSG_DONTWAIT, MSG_NOSIGNAL } from "../../../ffi/linux/socket.ts";
import { NativeError } from "../../../ffi/native.ts";
import { Lifetime, Waiter } from "../net/lifetime.ts";
import type { Descriptor, Reactor } from "../reactor/reactor.ts";

/** Bytes for which a pipe has room when it can be written to (PIPE_BUF, pipe(7)). */
const PIPE_ROOM = 4096;

/** Standard input or output, or another descriptor that the process was started with. */
export interface StdioEnd {
  /** Half of it can be shut down. */
  readonly isSocket: boolean;
  readonly fd: number;
  readonly isClosed: boolean;
  /** @throws the close's reason */
  check(): void;
  /** Reads or writes what it can now. Returns the count or -errno; -EAGAIN = nothing now. */
  move(bytes: Uint8Array): number;
  /** Calls `run` once when there may be something, or after the close; only after -EAGAIN. */
  onReady(run: OnReady): void;
  /** The descriptor that the process was started with stays open. */
  close(reason: () => unknown): void;
}

export interface StdioEndOptions {
  readonly reactor: Reactor;
  /** It lives under the signal. */
  readonly signal: AbortSignal;
  readonly fd: number;
  readonly access: Access;
}

/**
 * Opens a descriptor that others share without a change of its flags: a socket is non-blocking by
 * each call, a pipe or terminal is opened once more, or, where that is not allowed, used only when
 * it is ready, and a file never waits. @throws {NativeError}
 */
export function openStdioEnd({ reactor, signal, fd, access }: StdioEndOptions): StdioEnd {
  const { libc } = reactor;
  const copy = duplicate(libc, fd);
  let descriptor: Descriptor;
  try {
    descriptor = reactor.own(copy, signal);
  } catch (error) {
    if (!(error instanceof NativeError && error.is("EPERM"))) throw error;
    return new FileEnd(libc, duplicate(libc, fd), signal, access); // epoll does not watch files
  }
  descriptor.isShared = true;
  if (isSocket(libc, copy)) {
    return new WatchedEnd(descriptor, access, socketCall(libc, access), true);
  }
  const own = reopen(libc, fd, access);
  if (own < 0) return new WatchedEnd(descriptor, access, readyCall(libc, access), false);
  descriptor.close(() => undefined);
  return new WatchedEnd(reactor.own(own, signal), access, plainCall(libc, access), false);
}

/** Returns as `StdioEnd.move` does. */
type Call = (fd: number, bytes: Uint8Array) => number;

function plainCall(libc: Libc, access: Access): Call {
  return access === "read"
    ? (fd, into) => libc.read(fd, into)
    : (fd, bytes) => libc.write(fd, bytes);
}

function socketCall(libc: Libc, access: Access): Call {
  return access === "read"
    ? (fd, into) => libc.recv(fd, into, MSG_DONTWAIT)
    : (fd, bytes) => libc.send(fd, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/** For a blocking description: a call that could wait is not made. */
function readyCall(libc: Libc, access: Access): Call {
  const plain = plainCall(libc, access);
  const most = access === "read" ? Infinity : PIPE_ROOM;
  return (fd, bytes) => {
    if (!isReady(libc, fd, access)) return -Errno.EAGAIN;
    return plain(fd, bytes.length > most ? bytes.subarray(0, most) : bytes);
  };
}

/** A socket, pipe or terminal. */
class WatchedEnd implements StdioEnd {
  readonly isSocket: boolean;
  readonly fd: number;
  readonly #descriptor: Descriptor;
  readonly #access: Access;
  readonly #call: Call;

  constructor(descriptor: Descriptor, access: Access, call: Call, isSocket: boolean) {
    this.#descriptor = descriptor;
    this.fd = descriptor.fd;
    this.#access = access;
    this.#call = call;
    this.isSocket = isSocket;
  }

  get isClosed(): boolean {
    return this.#descriptor.closed;
  }

  check(): void {
    this.#descriptor.check();
  }

  move(bytes: Uint8Array): number {
    return this.#call(this.fd, bytes);
  }

  onReady(run: OnReady): void {
    if (this.#access === "read") this.#descriptor.onReadable(run);
    else this.#descriptor.onWritable(run);
  }

  close(reason: () => unknown): void {
    this.#descriptor.close(reason);
  }
}

/** A regular file or a device like /dev/null. */
class FileEnd implements StdioEnd {
  readonly isSocket = false;
  readonly fd: number;
  readonly #call: Call;
  readonly #life: Lifetime;
  readonly #waiter = new Waiter();

  constructor(libc: Libc, fd: number, signal: AbortSignal, access: Access) {
    this.fd = fd;
    this.#call = plainCall(libc, access);
    this.#life = new Lifetime(signal, () => {
      libc.close(fd);
      this.#waiter.wakeSoon();
    });
  }

  get isClosed(): boolean {
    return this.#life.isOver;
  }

  check(): void {
    this.#life.check();
  }

  move(bytes: Uint8Array): number {
    return this.#call(this.fd, bytes);
  }

  onReady(run: OnReady): void {
    this.check();
    this.#waiter.set(run);
    this.#waiter.wakeSoon();
  }

  close(reason: () => unknown): void {
    this.#life.end(reason());
  }
}
