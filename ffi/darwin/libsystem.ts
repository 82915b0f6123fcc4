import { TtunError } from "../../src/base/errors.ts";
import { DARWIN_LIBC, openLibrary } from "../library.ts";
import { usize } from "../usize.ts";
import { check, DarwinErrno } from "./errno.ts";

/**
 * `fcntl` and `ioctl` are variadic. On arm64 macOS variadic arguments are on the stack (Apple,
 * "Writing ARM64 code for Apple platforms"); on x86-64 the third is in a register. It is therefore
 * passed twice, as the third parameter and as the ninth, the first on the stack behind registers x0
 * to x7.
 */
export const LIBSYSTEM_TABLE = {
  // Returns the address of this thread's errno (errno.h).
  __error: { parameters: [], result: "pointer" },
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "i32" },
  write: { parameters: ["i32", "buffer", "usize"], result: "i32" },
  pipe: { parameters: ["buffer"], result: "i32" },
  fcntl: {
    parameters: ["i32", "i32", "usize", "usize", "usize", "usize", "usize", "usize", "usize"],
    result: "i32",
  },
  ioctl: {
    parameters: ["i32", "u64", "buffer", "usize", "usize", "usize", "usize", "usize", "buffer"],
    result: "i32",
  },
  // Runs on a thread of Deno's pool; nfds_t is unsigned int on macOS (poll.h).
  poll: { parameters: ["buffer", "u32", "i32"], result: "i32", nonblocking: true },
} as const satisfies Deno.ForeignLibraryInterface;

export type LibSystemSymbols = Deno.StaticForeignLibraryInterface<typeof LIBSYSTEM_TABLE>;

/** These constants are of macOS's fcntl.h. */
const F_SETFD = 2;
const F_SETFL = 4;
const FD_CLOEXEC = 1;
const O_NONBLOCK = 0x4;

type Bytes = Uint8Array<ArrayBuffer>;

/**
 * Each call returns its result or -errno, for `check`. `read`, `write` and `connect` are repeated
 * after EINTR. For the thread that opened it only: errno is per thread.
 */
export class LibSystem implements Disposable {
  readonly #call: LibSystemSymbols;
  readonly #errno: Int32Array;
  readonly #close: () => void;

  /** `errno[0]` is the errno of the synchronous call that has just returned -1. */
  constructor(call: LibSystemSymbols, errno: Int32Array, close: () => void) {
    this.#call = call;
    this.#errno = errno;
    this.#close = close;
  }

  read(fd: number, into: Uint8Array): number {
    for (;;) {
      const got = this.#call.read(fd, into as Bytes, usize(into.length));
      if (got >= 0) return got;
      const errno = this.#errno[0]!;
      if (errno !== DarwinErrno.EINTR) return -errno;
    }
  }

  write(fd: number, bytes: Uint8Array): number {
    for (;;) {
      const took = this.#call.write(fd, bytes as Bytes, usize(bytes.length));
      if (took >= 0) return took;
      const errno = this.#errno[0]!;
      if (errno !== DarwinErrno.EINTR) return -errno;
    }
  }

  connect(fd: number, address: Bytes): number {
    for (;;) {
      if (this.#call.connect(fd, address, address.length) >= 0) return 0;
      const errno = this.#errno[0]!;
      if (errno !== DarwinErrno.EINTR) return -errno;
    }
  }

  socket(family: number, type: number, protocol: number): number {
    const fd = this.#call.socket(family, type, protocol);
    return fd < 0 ? -this.#errno[0]! : fd;
  }

  getsockopt(fd: number, level: number, option: number, value: Bytes, length: Bytes): number {
    const result = this.#call.getsockopt(fd, level, option, value, length);
    return result < 0 ? -this.#errno[0]! : 0;
  }

  close(fd: number): number {
    return this.#call.close(fd) < 0 ? -this.#errno[0]! : 0;
  }

  /** Writes two descriptors to `fds`, an int[2]: first the end to read from. */
  pipe(fds: Bytes): number {
    return this.#call.pipe(fds) < 0 ? -this.#errno[0]! : 0;
  }

  /** Waits in another thread; resolves to -1 for any error: errno stays in that thread. */
  poll(entries: Bytes, count: number, timeoutMs: number): Promise<number> {
    return this.#call.poll(entries, count, timeoutMs);
  }

  ioctl(fd: number, request: bigint, argument: Bytes): number {
    const result = this.#call.ioctl(fd, request, argument, 0n, 0n, 0n, 0n, 0n, argument);
    return result < 0 ? -this.#errno[0]! : result;
  }

  /** Makes calls on `fd` return EAGAIN; sets close-on-exec too. @throws {DarwinError} `fcntl` */
  makeNonBlocking(fd: number): void {
    check("fcntl", this.#fcntl(fd, F_SETFL, O_NONBLOCK));
    check("fcntl", this.#fcntl(fd, F_SETFD, FD_CLOEXEC));
  }

  #fcntl(fd: number, command: number, number: number): number {
    const n = BigInt(number);
    const result = this.#call.fcntl(fd, command, n, 0n, 0n, 0n, 0n, 0n, n);
    return result < 0 ? -this.#errno[0]! : result;
  }

  [Symbol.dispose](): void {
    this.#close();
  }
}

/** @throws {TtunError} `system` if this is not macOS */
export function openLibSystem(): LibSystem {
  const library = openLibrary(DARWIN_LIBC, LIBSYSTEM_TABLE);
  const at = library.symbols.__error();
  if (at === null) {
    library[Symbol.dispose]();
    throw new TtunError("system", "Cannot use libSystem: it has no errno");
  }
  const errno = new Int32Array(Deno.UnsafePointerView.getArrayBuffer(at, 4));
  return new LibSystem(library.symbols, errno, () => library[Symbol.dispose]());
}
