import { TtunError } from "../../src/base/errors.ts";
import { DarwinErrno, DarwinError } from "./errno.ts";
import { DARWIN_LIBC, openLibrary } from "../library.ts";

/**
 * The macOS libSystem calls that ttun makes. `fcntl` and `ioctl` are variadic. On arm64 macOS
 * variadic arguments are passed on the stack (Apple, "Writing ARM64 code for Apple platforms":
 * variadic functions); on x86-64 the third argument is in a register as usual. The argument is
 * therefore passed twice, as the third and as the ninth parameter: eight parameters fill the arm64
 * registers x0 to x7, and the ninth is the first on the stack. Each architecture reads one of the
 * two.
 */
export const LIBSYSTEM_TABLE = {
  // int *__error(void): the address of this thread's errno (errno.h)
  __error: { parameters: [], result: "pointer" },
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "i32" },
  write: { parameters: ["i32", "buffer", "usize"], result: "i32" },
  // int pipe(int fds[2])
  pipe: { parameters: ["buffer"], result: "i32" },
  // int fcntl(int fd, int cmd, ...)
  fcntl: {
    parameters: ["i32", "i32", "usize", "usize", "usize", "usize", "usize", "usize", "usize"],
    result: "i32",
  },
  // int ioctl(int fd, unsigned long request, ...)
  ioctl: {
    parameters: ["i32", "u64", "buffer", "usize", "usize", "usize", "usize", "usize", "buffer"],
    result: "i32",
  },
  // int poll(struct pollfd *fds, nfds_t count, int timeout), on a thread of Deno's pool. nfds_t is
  // unsigned int on macOS (poll.h).
  poll: { parameters: ["buffer", "u32", "i32"], result: "i32", nonblocking: true },
} as const satisfies Deno.ForeignLibraryInterface;

export type LibSystemSymbols = Deno.StaticForeignLibraryInterface<typeof LIBSYSTEM_TABLE>;

/** Constants of macOS's fcntl.h. */
const F_SETFD = 2;
const F_SETFL = 4;
const FD_CLOEXEC = 1;
const O_NONBLOCK = 0x4;

/**
 * libSystem with access to errno. Use it only in the thread that opened it: errno is per thread.
 */
export class LibSystem implements Disposable {
  readonly call: LibSystemSymbols;
  readonly #errno: () => number;
  readonly #close: () => void;

  constructor(call: LibSystemSymbols, errno: () => number, close: () => void) {
    this.call = call;
    this.#errno = errno;
    this.#close = close;
  }

  /** The errno of the synchronous call that has just returned -1. */
  get errno(): number {
    return this.#errno();
  }

  /**
   * Returns `result`.
   * @throws {DarwinError} if `result` is negative.
   */
  check(name: string, result: number): number {
    if (result < 0) throw new DarwinError(name, this.errno);
    return result;
  }

  /**
   * Repeats a call while a signal interrupts it (EINTR). Returns its result, -1 on any other
   * error.
   */
  retry(make: () => number): number {
    for (;;) {
      const result = make();
      if (result >= 0 || this.errno !== DarwinErrno.EINTR) return result;
    }
  }

  /** ioctl with a struct argument, passed twice (see LIBSYSTEM_TABLE). */
  ioctl(fd: number, request: bigint, argument: Uint8Array<ArrayBuffer>): number {
    return this.call.ioctl(fd, request, argument, 0n, 0n, 0n, 0n, 0n, argument);
  }

  /** Makes calls on `fd` return EAGAIN instead of blocking, and sets close-on-exec. */
  makeNonBlocking(fd: number): void {
    this.#fcntl(fd, F_SETFL, O_NONBLOCK);
    this.#fcntl(fd, F_SETFD, FD_CLOEXEC);
  }

  #fcntl(fd: number, command: number, number: number): void {
    const n = BigInt(number);
    this.check("fcntl", this.call.fcntl(fd, command, n, 0n, 0n, 0n, 0n, 0n, n));
  }

  [Symbol.dispose](): void {
    this.#close();
  }
}

/**
 * Opens libSystem.
 * @throws {TtunError} `system` if this is not macOS.
 */
export function openLibSystem(): LibSystem {
  const library = openLibrary(DARWIN_LIBC, LIBSYSTEM_TABLE);
  const at = library.symbols.__error();
  if (at === null) {
    library[Symbol.dispose]();
    throw new TtunError("system", "Cannot use libSystem: it has no errno");
  }
  const errno = new Int32Array(Deno.UnsafePointerView.getArrayBuffer(at, 4));
  return new LibSystem(library.symbols, () => errno[0]!, () => library[Symbol.dispose]());
}
