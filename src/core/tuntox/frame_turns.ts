import { MAX_PACKET } from "./frames.ts";

/** Answers to the peer that wait: beyond them its frames get none. */
export const MOST_ANSWERS = 1024;

/** Packets of one `flush`: others want their turn. */
const BUDGET = 256;

/** A stream as its turns see it, which own the two marks. */
export interface FrameSource {
  isScheduled: boolean;
  /** Its reader is not told yet of what has come. */
  isFresh: boolean;
  readonly hasFrame: boolean;
  /** Writes the next frame to the front of `packet`; returns its size, 0 = there is none. */
  nextFrame(packet: Uint8Array): number;
  /** Tells the reader of what has come. */
  received(): void;
}

export interface FrameTurnsOptions {
  /** Sends a packet, borrowed for the call; false = it must be given again later, as it is. */
  readonly send: (packet: Uint8Array<ArrayBuffer>) => boolean;
  /** Call `flush` soon, but not from within. */
  readonly wake: () => void;
}

/**
 * The frames that go over a link of packets: those of no stream before all others, and the streams in
 * turns of a frame. None is dropped while the link is up: one that the link refuses is given again
 * before any other.
 */
export class FrameTurns<S extends FrameSource> {
  readonly #o: FrameTurnsOptions;
  /** Frames that go before all data. */
  #control: Uint8Array<ArrayBuffer>[] = [];
  /** Streams with frames to send, in the order of their turns. */
  #turns: S[] = [];
  readonly #packet: Uint8Array<ArrayBuffer> = new Uint8Array(MAX_PACKET);
  /** Bytes of the packet that the link has not taken yet. */
  #held = 0;
  /** Streams whose readers are not told yet of what has come. */
  #fresh: S[] = [];

  constructor(o: FrameTurnsOptions) {
    this.#o = o;
  }

  /** The link has taken all that there was to send. */
  get isFlushed(): boolean {
    return this.#held === 0 && this.#control.length === 0 && this.#turns.length === 0;
  }

  /** Frames of no stream that wait. */
  get waiting(): number {
    return this.#control.length;
  }

  push(...frames: Uint8Array<ArrayBuffer>[]): void {
    this.#control.push(...frames);
    this.#o.wake();
  }

  /** Sends an answer that the peer may cause in any number. */
  answer(frame: Uint8Array<ArrayBuffer>): void {
    if (this.waiting < MOST_ANSWERS) this.push(frame);
  }

  /** The stream has something to send. */
  schedule(stream: S): void {
    this.#queue(stream);
    this.#o.wake();
  }

  /** Data has come for the stream: its reader is told by the next `flush`. */
  heard(stream: S): void {
    if (stream.isFresh) return;
    stream.isFresh = true;
    this.#fresh.push(stream);
    this.#o.wake();
  }

  /**
   * Sends what can be sent now, and tells readers what has come: once for all packets that came
   * together, each of which would be a write to a socket otherwise. Call it also when the link has
   * room again.
   */
  flush(): void {
    this.#tellReaders();
    for (let left = BUDGET; left > 0; left--) {
      if (this.#held === 0) this.#held = this.#next();
      if (this.#held === 0) return;
      const packet = this.#packet;
      if (!this.#o.send(this.#held === MAX_PACKET ? packet : packet.subarray(0, this.#held))) {
        return;
      }
      this.#held = 0;
    }
    this.#o.wake();
  }

  /** The link is lost: nothing goes any more of what waits. */
  clear(): void {
    for (const stream of this.#turns) stream.isScheduled = false;
    this.#control = [];
    this.#turns = [];
    this.#held = 0;
  }

  #tellReaders(): void {
    const fresh = this.#fresh;
    if (fresh.length === 0) return;
    this.#fresh = [];
    for (const stream of fresh) {
      stream.isFresh = false;
      stream.received();
    }
  }

  /** Puts the next frame into `#packet`; returns its size. */
  #next(): number {
    const control = this.#control.shift();
    if (control !== undefined) {
      this.#packet.set(control);
      return control.length;
    }
    for (let stream = this.#turns.shift(); stream !== undefined; stream = this.#turns.shift()) {
      stream.isScheduled = false;
      const size = stream.nextFrame(this.#packet);
      if (stream.hasFrame) this.#queue(stream);
      if (size > 0) return size;
    }
    return 0;
  }

  #queue(stream: S): void {
    if (stream.isScheduled) return;
    stream.isScheduled = true;
    this.#turns.push(stream);
  }
}
