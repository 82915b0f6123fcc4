import type { OnReady, Stream } from "../../contract/stream.ts";
import { WriteQueue } from "../loop/write_queue.ts";

/** One end of an HTTP exchange: read on demand, written in order. */
export class HttpSide {
  readonly stream: Stream;
  readonly sink: WriteQueue;
  /** The peer's FIN was read. */
  hasEnded = false;
  /** `onReadable` will call back; until then a read finds nothing. */
  #isWaiting = false;
  readonly #wake: OnReady;

  /** `wake` is called when there may be something to read, or room to write again. */
  constructor(stream: Stream, wake: OnReady) {
    this.stream = stream;
    this.sink = new WriteQueue(stream, wake);
    this.#wake = wake;
  }

  /** Reads as `Stream.readNow` does; after undefined `wake` is called once. */
  readNow(into: Uint8Array): number | null | undefined {
    if (this.#isWaiting || this.hasEnded) return undefined;
    const got = this.stream.readNow(into);
    if (got === undefined) {
      this.#isWaiting = true;
      this.stream.onReadable(this.#readable);
    } else if (got === null) this.hasEnded = true;
    return got;
  }

  readonly #readable = (): boolean | void => {
    this.#isWaiting = false;
    return this.#wake();
  };
}
