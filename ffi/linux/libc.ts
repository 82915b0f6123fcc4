import { TtunError } from "../../src/base/errors.ts";
import { type Library, LINUX_LIBC, openLibrary } from "../library.ts";
import { cString, NativeError } from "../native.ts";
import { Errno } from "./errno.ts";
import { LIBC_TABLE, type LibcSymbols, MESSAGE_LIBC_TABLE, RARE_LIBC_TABLE } from "./libc_table.ts";
import { strings } from "./string_array.ts";
import { usize } from "../usize.ts";

const IF_NAMESIZE = 16;

type Bytes = Uint8Array<ArrayBuffer>;

/**
 * Each call returns its result or -errno, for `check` of ffi/native.ts. EINTR repeats a call,
 * except `close`, which has closed the descriptor (close(2)), `connect`, which goes on in the
 * background (connect(3p)), and waits, whose time-out would begin anew.
 *
 * For the thread that opened it only: errno is per thread. Each method reads errno right after the
 * call, before any function call or loop: there the JavaScript engine makes system calls of its
 * own, which change errno.
 */
export class Libc implements Disposable {
  readonly #library: Library<typeof LIBC_TABLE>;
  readonly #call: LibcSymbols;
  readonly #errno: Int32Array;
  #rareLibrary: Library<typeof RARE_LIBC_TABLE> | null = null;
  #messageLibrary: Library<typeof MESSAGE_LIBC_TABLE> | null = null;

  constructor(library: Library<typeof LIBC_TABLE>) {
    this.#library = library;
    this.#call = library.symbols;
    const at = this.#call.__errno_location();
    if (at === null) throw new TtunError("system", "Cannot use libc: it has no errno");
    this.#errno = new Int32Array(Deno.UnsafePointerView.getArrayBuffer(at, 4));
  }

  read(fd: number, into: Uint8Array): number {
    for (;;) {
      const got = this.#call.read(fd, into as Bytes, usize(into.length));
      if (got >= 0) return got;
      const errno = this.#errno[0]!;
      if (errno !== Errno.EINTR) return -errno;
    }
  }

  write(fd: number, bytes: Uint8Array): number {
    for (;;) {
      const took = this.#call.write(fd, bytes as Bytes, usize(bytes.length));
      if (took >= 0) return took;
      const errno = this.#errno[0]!;
      if (errno !== Errno.EINTR) return -errno;
    }
  }

  recv(fd: number, into: Uint8Array, flags: number): number {
    for (;;) {
      const got = this.#call.recv(fd, into as Bytes, usize(into.length), flags);
      if (got >= 0) return got;
      const errno = this.#errno[0]!;
      if (errno !== Errno.EINTR) return -errno;
    }
  }

  send(fd: number, bytes: Uint8Array, flags: number): number {
    for (;;) {
      const took = this.#call.send(fd, bytes as Bytes, usize(bytes.length), flags);
      if (took >= 0) return took;
      const errno = this.#errno[0]!;
      if (errno !== Errno.EINTR) return -errno;
    }
  }

  /** Fills in `address` and its length. */
  recvfrom(fd: number, into: Uint8Array, flags: number, address: Bytes, length: Bytes): number {
    for (;;) {
      const size = usize(into.length);
      const got = this.#call.recvfrom(fd, into as Bytes, size, flags, address, length);
      if (got >= 0) return got;
      const errno = this.#errno[0]!;
      if (errno !== Errno.EINTR) return -errno;
    }
  }

  sendto(fd: number, bytes: Uint8Array, flags: number, address: Bytes, length: number): number {
    for (;;) {
      const size = usize(bytes.length);
      const took = this.#call.sendto(fd, bytes as Bytes, size, flags, address, length);
      if (took >= 0) return took;
      const errno = this.#errno[0]!;
      if (errno !== Errno.EINTR) return -errno;
    }
  }

  /** Fills in `address` and its length; both may be null. */
  accept4(fd: number, address: Bytes | null, length: Bytes | null, flags: number): number {
    for (;;) {
      const accepted = this.#call.accept4(fd, address, length, flags);
      if (accepted >= 0) return accepted;
      const errno = this.#errno[0]!;
      if (errno !== Errno.EINTR) return -errno;
    }
  }

  ioctl(fd: number, request: bigint, argument: Bytes): number {
    for (;;) {
      const result = this.#call.ioctl(fd, request, argument);
      if (result >= 0) return result;
      const errno = this.#errno[0]!;
      if (errno !== Errno.EINTR) return -errno;
    }
  }

  ioctlNumber(fd: number, request: bigint, argument: bigint): number {
    for (;;) {
      const result = this.#call.ioctl_number(fd, request, argument);
      if (result >= 0) return result;
      const errno = this.#errno[0]!;
      if (errno !== Errno.EINTR) return -errno;
    }
  }

  open(path: string, flags: number): number {
    const name = cString(path);
    for (;;) {
      const fd = this.#call.open(name, flags);
      if (fd >= 0) return fd;
      const errno = this.#errno[0]!;
      if (errno !== Errno.EINTR) return -errno;
    }
  }

  close(fd: number): number {
    return this.#call.close(fd) < 0 ? -this.#errno[0]! : 0;
  }

  /** Makes `to` lead to where `from` does; closes `to` before, if it was open. */
  dup3(from: number, to: number, flags: number): number {
    for (;;) {
      const fd = this.#call.dup3(from, to, flags);
      if (fd >= 0) return fd;
      const errno = this.#errno[0]!;
      if (errno !== Errno.EINTR) return -errno;
    }
  }

  /** Returns -ENOSYS if the C library lacks the call: musl has it since 1.2.5 only. */
  statx(directory: number, path: string, flags: number, mask: number, into: Bytes): number {
    const { statx } = this.#call;
    if (statx === null) return -Errno.ENOSYS;
    return statx(directory, cString(path), flags, mask, into) < 0 ? -this.#errno[0]! : 0;
  }

  socket(family: number, type: number, protocol: number): number {
    const fd = this.#call.socket(family, type, protocol);
    return fd < 0 ? -this.#errno[0]! : fd;
  }

  /** Fills in two descriptors, i32 each. */
  socketpair(family: number, type: number, protocol: number, into: Bytes): number {
    return this.#call.socketpair(family, type, protocol, into) < 0 ? -this.#errno[0]! : 0;
  }

  bind(fd: number, address: Bytes, size: number): number {
    return this.#call.bind(fd, address, size) < 0 ? -this.#errno[0]! : 0;
  }

  listen(fd: number, backlog: number): number {
    return this.#call.listen(fd, backlog) < 0 ? -this.#errno[0]! : 0;
  }

  connect(fd: number, address: Bytes, size: number): number {
    return this.#call.connect(fd, address, size) < 0 ? -this.#errno[0]! : 0;
  }

  shutdown(fd: number, how: number): number {
    return this.#call.shutdown(fd, how) < 0 ? -this.#errno[0]! : 0;
  }

  getsockname(fd: number, address: Bytes, length: Bytes): number {
    return this.#call.getsockname(fd, address, length) < 0 ? -this.#errno[0]! : 0;
  }

  getpeername(fd: number, address: Bytes, length: Bytes): number {
    return this.#call.getpeername(fd, address, length) < 0 ? -this.#errno[0]! : 0;
  }

  setsockopt(fd: number, level: number, option: number, value: Bytes): number {
    const result = this.#call.setsockopt(fd, level, option, value, value.length);
    return result < 0 ? -this.#errno[0]! : 0;
  }

  getsockopt(fd: number, level: number, option: number, value: Bytes, length: Bytes): number {
    const result = this.#call.getsockopt(fd, level, option, value, length);
    return result < 0 ? -this.#errno[0]! : 0;
  }

  epollCreate1(flags: number): number {
    const fd = this.#call.epoll_create1(flags);
    return fd < 0 ? -this.#errno[0]! : fd;
  }

  epollCtl(epfd: number, operation: number, fd: number, event: Bytes): number {
    return this.#call.epoll_ctl(epfd, operation, fd, event) < 0 ? -this.#errno[0]! : 0;
  }

  /** A signal ends the wait with -EINTR (signal(7)). */
  epollWait(epfd: number, events: Bytes, most: number, timeoutMs: number): number {
    const count = this.#call.epoll_wait(epfd, events, most, timeoutMs);
    return count < 0 ? -this.#errno[0]! : count;
  }

  /** Waits in another thread; resolves to -1 for any error: errno stays in that thread. */
  epollWaitAsync(epfd: number, events: Bytes, most: number, timeoutMs: number): Promise<number> {
    return this.#call.epoll_wait_async(epfd, events, most, timeoutMs);
  }

  /** Takes struct pollfd of 8 bytes each. A signal ends the wait with -EINTR. */
  poll(entries: Bytes, timeoutMs: number): number {
    const count = this.#call.poll(entries, usize(entries.length / 8), timeoutMs);
    return count < 0 ? -this.#errno[0]! : count;
  }

  eventfd(count: number, flags: number): number {
    const fd = this.#call.eventfd(count, flags);
    return fd < 0 ? -this.#errno[0]! : fd;
  }

  /** A negative `pid` means a process group. */
  kill(pid: number, signal: number): number {
    return this.#call.kill(pid, signal) < 0 ? -this.#errno[0]! : 0;
  }

  /** Gives freed memory back to the system; only glibc has it, and needs it. */
  mallocTrim(): void {
    this.#call.malloc_trim?.(0n);
  }

  madvise(address: bigint, length: bigint, advice: number): number {
    return this.#call.madvise(address, length, advice) < 0 ? -this.#errno[0]! : 0;
  }

  schedYield(): void {
    this.#call.sched_yield();
  }

  getrlimit(resource: number, limits: Bytes): number {
    return this.#call.getrlimit(resource, limits) < 0 ? -this.#errno[0]! : 0;
  }

  setrlimit(resource: number, limits: Bytes): number {
    return this.#call.setrlimit(resource, limits) < 0 ? -this.#errno[0]! : 0;
  }

  geteuid(): number {
    return this.#call.geteuid();
  }

  /** Returns a struct passwd, which the next call overwrites; null if there is none. */
  getpwnam(name: string): Deno.PointerValue {
    return this.#call.getpwnam(cString(name));
  }

  initgroups(user: string, gid: number): number {
    return this.#call.initgroups(cString(user), gid) < 0 ? -this.#errno[0]! : 0;
  }

  setresgid(real: number, effective: number, saved: number): number {
    return this.#call.setresgid(real, effective, saved) < 0 ? -this.#errno[0]! : 0;
  }

  setresuid(real: number, effective: number, saved: number): number {
    return this.#call.setresuid(real, effective, saved) < 0 ? -this.#errno[0]! : 0;
  }

  /** Affects this thread only. */
  prctl(option: number, argument: bigint, second = 0n): number {
    const result = this.#call.prctl(option, argument, second, 0n, 0n);
    return result < 0 ? -this.#errno[0]! : result;
  }

  capget(header: Bytes, data: Bytes): number {
    return this.#call.capget(header, data) < 0 ? -this.#errno[0]! : 0;
  }

  capset(header: Bytes, data: Bytes): number {
    return this.#call.capset(header, data) < 0 ? -this.#errno[0]! : 0;
  }

  /** Takes an interface's name or number. @throws {NativeError} ENODEV if `zone` is neither */
  interfaceIndex(zone: string): number {
    const index = this.#call.if_nametoindex(cString(zone));
    if (index > 0) return index;
    if (/^[1-9]\d{0,8}$/.test(zone)) return Number(zone);
    throw new NativeError("if_nametoindex", Errno.ENODEV);
  }

  /** Returns the number as text if there is no such interface any more. */
  interfaceName(index: number): string {
    const room = new Uint8Array(IF_NAMESIZE);
    if (this.#call.if_indextoname(index, room) === null) return String(index);
    return new TextDecoder().decode(room.subarray(0, room.indexOf(0)));
  }

  get #rareCall() {
    this.openRare();
    return this.#rareLibrary!.symbols;
  }

  /** Opens what is used below, for the time when no permission is left to open a library. */
  openRare(): void {
    this.#rareLibrary ??= openLibrary(LINUX_LIBC, RARE_LIBC_TABLE);
  }

  /** Opens the two calls below, which needs the permission that the first of them would need. */
  openMessages(): void {
    this.#messageLibrary ??= openLibrary(LINUX_LIBC, MESSAGE_LIBC_TABLE);
  }

  /** `header`: a struct msghdr; what it points to stays where it is during the call. */
  sendmsg(fd: number, header: Bytes, flags: number): number {
    const { sendmsg } = this.#messageLibrary!.symbols;
    for (;;) {
      const took = sendmsg(fd, header, flags);
      if (took >= 0) return took;
      const errno = this.#errno[0]!;
      if (errno !== Errno.EINTR) return -errno;
    }
  }

  /** Fills in what the struct msghdr points to, and its lengths and flags. */
  recvmsg(fd: number, header: Bytes, flags: number): number {
    const { recvmsg } = this.#messageLibrary!.symbols;
    for (;;) {
      const got = recvmsg(fd, header, flags);
      if (got >= 0) return got;
      const errno = this.#errno[0]!;
      if (errno !== Errno.EINTR) return -errno;
    }
  }

  unlink(path: string): number {
    const { unlink } = this.#rareCall;
    return unlink(cString(path)) < 0 ? -this.#errno[0]! : 0;
  }

  /** Affects the whole process; returns the mask before. */
  umask(mask: number): number {
    return this.#rareCall.umask(mask);
  }

  fcntl(fd: number, command: number, argument: number): number {
    const result = this.#rareCall.fcntl(fd, command, argument);
    return result < 0 ? -this.#errno[0]! : result;
  }

  /** Fills in two descriptors, i32 each: to read from, and to write to. */
  pipe2(into: Bytes, flags: number): number {
    return this.#rareCall.pipe2(into, flags) < 0 ? -this.#errno[0]! : 0;
  }

  /** Returns a word that the kernel gave the process at its start (linux/auxvec.h); 0 = it did not. */
  getauxval(type: bigint): bigint {
    return this.#rareCall.getauxval(type);
  }

  /**
   * Puts another program in this one's place, with its descriptors that are not close-on-exec, its
   * environment and its pid; all threads end. Returns only if that fails. `argv`: its name first. A
   * program without a slash is looked for in PATH.
   */
  execvp(program: string, argv: readonly Uint8Array[]): number {
    this.#rareCall.execvp(cString(program), strings(argv));
    return -this.#errno[0]!;
  }

  /** Not made again when a signal interrupts it, which only a call that waits would be. */
  flock(fd: number, operation: number): number {
    return this.#rareCall.flock(fd, operation) < 0 ? -this.#errno[0]! : 0;
  }

  /** Fills in the status, i32. Returns 0 if there is nothing to tell yet and WNOHANG was given. */
  waitpid(pid: number, status: Bytes, flags: number): number {
    const found = this.#rareCall.waitpid(pid, status, flags);
    return found < 0 ? -this.#errno[0]! : found;
  }

  [Symbol.dispose](): void {
    this.#rareLibrary?.[Symbol.dispose]();
    this.#messageLibrary?.[Symbol.dispose]();
    this.#library[Symbol.dispose]();
  }
}

/** @throws {TtunError} `system` if there is no Linux libc */
export function openLibc(): Libc {
  return new Libc(openLibrary(LINUX_LIBC, LIBC_TABLE));
}

const CONTROL_CALLS = [
  "open",
  "close",
  "read",
  "write",
  "kill",
  "madvise",
  "geteuid",
  "getpwnam",
] as const;

/** All that the main thread calls. */
export type ControlLibc = Pick<Libc, typeof CONTROL_CALLS[number] | "mallocTrim"> & Disposable;

/** Opens in a tenth of the time: Deno compiles 0.2 ms for each function. @throws {TtunError} */
export function openControlLibc(): ControlLibc {
  const { __errno_location, malloc_trim } = LIBC_TABLE;
  const table = Object.fromEntries(CONTROL_CALLS.map((name) => [name, LIBC_TABLE[name]]));
  // `ControlLibc` has no method that calls one of the others.
  return new Libc(
    openLibrary(LINUX_LIBC, { __errno_location, malloc_trim, ...table } as typeof LIBC_TABLE),
  );
}
