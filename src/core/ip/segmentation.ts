import { readU16, readU32, writeU16, writeU32 } from "../../base/bytes.ts";
import { VIRTIO_NET_HEADER } from "../../contract/batch.ts";
import { checksumOf } from "./checksum.ts";
import { IPV6_SIZE } from "./header.ts";
import { Gso, superPacket } from "./virtio_net.ts";

const FIN = 0x01;
const PSH = 0x08;
const CWR = 0x80;
const TCP_FLAGS = 13;
const TCP_CHECKSUM = 16;
const UDP_LENGTH = 4;
const UDP_CHECKSUM = 6;

/** A super-packet as the kernel would cut it (tcp_gso_segment, __udp_gso_segment). */
export class Segments {
  count = 0;
  /** Bytes of the headers, and of payload in each but the last. */
  #headers = 0;
  #size = 0;
  #at = 0;
  #length = 0;
  #transport = 0;
  #isTcp = false;
  #isV4 = false;
  #bytes: Uint8Array = new Uint8Array();

  /**
   * Takes a super-packet whose header is right (`acceptHeader`), borrowed until the next. Its segments
   * are in `count`.
   */
  take(bytes: Uint8Array, at: number, length: number): void {
    const { size, start, headers, type } = superPacket(bytes, at - VIRTIO_NET_HEADER);
    this.#bytes = bytes;
    this.#at = at;
    this.#length = length;
    this.#headers = headers;
    this.#size = size;
    this.#transport = start;
    this.#isTcp = type !== Gso.udp;
    this.#isV4 = bytes[at]! >>> 4 === 4;
    this.count = Math.ceil((length - headers) / size);
  }

  /** Length of segment `i`. */
  lengthOf(i: number): number {
    return i + 1 < this.count ? this.#headers + this.#size : this.#length - i * this.#size;
  }

  /** Writes segment `i` to `into`, where it has its room. Its TCP or UDP checksum is zero. */
  write(i: number, into: Uint8Array, to: number): void {
    const headers = this.#headers;
    const length = this.lengthOf(i);
    const from = this.#at + headers + i * this.#size;
    for (let j = 0; j < headers; j++) into[to + j] = this.#bytes[this.#at + j]!;
    into.set(this.#bytes.subarray(from, from + length - headers), to + headers);
    this.#fixIp(i, into, to, length);
    const transport = to + this.#transport;
    if (!this.#isTcp) {
      writeU16(into, transport + UDP_LENGTH, length - this.#transport);
      writeU16(into, transport + UDP_CHECKSUM, 0);
      return;
    }
    writeU32(into, transport + 4, (readU32(into, transport + 4) + i * this.#size) >>> 0);
    let kept = 0xff;
    if (i + 1 < this.count) kept &= ~(FIN | PSH);
    if (i > 0) kept &= ~CWR;
    into[transport + TCP_FLAGS] = into[transport + TCP_FLAGS]! & kept;
    writeU16(into, transport + TCP_CHECKSUM, 0);
  }

  #fixIp(i: number, into: Uint8Array, to: number, length: number): void {
    if (!this.#isV4) return writeU16(into, to + 4, length - IPV6_SIZE);
    writeU16(into, to + 2, length);
    writeU16(into, to + 4, readU16(into, to + 4) + i);
    writeHeaderChecksum(into, to);
  }
}

/** Computes the checksum of an IPv4 header anew. */
export function writeHeaderChecksum(bytes: Uint8Array, at: number): void {
  writeU16(bytes, at + 10, 0);
  writeU16(bytes, at + 10, ~checksumOf(bytes, at, at + (bytes[at]! & 0x0f) * 4) & 0xffff);
}
