/** The SOCKS message that is being read: never more than its length says, so memory is bounded. */
export class SocksMessage {
  readonly bytes: Uint8Array;
  length = 0;

  /** `most`: bytes of the longest message. */
  constructor(most: number) {
    this.bytes = new Uint8Array(most);
  }

  /** Copies from `chunk[at..]` what is missing to `wanted` bytes; returns how many that were. */
  take(chunk: Uint8Array, at: number, wanted: number): number {
    const part = chunk.subarray(at, at + wanted - this.length);
    this.bytes.set(part, this.length);
    this.length += part.length;
    return part.length;
  }

  /** Makes room for the next one. What is overwritten may have been a password. */
  clear(): void {
    this.bytes.fill(0, 0, this.length);
    this.length = 0;
  }
}
