import { type MuxAddress, packAddress, packDatagramHead } from "./frames.ts";
import type { MuxStream } from "./mux_stream.ts";

/** Largest datagram in bytes: it and its frame fit into one record. */
export const MOST_DATAGRAM = 56 * 1024;

/** Bytes of datagrams that wait: more would only be late. */
const MOST_BYTES = 256 * 1024;
/** Part of them that one stream may take, so that it leaves room for others. */
const MOST_OF_STREAM = 64 * 1024;

/** Bytes that a short datagram counts for, with what stands around it. */
const LEAST_COST = 256;

interface Datagram {
  readonly stream: MuxStream;
  /** Its bytes in the frame. */
  readonly address: Uint8Array;
  readonly bytes: Uint8Array;
}

/** Datagrams that wait for a carrier's next record; those for which there is no room are dropped. */
export class DatagramQueue {
  #waiting: Datagram[] = [];
  #bytes = 0;

  /**
   * Copies the bytes. Returns false if the datagram is dropped.
   * @throws {ProtocolError} if no frame can say the address
   */
  push(stream: MuxStream, address: MuxAddress, bytes: Uint8Array): boolean {
    const packed = packAddress(address);
    if (bytes.length > MOST_DATAGRAM) return false;
    const cost = costOf(bytes);
    if (this.#bytes + cost > MOST_BYTES) return false;
    if (stream.datagramBytes + cost > MOST_OF_STREAM) return false;
    this.#bytes += cost;
    stream.datagramBytes += cost;
    this.#waiting.push({ stream, address: packed, bytes: new Uint8Array(bytes) });
    return true;
  }

  /**
   * Writes frames to `out[at..end)`, more than one only up to `most` bytes; returns where they end.
   * Those whose stream has not been opened on the wire yet wait, those whose stream has ended go.
   */
  put(out: Uint8Array, at: number, end: number, most: number): number {
    const begin = at;
    let done = 0;
    for (; done < this.#waiting.length; done++) {
      const { stream, address, bytes } = this.#waiting[done]!;
      if (stream.takesDatagrams) {
        if (stream.id === 0) break;
        const head = packDatagramHead(stream.id, address, bytes.length);
        const size = head.length + bytes.length;
        if (size > end - at || (at > begin && at + size - begin > most)) break;
        out.set(head, at);
        out.set(bytes, at + head.length);
        at += size;
      }
      this.#forget(stream, bytes);
    }
    if (done > 0) this.#waiting = this.#waiting.slice(done);
    return at;
  }

  clear(): void {
    for (const { stream, bytes } of this.#waiting) this.#forget(stream, bytes);
    this.#waiting = [];
  }

  #forget(stream: MuxStream, bytes: Uint8Array): void {
    const cost = costOf(bytes);
    this.#bytes -= cost;
    stream.datagramBytes -= cost;
  }
}

function costOf({ length }: Uint8Array): number {
  return Math.max(LEAST_COST, length);
}
