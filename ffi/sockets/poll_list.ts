import type { SocketSystem } from "./socket_system.ts";

const FIRST_ROOM = 16;

/** An array of struct pollfd: a descriptor, u16 events, u16 revents, and what aligns the next one. */
export class PollList {
  readonly #handle: 4 | 8;
  readonly #size: 8 | 16;
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #count = 0;

  constructor({ pollHandle }: Pick<SocketSystem, "pollHandle">) {
    this.#handle = pollHandle;
    this.#size = pollHandle === 4 ? 8 : 16;
    this.#bytes = new Uint8Array(FIRST_ROOM * this.#size);
    this.#view = new DataView(this.#bytes.buffer);
  }

  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes;
  }

  get count(): number {
    return this.#count;
  }

  clear(): void {
    this.#count = 0;
  }

  add(fd: number, events: number): void {
    const at = this.#count++ * this.#size;
    if (at === this.#bytes.length) {
      const larger = new Uint8Array(2 * at);
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    if (this.#handle === 4) this.#view.setInt32(at, fd, true);
    else this.#view.setBigUint64(at, BigInt(fd), true);
    this.#view.setUint16(at + this.#handle, events, true);
    this.#view.setUint16(at + this.#handle + 2, 0, true);
  }

  /** Returns what has happened to the entry that was added as this one, from 0. */
  happened(index: number): number {
    return this.#view.getUint16(index * this.#size + this.#handle + 2, true);
  }
}
