import type { OnReady, Stream } from "../../contract/stream.ts";

/** Bytes of it at most: no more go with an open, whose window and queue are small. */
const MOST = 4096;

/** The beginning of a program's input, which goes along with a request for its stream. */
export interface EarlyInput {
  readonly bytes: Uint8Array;
  /** The program, without those bytes. */
  readonly rest: Stream;
}

/** Reads what a program has to say already, perhaps nothing. @throws what reading throws */
export function readEarly(program: Stream): EarlyInput {
  const bytes = new Uint8Array(MOST);
  const got = program.readNow(bytes);
  // A terminal tells its end once.
  if (got === null) return { bytes: bytes.subarray(0, 0), rest: new EndedInput(program) };
  return { bytes: bytes.subarray(0, got ?? 0), rest: program };
}

/** A stream from which nothing more comes. */
class EndedInput implements Stream {
  readonly #stream: Stream;

  constructor(stream: Stream) {
    this.#stream = stream;
  }

  get peer(): string {
    return this.#stream.peer;
  }

  readNow(): null {
    return null;
  }

  onReadable(run: OnReady): void {
    this.#stream.onReadable(run);
  }

  writeNow(bytes: Uint8Array): number {
    return this.#stream.writeNow(bytes);
  }

  onWritable(run: OnReady): void {
    this.#stream.onWritable(run);
  }

  closeWrite() {
    return this.#stream.closeWrite();
  }

  reset(): void {
    this.#stream.reset();
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#stream[Symbol.asyncDispose]();
  }
}
