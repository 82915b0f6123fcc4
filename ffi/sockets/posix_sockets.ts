import { TtunError } from "../../src/base/errors.ts";
import { DarwinErrno, DarwinError } from "../darwin/errno.ts";
import { DARWIN_LIBC, type Library, LINUX_LIBC, openLibrary } from "../library.ts";
import { Errno } from "../linux/errno.ts";
import { cString, NativeError } from "../native.ts";
import { usize } from "../usize.ts";
import type { NativeSockets } from "./native_sockets.ts";
import { DARWIN_SOCKETS, LINUX_SOCKETS, type SocketSystem } from "./socket_system.ts";

/**
 * The calls of POSIX, which are the same on Linux and macOS. `fcntl` is variadic: on arm64 macOS its
 * third argument is on the stack, and so it is given twice (ffi/darwin/libsystem.ts).
 */
const CALLS = {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  listen: { parameters: ["i32", "i32"], result: "i32" },
  accept: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "i32" },
  send: { parameters: ["i32", "buffer", "usize", "i32"], result: "i32" },
  shutdown: { parameters: ["i32", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  fcntl: {
    parameters: ["i32", "i32", "usize", "usize", "usize", "usize", "usize", "usize", "usize"],
    result: "i32",
  },
  if_nametoindex: { parameters: ["buffer"], result: "u32" },
  if_indextoname: { parameters: ["u32", "buffer"], result: "pointer" },
  // On a thread of Deno's pool. nfds_t has 32 bits on macOS and 64 on Linux.
  poll: { parameters: ["buffer", "usize", "i32"], result: "i32", nonblocking: true },
} as const satisfies Deno.ForeignLibraryInterface;

const LINUX_TABLE = {
  ...CALLS,
  errnoAt: { name: "__errno_location", parameters: [], result: "pointer" },
} as const satisfies Deno.ForeignLibraryInterface;

const DARWIN_TABLE = {
  ...CALLS,
  errnoAt: { name: "__error", parameters: [], result: "pointer" },
} as const satisfies Deno.ForeignLibraryInterface;

type Call = Deno.StaticForeignLibraryInterface<typeof LINUX_TABLE>;

/** They are the same in fcntl.h of both systems, but for O_NONBLOCK. */
const F_SETFD = 2;
const F_SETFL = 4;
const FD_CLOEXEC = 1;

const SHUT_WR = 1;
const IF_NAMESIZE = 16;

type Bytes = Uint8Array<ArrayBuffer>;

/** Facts of one system. */
interface Posix {
  readonly system: SocketSystem;
  readonly nonBlock: number;
  readonly interrupted: number;
  readonly noDevice: number;
  error(call: string, errno: number): NativeError;
}

const LINUX: Posix = {
  system: LINUX_SOCKETS,
  nonBlock: 0o4000,
  interrupted: Errno.EINTR,
  noDevice: Errno.ENODEV,
  error: (call, errno) => new NativeError(call, errno),
};

const DARWIN: Posix = {
  system: DARWIN_SOCKETS,
  nonBlock: 0x4,
  interrupted: DarwinErrno.EINTR,
  noDevice: DarwinErrno.ENODEV,
  error: (call, errno) => new DarwinError(call, errno),
};

/** @throws {TtunError} system */
export function openLinuxSocketCalls(): NativeSockets {
  return new PosixSockets(LINUX, openLibrary(LINUX_LIBC, LINUX_TABLE));
}

/** @throws {TtunError} system, if this is not macOS */
export function openDarwinSocketCalls(): NativeSockets {
  return new PosixSockets(DARWIN, openLibrary(DARWIN_LIBC, DARWIN_TABLE));
}

class PosixSockets implements NativeSockets {
  readonly system: SocketSystem;
  readonly #posix: Posix;
  readonly #call: Call;
  readonly #errno: Int32Array;
  readonly #library: Disposable;

  constructor(posix: Posix, library: Disposable & Pick<Library<typeof LINUX_TABLE>, "symbols">) {
    this.system = posix.system;
    this.#posix = posix;
    this.#call = library.symbols;
    this.#library = library;
    const at = this.#call.errnoAt();
    if (at === null) {
      library[Symbol.dispose]();
      throw new TtunError("system", "Cannot use the C library: it has no errno");
    }
    this.#errno = new Int32Array(Deno.UnsafePointerView.getArrayBuffer(at, 4));
  }

  socket(family: number, type: number): number {
    const result = this.#call.socket(family, type, 0);
    return result < 0 ? -this.#errno[0]! : result;
  }

  makeNonBlocking(fd: number): number {
    const result = this.#fcntl(fd, F_SETFL, usize(this.#posix.nonBlock));
    return result < 0 ? result : this.#fcntl(fd, F_SETFD, usize(FD_CLOEXEC));
  }

  #fcntl(fd: number, command: number, value: bigint): number {
    const result = this.#call.fcntl(fd, command, value, 0n, 0n, 0n, 0n, 0n, value);
    return result < 0 ? -this.#errno[0]! : result;
  }

  bind(fd: number, name: Bytes, size: number): number {
    const result = this.#call.bind(fd, name, size);
    return result < 0 ? -this.#errno[0]! : result;
  }

  connect(fd: number, name: Bytes, size: number): number {
    const result = this.#call.connect(fd, name, size);
    return result < 0 ? -this.#errno[0]! : result;
  }

  listen(fd: number, backlog: number): number {
    const result = this.#call.listen(fd, backlog);
    return result < 0 ? -this.#errno[0]! : result;
  }

  accept(fd: number, name: Bytes, size: Bytes): number {
    for (;;) {
      const result = this.#call.accept(fd, name, size);
      if (result >= 0) return result;
      const errno = this.#errno[0]!;
      if (errno !== this.#posix.interrupted) return -errno;
    }
  }

  getsockname(fd: number, name: Bytes, size: Bytes): number {
    const result = this.#call.getsockname(fd, name, size);
    return result < 0 ? -this.#errno[0]! : result;
  }

  setOption(fd: number, level: number, option: number, value: Bytes): number {
    const result = this.#call.setsockopt(fd, level, option, value, value.length);
    return result < 0 ? -this.#errno[0]! : result;
  }

  getOption(fd: number, level: number, option: number, value: Bytes, size: Bytes): number {
    const result = this.#call.getsockopt(fd, level, option, value, size);
    return result < 0 ? -this.#errno[0]! : result;
  }

  recv(fd: number, into: Uint8Array): number {
    for (;;) {
      const got = this.#call.recv(fd, into as Bytes, usize(into.length), 0);
      if (got >= 0) return got;
      const errno = this.#errno[0]!;
      if (errno !== this.#posix.interrupted) return -errno;
    }
  }

  send(fd: number, bytes: Uint8Array): number {
    const { sendFlags } = this.system;
    for (;;) {
      const took = this.#call.send(fd, bytes as Bytes, usize(bytes.length), sendFlags);
      if (took >= 0) return took;
      const errno = this.#errno[0]!;
      if (errno !== this.#posix.interrupted) return -errno;
    }
  }

  shutdownWrite(fd: number): number {
    const result = this.#call.shutdown(fd, SHUT_WR);
    return result < 0 ? -this.#errno[0]! : result;
  }

  close(fd: number): number {
    const result = this.#call.close(fd);
    return result < 0 ? -this.#errno[0]! : result;
  }

  poll(list: Bytes, count: number, timeoutMs: number): Promise<number> {
    return this.#call.poll(list, usize(count), timeoutMs);
  }

  indexOf(zone: string): number {
    const index = this.#call.if_nametoindex(cString(zone));
    if (index === 0) throw this.#posix.error("if_nametoindex", this.#posix.noDevice);
    return index;
  }

  nameOf(index: number): string {
    const name = new Uint8Array(IF_NAMESIZE);
    if (this.#call.if_indextoname(index, name) === null) return `${index}`;
    return new TextDecoder().decode(name.subarray(0, name.indexOf(0)));
  }

  error(call: string, result: number): NativeError {
    return this.#posix.error(call, -result);
  }

  [Symbol.dispose](): void {
    this.#library[Symbol.dispose]();
  }
}
