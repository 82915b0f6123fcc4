import type { NativeError } from "../native.ts";
import type { Zones } from "./socket_name.ts";
import type { SocketSystem } from "./socket_system.ts";

/**
 * Sockets of an operating system. A call returns its result, or the negative number of its error,
 * which `error` knows. For the thread that opened it only.
 */
export interface NativeSockets extends Zones, Disposable {
  readonly system: SocketSystem;
  /** Of the protocol that the type has by default; it blocks. */
  socket(family: number, type: number): number;
  /** Has calls return `wouldBlock`; keeps the descriptor from programs that are started. */
  makeNonBlocking(fd: number): number;
  bind(fd: number, name: Bytes, size: number): number;
  connect(fd: number, name: Bytes, size: number): number;
  listen(fd: number, backlog: number): number;
  /** `size`: a u32 with the room of `name`. The new descriptor blocks perhaps. */
  accept(fd: number, name: Bytes, size: Bytes): number;
  getsockname(fd: number, name: Bytes, size: Bytes): number;
  setOption(fd: number, level: number, option: number, value: Bytes): number;
  /** Writes four bytes to `value`; `size`: a u32 that is 4. */
  getOption(fd: number, level: number, option: number, value: Bytes, size: Bytes): number;
  recv(fd: number, into: Uint8Array): number;
  send(fd: number, bytes: Uint8Array): number;
  shutdownWrite(fd: number): number;
  close(fd: number): number;
  /** Waits in another thread; resolves to a negative number for any error. */
  poll(list: Bytes, count: number, timeoutMs: number): Promise<number>;
  error(call: string, result: number): NativeError;
}

type Bytes = Uint8Array<ArrayBuffer>;
