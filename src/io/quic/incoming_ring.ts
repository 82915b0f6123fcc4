import type { QuicEvent } from "./messages.ts";
import { SharedRing } from "./shared_ring.ts";

/** Bytes of a stream on their way to the other thread, at the side of the network. */
export class IncomingRing {
  readonly #id: number;
  readonly #tell: (event: QuicEvent) => void;
  #ring: SharedRing | null = null;
  /** Bytes of the ring that nobody has read yet. */
  #unread = 0;
  #onRoom: (() => void) | null = null;
  #isStopped = false;

  constructor(id: number, tell: (event: QuicEvent) => void) {
    this.#id = id;
    this.#tell = tell;
  }

  take(memory: SharedArrayBuffer): void {
    this.#ring = new SharedRing(memory);
    this.#goOn();
  }

  read(bytes: number): void {
    this.#unread -= bytes;
    this.#goOn();
  }

  /** Nobody reads any more. */
  stop(): void {
    this.#isStopped = true;
    this.#goOn();
  }

  /** Puts data into the ring, as far as there is room, and waits for more, until it is stopped. */
  async put(data: Uint8Array): Promise<void> {
    for (let rest = data; rest.length > 0 && !this.#isStopped;) {
      const ring = this.#ring;
      const part = ring === null ? null : rest.subarray(0, ring.size - this.#unread);
      if (ring === null || part === null || part.length === 0) {
        await new Promise<void>((resolve) => this.#onRoom = resolve);
        continue;
      }
      ring.write(part);
      this.#unread += part.length;
      this.#tell({ kind: "data", id: this.#id, bytes: part.length });
      rest = rest.subarray(part.length);
    }
  }

  #goOn(): void {
    const run = this.#onRoom;
    this.#onRoom = null;
    run?.();
  }
}
