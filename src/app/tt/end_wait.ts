import type { Clock } from "../../contract/host.ts";
import type { TtStream } from "./tt_stream.ts";

/** Milliseconds; most targets close at once when a connection's other end has. */
const WAIT_MS = 2000;

const ONE = new Uint8Array(1);

/** Reads a closed stream on to the peer's end, so that its connection can carry the next one. */
export class EndWait {
  readonly #stream: TtStream;
  readonly #onOver: () => void;
  readonly #timer: Disposable;
  #isOver = false;

  /** `onOver` is called once: the end has come, or something else, or nothing in time. */
  constructor(clock: Clock, stream: TtStream, onOver: () => void) {
    this.#stream = stream;
    this.#onOver = onOver;
    this.#timer = clock.after(WAIT_MS, () => this.#end());
  }

  readonly look = (): boolean => {
    if (this.#isOver) return true;
    try {
      if (this.#stream.readNow(ONE) === undefined) {
        this.#stream.onReadable(this.look);
        return true;
      }
    } catch {
      // Its owner has left the stream: nobody is interested in how it ended.
    }
    this.#end();
    return true;
  };

  #end(): void {
    this.#isOver = true;
    this.#timer[Symbol.dispose]();
    this.#onOver();
  }
}
