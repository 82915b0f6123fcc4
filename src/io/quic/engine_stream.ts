import { IncomingRing } from "./incoming_ring.ts";
import type { QuicEvent } from "./messages.ts";
import { SharedRing } from "./shared_ring.ts";
import { dataFrame, FRAME, FrameReader, HEADER, MOST_DATA, PREFACE } from "./stream_frames.ts";

/** Milliseconds for the other end to receive what was sent before a close. */
const LINGER_MS = 5000;

const END_WORDS = "the other end closed it";

/** How a stream ends, which is its connection's end, or not. */
export interface StreamEnding {
  /** Called once. `code` 0: all has arrived. */
  end(code: number): void;
  /** QUIC's stream has ended. Tells whether the other end did that, and if so as when all has arrived. */
  asked(): Promise<"settled" | "closed" | "failed">;
}

/** One stream of QUIC, at the side of the network. */
export class EngineStream {
  readonly #id: number;
  readonly #ending: StreamEnding;
  readonly #tell: (event: QuicEvent) => void;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
  readonly #incoming: IncomingRing;
  #outgoing: SharedRing | null = null;
  /** Bytes that wait in the ring to be sent, and frames without data that do behind them. */
  #unsent = 0;
  readonly #marks: number[] = [PREFACE];
  #isSending = false;
  #hasSentEnd = false;
  #hasGotEnd = false;
  /** The other end has said that it has ours. */
  #isEndKnown = false;
  /** Nobody reads here any more. */
  #isClosed = false;
  #isOver = false;
  #lingering: ReturnType<typeof setTimeout> | undefined;

  constructor(
    id: number,
    stream: Deno.QuicBidirectionalStream,
    tell: (event: QuicEvent) => void,
    ending: StreamEnding,
  ) {
    this.#id = id;
    this.#tell = tell;
    this.#incoming = new IncomingRing(id, tell);
    this.#ending = ending;
    this.#writer = stream.writable.getWriter();
    this.#reader = stream.readable.getReader();
    this.#writer.closed.catch(() => {}); // its failures come with writes
    this.#reader.closed.catch(() => {}); // its failures come with reads
    void this.#sendAll(); // never rejects
    void this.#receiveAll(); // never rejects
  }

  /** Nothing but its end is told of before. */
  take(incoming: SharedArrayBuffer, outgoing: SharedArrayBuffer): void {
    this.#outgoing = new SharedRing(outgoing);
    this.#incoming.take(incoming);
  }

  send(bytes: number): void {
    this.#unsent += bytes;
    this.#goOn();
  }

  end(): void {
    if (this.#hasSentEnd) return;
    this.#hasSentEnd = true;
    this.#mark(FRAME.end);
  }

  read(bytes: number): void {
    this.#incoming.read(bytes);
  }

  close(): void {
    if (this.#isClosed || this.#isOver) return;
    this.#isClosed = true;
    this.end();
    if (!this.#hasGotEnd) this.#mark(FRAME.deaf);
    this.#incoming.stop();
    this.#lingering = setTimeout(() => this.abort(), LINGER_MS);
    this.#endIfDone();
  }

  abort(): void {
    this.#finish(1);
  }

  /** The connection has ended, or is to end, and this stream with it. */
  lose(): void {
    if (!this.#isOver) this.#fail(END_WORDS);
  }

  /** Ends QUIC's own stream, which is no end that the other one takes for one. */
  cut(): void {
    this.#writer.close().catch(() => {}); // the connection may have ended
    this.#reader.cancel().catch(() => {});
  }

  /** Marks go behind all data that there is. */
  #mark(type: number): void {
    this.#marks.push(type);
    this.#goOn();
  }

  #goOn(): void {
    if (!this.#isSending && !this.#isOver) void this.#sendAll(); // never rejects
  }

  async #sendAll(): Promise<void> {
    this.#isSending = true;
    try {
      for (;;) {
        const bytes = this.#isOver ? 0 : Math.min(this.#unsent, MOST_DATA);
        if (bytes > 0) {
          const frame = dataFrame(bytes);
          this.#outgoing!.read(frame.subarray(HEADER));
          this.#unsent -= bytes;
          await this.#writer.write(frame);
          if (!this.#isOver) this.#tell({ kind: "sent", id: this.#id, bytes });
        } else if (this.#marks.length > 0 && !this.#isOver) {
          await this.#writer.write(Uint8Array.from(this.#marks.splice(0)));
        } else break;
      }
      this.#endIfDone();
    } catch {
      // The reader hears of it, with the reason.
    }
    this.#isSending = false;
  }

  async #receiveAll(): Promise<void> {
    const frames = new FrameReader();
    let words = END_WORDS;
    try {
      while (!this.#isOver) {
        const { done, value } = await this.#reader.read();
        if (done) break;
        await this.#take(frames, value);
      }
    } catch (error) {
      words = error instanceof Error ? error.message : String(error);
    }
    if (this.#isOver) return;
    const how = await this.#ending.asked();
    if (this.#isOver) return;
    if (this.#hasGotEnd && how === "settled") {
      if (!this.#isClosed) this.#tell({ kind: "deaf", id: this.#id });
      return this.#finish(0);
    }
    this.#fail(how === "failed" ? words : END_WORDS);
  }

  /** Resolves when there was room for all. @throws {RangeError} for bytes that are no frames */
  async #take(frames: FrameReader, bytes: Uint8Array): Promise<void> {
    const parts: Uint8Array[] = [];
    let ends = false;
    let isDeaf = false;
    frames.feed(bytes, {
      data: (part) => void parts.push(part),
      end: () => ends = true,
      gotEnd: () => this.#isEndKnown = true,
      deaf: () => isDeaf = true,
    });
    for (const part of parts) await this.#incoming.put(part);
    if (ends) {
      this.#hasGotEnd = true;
      if (!this.#isClosed) this.#tell({ kind: "end", id: this.#id });
      this.#mark(FRAME.gotEnd);
    }
    if (isDeaf) {
      this.#unsent = 0;
      if (!this.#isClosed) this.#tell({ kind: "deaf", id: this.#id });
    }
    this.#endIfDone();
  }

  /** Ends the connection when each end has what the other has sent. */
  #endIfDone(): void {
    if (this.#isOver || this.#unsent > 0 || !this.#isEndKnown) return;
    if (this.#hasGotEnd || this.#isClosed) this.#finish(0);
  }

  #fail(words: string): void {
    if (!this.#isClosed) this.#tell({ kind: "lost", id: this.#id, words });
    this.#finish(1);
  }

  /** `code` 0: all has arrived. */
  #finish(code: number): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#lingering);
    this.#incoming.stop();
    this.#ending.end(code);
  }
}
