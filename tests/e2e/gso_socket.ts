/** A UDP socket that hands the kernel many datagrams as one (UDP_SEGMENT, linux/udp.h). */
import { Errno, NativeError } from "../../ffi/linux/errno.ts";
import { openLibc } from "../../ffi/linux/libc.ts";
import { packSockaddr } from "../../ffi/linux/sockaddr.ts";

const SOCK_DGRAM = 2;
const SOL_UDP = 17;
const UDP_SEGMENT = 103;

/** Since then a TUN device can leave it to its reader to take such datagrams apart. */
export const HAS_UDP_OFFLOAD = isKernelFrom(6, 2);

function isKernelFrom(major: number, minor: number): boolean {
  const [own, ownMinor] = Deno.osRelease().split(".").map((part) => parseInt(part));
  return own! > major || (own === major && ownMinor! >= minor);
}

export class GsoSocket implements Disposable {
  readonly #libc = openLibc();
  readonly #fd: number;
  readonly #size: number;

  /** All that is sent goes to that address, in datagrams of `size` bytes and one of the rest. */
  constructor(host: string, port: number, size: number) {
    const { family, bytes } = packSockaddr({ host, port });
    const { call } = this.#libc;
    this.#size = size;
    this.#fd = this.#libc.check("socket", call.socket(family, SOCK_DGRAM, 0));
    this.#libc.check("connect", call.connect(this.#fd, bytes, bytes.length));
    this.#segment(size);
  }

  #segment(size: number): void {
    const value = new Uint8Array(new Int32Array([size]).buffer);
    const { call } = this.#libc;
    this.#libc.check("UDP_SEGMENT", call.setsockopt(this.#fd, SOL_UDP, UDP_SEGMENT, value, 4));
  }

  /** False when the kernel has no room for it, or nobody listens there. */
  send(datagrams: Uint8Array<ArrayBuffer>): boolean {
    const error = this.#try(datagrams);
    if (error !== Errno.EIO) return error === 0;
    // Before Linux 6.11 it was refused where the device takes no open checksums.
    this.#segment(0);
    for (let at = 0; at < datagrams.length; at += this.#size) {
      if (this.#try(datagrams.subarray(at, at + this.#size)) !== 0) return false;
    }
    this.#segment(this.#size);
    return true;
  }

  /** The error, of those that pass by themselves; 0 for none. */
  #try(bytes: Uint8Array<ArrayBuffer>): number {
    const { call } = this.#libc;
    if (call.send(this.#fd, bytes, BigInt(bytes.length), 0) >= 0) return 0;
    const error = new NativeError("send", this.#libc.errno[0]!);
    if (error.is("EIO", "EAGAIN", "ENOBUFS", "ECONNREFUSED")) return error.errno;
    throw error;
  }

  [Symbol.dispose](): void {
    this.#libc.call.close(this.#fd);
    this.#libc[Symbol.dispose]();
  }
}
