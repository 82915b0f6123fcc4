import type { Descriptor, Reactor } from "../reactor/reactor.ts";
import { LineSplitter } from "./line_splitter.ts";

/** Bytes that are read at once. */
const PIECE = 4096;

/** Pieces that are read after the command's end. */
const LAST_PIECES = 16;

/**
 * Reads what a command prints to standard error, until all that it started have closed it, or this
 * is closed: what runs on in the background may keep it open for ever.
 */
export class CommandErrors implements Disposable {
  readonly #reactor: Reactor;
  readonly #descriptor: Descriptor;
  readonly #bytes = new Uint8Array(PIECE);
  readonly #splitter: LineSplitter;

  /** Owns the descriptor. */
  constructor(reactor: Reactor, fd: number, onLine: (line: string) => void) {
    this.#reactor = reactor;
    this.#splitter = new LineSplitter(onLine);
    this.#descriptor = reactor.own(fd, new AbortController().signal);
    this.#onReadable();
  }

  readonly #onReadable = (): boolean => {
    if (this.#descriptor.closed) return true;
    // Packets have their turn between two pieces.
    if (this.#read()) this.#reactor.onTurn(this.#onReadable);
    else if (!this.#descriptor.closed) this.#descriptor.onReadable(this.#onReadable);
    return true;
  };

  /** Returns false if there is nothing now, or at the end, where it closes. */
  #read(): boolean {
    const got = this.#reactor.libc.read(this.#descriptor.fd, this.#bytes);
    if (got > 0) this.#splitter.add(this.#bytes.subarray(0, got));
    else if (got === 0) this.#close();
    return got > 0;
  }

  #close(): void {
    this.#splitter.end();
    this.#descriptor.close(() => null); // nobody asks for the reason
  }

  [Symbol.dispose](): void {
    for (let pieces = 0; pieces < LAST_PIECES; pieces++) {
      if (this.#descriptor.closed) return;
      if (!this.#read()) break;
    }
    if (!this.#descriptor.closed) this.#close();
  }
}
