import { TtunError } from "../../src/base/errors.ts";
import { openLibrary } from "../library.ts";
import type { NativeError } from "../native.ts";
import { usize } from "../usize.ts";
import type { NativeSockets } from "./native_sockets.ts";
import { type SocketSystem, WINDOWS_SOCKETS } from "./socket_system.ts";
import { WinsockError } from "./winsock_error.ts";

/** Functions of winsock2.h and netioapi.h. A SOCKET is a UINT_PTR; int results are 32 bits. */
const TABLE = {
  WSAStartup: { parameters: ["u16", "buffer"], result: "i32" },
  WSACleanup: { parameters: [], result: "i32" },
  WSAGetLastError: { parameters: [], result: "i32" },
  WSASocketW: {
    parameters: ["i32", "i32", "i32", "pointer", "u32", "u32"],
    result: "usize",
  },
  ioctlsocket: { parameters: ["usize", "u32", "buffer"], result: "i32" },
  bind: { parameters: ["usize", "buffer", "i32"], result: "i32" },
  connect: { parameters: ["usize", "buffer", "i32"], result: "i32" },
  listen: { parameters: ["usize", "i32"], result: "i32" },
  accept: { parameters: ["usize", "buffer", "buffer"], result: "usize" },
  getsockname: { parameters: ["usize", "buffer", "buffer"], result: "i32" },
  setsockopt: { parameters: ["usize", "i32", "i32", "buffer", "i32"], result: "i32" },
  getsockopt: { parameters: ["usize", "i32", "i32", "buffer", "buffer"], result: "i32" },
  recv: { parameters: ["usize", "buffer", "i32", "i32"], result: "i32" },
  send: { parameters: ["usize", "buffer", "i32", "i32"], result: "i32" },
  shutdown: { parameters: ["usize", "i32"], result: "i32" },
  closesocket: { parameters: ["usize"], result: "i32" },
  // On a thread of Deno's pool.
  WSAPoll: { parameters: ["buffer", "u32", "i32"], result: "i32", nonblocking: true },
} as const satisfies Deno.ForeignLibraryInterface;

const VERSION_2_2 = 0x0202;
/** Bytes of WSADATA: 408 on 64-bit systems. */
const WSADATA_ROOM = 512;

/** _IOW('f', 126, u_long). */
const FIONBIO = 0x8004_667e;
const SD_SEND = 1;
const WSA_FLAG_OVERLAPPED = 0x01; // as `socket` has it
const WSA_FLAG_NO_HANDLE_INHERIT = 0x80;

/** INVALID_SOCKET. */
const INVALID = 0xffff_ffff_ffff_ffffn;

/** WSAEADDRNOTAVAIL: there is no such interface. */
const NO_INTERFACE = 10_049;

type Bytes = Uint8Array<ArrayBuffer>;

/**
 * Windows Sockets, not yet run. WSAPoll tells of a connect that was refused since Windows 10, version
 * 2004 (Microsoft, "WSAPOLLFD structure"): with an older one such a connect ends by its time-out.
 * @throws {TtunError} system, if this is not Windows
 */
export function openWinsock(): NativeSockets {
  const library = openLibrary(["ws2_32.dll"], TABLE);
  const code = library.symbols.WSAStartup(VERSION_2_2, new Uint8Array(WSADATA_ROOM));
  if (code === 0) return new Winsock(library.symbols, () => library[Symbol.dispose]());
  library[Symbol.dispose]();
  throw new TtunError("system", "Cannot use Windows Sockets", {
    cause: new WinsockError("WSAStartup", code),
  });
}

export type WinsockSymbols = Deno.StaticForeignLibraryInterface<typeof TABLE>;

export class Winsock implements NativeSockets {
  readonly system: SocketSystem = WINDOWS_SOCKETS;
  readonly #call: WinsockSymbols;
  readonly #close: () => void;

  constructor(call: WinsockSymbols, close: () => void) {
    this.#call = call;
    this.#close = close;
  }

  /** Handles have 32 bits that count, and are never negative (Microsoft, "Interprocess communication"). */
  #handle(result: bigint): number {
    return result === INVALID ? -this.#call.WSAGetLastError() : Number(result);
  }

  #result(result: number): number {
    return result < 0 ? -this.#call.WSAGetLastError() : result;
  }

  socket(family: number, type: number): number {
    const flags = WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT;
    return this.#handle(this.#call.WSASocketW(family, type, 0, null, 0, flags));
  }

  makeNonBlocking(fd: number): number {
    const on = new Uint8Array(new Uint32Array([1]).buffer);
    return this.#result(this.#call.ioctlsocket(usize(fd), FIONBIO, on));
  }

  bind(fd: number, name: Bytes, size: number): number {
    return this.#result(this.#call.bind(usize(fd), name, size));
  }

  connect(fd: number, name: Bytes, size: number): number {
    return this.#result(this.#call.connect(usize(fd), name, size));
  }

  listen(fd: number, backlog: number): number {
    return this.#result(this.#call.listen(usize(fd), backlog));
  }

  accept(fd: number, name: Bytes, size: Bytes): number {
    return this.#handle(this.#call.accept(usize(fd), name, size));
  }

  getsockname(fd: number, name: Bytes, size: Bytes): number {
    return this.#result(this.#call.getsockname(usize(fd), name, size));
  }

  setOption(fd: number, level: number, option: number, value: Bytes): number {
    return this.#result(this.#call.setsockopt(usize(fd), level, option, value, value.length));
  }

  getOption(fd: number, level: number, option: number, value: Bytes, size: Bytes): number {
    return this.#result(this.#call.getsockopt(usize(fd), level, option, value, size));
  }

  recv(fd: number, into: Uint8Array): number {
    return this.#result(this.#call.recv(usize(fd), into as Bytes, into.length, 0));
  }

  send(fd: number, bytes: Uint8Array): number {
    return this.#result(this.#call.send(usize(fd), bytes as Bytes, bytes.length, 0));
  }

  shutdownWrite(fd: number): number {
    return this.#result(this.#call.shutdown(usize(fd), SD_SEND));
  }

  close(fd: number): number {
    return this.#result(this.#call.closesocket(usize(fd)));
  }

  poll(list: Bytes, count: number, timeoutMs: number): Promise<number> {
    return this.#call.WSAPoll(list, count, timeoutMs);
  }

  /** Zones are numbers on Windows. */
  indexOf(zone: string): number {
    if (/^[1-9]\d{0,8}$/.test(zone)) return Number(zone);
    throw new WinsockError("zone", NO_INTERFACE);
  }

  nameOf(index: number): string {
    return `${index}`;
  }

  error(call: string, result: number): NativeError {
    return new WinsockError(call, -result);
  }

  [Symbol.dispose](): void {
    this.#call.WSACleanup();
    this.#close();
  }
}
