import { DarwinErrno, DarwinError } from "../../ffi/darwin/errno.ts";
import { Errno } from "../../ffi/linux/errno.ts";
import type { NativeError } from "../../ffi/native.ts";
import type { NativeSockets } from "../../ffi/sockets/native_sockets.ts";
import { openLinuxSocketCalls } from "../../ffi/sockets/posix_sockets.ts";
import {
  DARWIN_SOCKETS,
  LINUX_SOCKETS,
  type SocketSystem,
  WINDOWS_SOCKETS,
} from "../../ffi/sockets/socket_system.ts";
import { WinsockError } from "../../ffi/sockets/winsock_error.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** A system whose calls are asked of Linux. */
interface Foreign {
  readonly system: SocketSystem;
  /** Linux's errors with other numbers, where the system has them. */
  readonly errors: ReadonlyMap<number, number>;
  error(call: string, number: number): NativeError;
}

const NAMES = Object.entries(Errno);

const DARWIN: Foreign = {
  system: DARWIN_SOCKETS,
  errors: new Map(NAMES.flatMap(([name, number]) => {
    const own = (DarwinErrno as Record<string, number>)[name];
    return own === undefined ? [] : [[number, own]];
  })),
  error: (call, number) => new DarwinError(call, number),
};

/** A connect that goes on is one that would block, there. */
const WINDOWS: Foreign = {
  system: WINDOWS_SOCKETS,
  errors: new Map([
    [Errno.EAGAIN, 10_035],
    [Errno.EINPROGRESS, 10_035],
    [Errno.EADDRINUSE, 10_048],
    [Errno.EADDRNOTAVAIL, 10_049],
    [Errno.ECONNABORTED, 10_053],
    [Errno.ECONNRESET, 10_054],
    [Errno.ENOTCONN, 10_057],
    [Errno.EPIPE, 10_058],
    [Errno.ECONNREFUSED, 10_061],
  ]),
  error: (call, number) => new WinsockError(call, number),
};

/** Sockets of Linux with the constants and layouts of another system, which it has no others for. */
export function openForeignSockets(system: "darwin" | "windows"): NativeSockets {
  return new ForeignSockets(system === "darwin" ? DARWIN : WINDOWS, openLinuxSocketCalls());
}

class ForeignSockets implements NativeSockets {
  readonly system: SocketSystem;
  readonly #foreign: Foreign;
  readonly #linux: NativeSockets;

  constructor(foreign: Foreign, linux: NativeSockets) {
    this.system = foreign.system;
    this.#foreign = foreign;
    this.#linux = linux;
  }

  /** Returns a result as the system tells it. @throws {Error} for an error it is not known to have */
  #result(result: number): number {
    if (result >= 0) return result;
    const number = this.#foreign.errors.get(-result);
    if (number === undefined) throw this.#linux.error("a call that is not known elsewhere", result);
    return -number;
  }

  socket(family: number, type: number): number {
    return this.#result(this.#linux.socket(this.#family(family), type));
  }

  #family(family: number): number {
    if (family === 2) return 2;
    if (family !== this.system.afInet6) throw new Error(`No address family: ${family}`);
    return LINUX_SOCKETS.afInet6;
  }

  makeNonBlocking(fd: number): number {
    return this.#result(this.#linux.makeNonBlocking(fd));
  }

  bind(fd: number, name: Bytes, size: number): number {
    return this.#result(this.#linux.bind(fd, this.#toLinux(name, size), size));
  }

  connect(fd: number, name: Bytes, size: number): number {
    return this.#result(this.#linux.connect(fd, this.#toLinux(name, size), size));
  }

  #toLinux(name: Bytes, size: number): Bytes {
    const { hasLength } = this.system;
    if (hasLength && name[0] !== size) throw new Error(`A name of ${size} bytes says ${name[0]}`);
    const copy = name.slice();
    copy[0] = this.#family(hasLength ? name[1]! : name[0]!);
    copy[1] = 0;
    return copy;
  }

  listen(fd: number, backlog: number): number {
    return this.#result(this.#linux.listen(fd, backlog));
  }

  accept(fd: number, name: Bytes, size: Bytes): number {
    const result = this.#result(this.#linux.accept(fd, name, size));
    if (result >= 0) this.#fromLinux(name, size);
    return result;
  }

  getsockname(fd: number, name: Bytes, size: Bytes): number {
    const result = this.#result(this.#linux.getsockname(fd, name, size));
    if (result >= 0) this.#fromLinux(name, size);
    return result;
  }

  #fromLinux(name: Bytes, size: Bytes): void {
    const family = name[0] === LINUX_SOCKETS.afInet6 ? this.system.afInet6 : 2;
    if (this.system.hasLength) [name[0], name[1]] = [size[0]!, family];
    else name[0] = family;
  }

  setOption(fd: number, level: number, option: number, value: Bytes): number {
    const { system } = this;
    const of = (own: number | null, linux: number, bytes: Bytes = value) =>
      own === option ? [linux, bytes] as const : null;
    const all = level === system.solSocket
      ? [
        of(system.soReuseAddr, LINUX_SOCKETS.soReuseAddr),
        of(system.soReusePort, LINUX_SOCKETS.soReusePort!),
        of(system.soKeepAlive, LINUX_SOCKETS.soKeepAlive),
        of(system.soLinger, LINUX_SOCKETS.soLinger, linger(value)),
        of(system.soNoSigPipe, NOTHING),
        of(system.soExclusiveAddrUse, NOTHING),
      ]
      : level === 41
      ? [of(system.ipv6V6Only, LINUX_SOCKETS.ipv6V6Only)]
      : [
        of(1, 1), // TCP_NODELAY
        of(system.tcpKeepIdle, LINUX_SOCKETS.tcpKeepIdle),
        of(system.tcpKeepInterval, LINUX_SOCKETS.tcpKeepInterval),
      ];
    const found = all.find((one) => one !== null);
    if (found === undefined || found === null) throw new Error(`No option: ${level} ${option}`);
    const [linux, bytes] = found;
    if (linux === NOTHING) return 0;
    const isSocket = level === system.solSocket;
    // The one option that shares a port on Windows is both options here.
    if (isSocket && option === system.soReuseAddr && system.soReusePort === null) {
      this.#linux.setOption(fd, LINUX_SOCKETS.solSocket, LINUX_SOCKETS.soReusePort!, bytes);
    }
    const at = isSocket ? LINUX_SOCKETS.solSocket : level;
    return this.#result(this.#linux.setOption(fd, at, linux, bytes));
  }

  getOption(fd: number, level: number, option: number, value: Bytes, size: Bytes): number {
    const { solSocket, soError } = this.system;
    if (level !== solSocket || option !== soError) throw new Error(`No option: ${level} ${option}`);
    const { solSocket: at, soError: linux } = LINUX_SOCKETS;
    const result = this.#result(this.#linux.getOption(fd, at, linux, value, size));
    const view = new DataView(value.buffer, value.byteOffset);
    view.setInt32(0, -this.#result(-view.getInt32(0, true)), true);
    return result;
  }

  recv(fd: number, into: Uint8Array): number {
    return this.#result(this.#linux.recv(fd, into));
  }

  send(fd: number, bytes: Uint8Array): number {
    return this.#result(this.#linux.send(fd, bytes));
  }

  shutdownWrite(fd: number): number {
    return this.#result(this.#linux.shutdownWrite(fd));
  }

  close(fd: number): number {
    return this.#result(this.#linux.close(fd));
  }

  async poll(list: Bytes, count: number, timeoutMs: number): Promise<number> {
    const { pollHandle, pollIn, pollOut } = this.system;
    const size = pollHandle === 4 ? 8 : 16;
    const [own, linux] = [new DataView(list.buffer), new DataView(new ArrayBuffer(8 * count))];
    for (let i = 0; i < count; i++) {
      const events = own.getUint16(i * size + pollHandle, true);
      if ((events & ~(pollIn | pollOut)) !== 0) throw new Error(`No events: ${events}`);
      linux.setInt32(8 * i, own.getInt32(i * size, true), true);
      const bits = ((events & pollIn) && LINUX_SOCKETS.pollIn) |
        ((events & pollOut) && LINUX_SOCKETS.pollOut);
      linux.setUint16(8 * i + 4, bits, true);
    }
    const bytes = new Uint8Array(linux.buffer);
    const result = await this.#linux.poll(bytes as Bytes, count, timeoutMs);
    for (let i = 0; i < count; i++) {
      const happened = linux.getUint16(8 * i + 6, true);
      const isOther = (happened & ~(LINUX_SOCKETS.pollIn | LINUX_SOCKETS.pollOut)) !== 0;
      const bits = ((happened & LINUX_SOCKETS.pollIn) && pollIn) |
        ((happened & LINUX_SOCKETS.pollOut) && pollOut) | (isOther ? POLL_OTHER : 0);
      own.setUint16(i * size + pollHandle + 2, bits, true);
    }
    return result;
  }

  indexOf(zone: string): number {
    return this.#linux.indexOf(zone);
  }

  nameOf(index: number): string {
    return this.#linux.nameOf(index);
  }

  error(call: string, result: number): NativeError {
    return this.#foreign.error(call, -result);
  }

  [Symbol.dispose](): void {
    this.#linux[Symbol.dispose]();
  }
}

const NOTHING = -1;

/** An event beside these two, as POLLHUP is. */
const POLL_OTHER = 0x0008;

/** Struct linger with two ints, as Linux has it, of one with shorts perhaps. */
function linger(value: Bytes): Bytes {
  if (value.length === 8) return value;
  return new Uint8Array(new Int32Array([value[0]!, value[2] ?? 0]).buffer);
}
