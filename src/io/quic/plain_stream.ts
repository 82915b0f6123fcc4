import { IncomingRing } from "./incoming_ring.ts";
import type { QuicEvent } from "./messages.ts";
import { SharedRing } from "./shared_ring.ts";

/** Bytes that are given to QUIC at once. */
const MOST_DATA = 64 * 1024;
/** Milliseconds in which something of what was sent before a close must go on: a client may be slow. */
const LINGER_MS = 30_000;

/** How a stream ends. */
export interface PlainEnding {
  /** The connection is to end: nothing else tells the client that this stream is not whole. */
  abort(): void;
  /** Called once: nothing comes or goes any more. */
  over(): void;
}

/** A stream of QUIC as it is, at the side of the network. Its end is QUIC's. */
export class PlainStream {
  readonly #id: number;
  readonly #ending: PlainEnding;
  readonly #tell: (event: QuicEvent) => void;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
  readonly #incoming: IncomingRing;
  #outgoing: SharedRing | null = null;
  /** Bytes that wait in the ring to be sent. */
  #unsent = 0;
  #isSending = false;
  #wantsEnd = false;
  #hasSentEnd = false;
  #hasGotEnd = false;
  /** Nobody reads here any more. */
  #isClosed = false;
  #isOver = false;
  #lingering: ReturnType<typeof setTimeout> | undefined;

  constructor(
    id: number,
    stream: Deno.QuicBidirectionalStream,
    tell: (event: QuicEvent) => void,
    ending: PlainEnding,
  ) {
    this.#id = id;
    this.#tell = tell;
    this.#incoming = new IncomingRing(id, tell);
    this.#ending = ending;
    this.#writer = stream.writable.getWriter();
    this.#reader = stream.readable.getReader();
    this.#writer.closed.catch(() => {}); // its failures come with writes
    this.#reader.closed.catch(() => {}); // its failures come with reads
  }

  /** Nothing is read before. */
  take(incoming: SharedArrayBuffer, outgoing: SharedArrayBuffer): void {
    if (this.#outgoing !== null || this.#isOver) return;
    this.#outgoing = new SharedRing(outgoing);
    this.#incoming.take(incoming);
    void this.#receiveAll(); // never rejects
  }

  send(bytes: number): void {
    this.#unsent += bytes;
    this.#goOn();
  }

  end(): void {
    this.#wantsEnd = true;
    this.#goOn();
  }

  read(bytes: number): void {
    this.#incoming.read(bytes);
  }

  /** Delivers all that was sent, and reads no more. */
  close(): void {
    if (this.#isClosed || this.#isOver) return;
    this.#isClosed = true;
    this.end();
    if (!this.#hasGotEnd) this.#reader.cancel().catch(() => {}); // the client may have left
    this.#incoming.stop();
    this.#linger();
    this.#endIfDone();
  }

  /** An end of QUIC's would be taken for a whole answer, so that the connection ends in its place. */
  abort(): void {
    if (this.#isOver) return;
    if (!this.#hasSentEnd) this.#ending.abort();
    this.#finish();
  }

  /** The connection has ended. */
  lose(words: string): void {
    this.#fail(words);
  }

  #linger(): void {
    clearTimeout(this.#lingering);
    if (!this.#isOver) this.#lingering = setTimeout(() => this.abort(), LINGER_MS);
  }

  #goOn(): void {
    if (!this.#isSending && !this.#isOver) void this.#sendAll(); // never rejects
  }

  async #sendAll(): Promise<void> {
    this.#isSending = true;
    try {
      while (!this.#isOver && this.#unsent > 0) {
        const part = new Uint8Array(Math.min(this.#unsent, MOST_DATA));
        this.#outgoing!.read(part);
        this.#unsent -= part.length;
        await this.#writer.write(part);
        if (this.#isOver) break;
        this.#tell({ kind: "sent", id: this.#id, bytes: part.length });
        if (this.#isClosed) this.#linger();
      }
      if (this.#wantsEnd && !this.#hasSentEnd && !this.#isOver) {
        this.#hasSentEnd = true;
        await this.#writer.close();
      }
    } catch (error) {
      this.#fail(wordsOf(error));
    }
    this.#isSending = false;
    this.#endIfDone();
  }

  async #receiveAll(): Promise<void> {
    try {
      for (;;) {
        const { done, value } = await this.#reader.read();
        if (this.#isOver || this.#isClosed) return;
        if (done) break;
        await this.#incoming.put(value);
      }
      this.#hasGotEnd = true;
      if (!this.#isClosed) this.#tell({ kind: "end", id: this.#id });
      this.#endIfDone();
    } catch (error) {
      if (!this.#isClosed) this.#fail(wordsOf(error));
    }
  }

  /** The client has given up one way of it, or both, or the connection has ended. */
  #fail(words: string): void {
    if (this.#isOver) return;
    if (!this.#isClosed) this.#tell({ kind: "lost", id: this.#id, words });
    this.#finish();
  }

  #endIfDone(): void {
    if (this.#isClosed && !this.#isSending && this.#hasSentEnd) this.#finish();
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#lingering);
    this.#incoming.stop();
    if (!this.#hasSentEnd) this.#writer.close().catch(() => {}); // the client may have left
    if (!this.#hasGotEnd) this.#reader.cancel().catch(() => {});
    this.#ending.over();
  }
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
