/** A UDP socket that hands the kernel many datagrams as one (UDP_SEGMENT, linux/udp.h). */
import { Errno } from "../../ffi/linux/errno.ts";
import { check, NativeError } from "../../ffi/native.ts";
import { openLibc } from "../../ffi/linux/libc.ts";
import { packSockaddr } from "../fake/sockaddr.ts";

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
    this.#size = size;
    this.#fd = check("socket", this.#libc.socket(family, SOCK_DGRAM, 0));
    check("connect", this.#libc.connect(this.#fd, bytes, bytes.length));
    this.#segment(size);
  }

  #segment(size: number): void {
    const value = new Uint8Array(new Int32Array([size]).buffer);
    check("UDP_SEGMENT", this.#libc.setsockopt(this.#fd, SOL_UDP, UDP_SEGMENT, value));
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
    const sent = this.#libc.send(this.#fd, bytes, 0);
    if (sent >= 0) return 0;
    const error = new NativeError("send", -sent);
    if (error.is("EIO", "EAGAIN", "ENOBUFS", "ECONNREFUSED")) return error.errno;
    throw error;
  }

  [Symbol.dispose](): void {
    this.#libc.close(this.#fd);
    this.#libc[Symbol.dispose]();
  }
}
