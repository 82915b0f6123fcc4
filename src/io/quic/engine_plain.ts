import type { PlainStreams, QuicEvent } from "./messages.ts";
import { PlainStream } from "./plain_stream.ts";

export interface PlainConnectionTools {
  readonly tell: (event: QuicEvent) => void;
  /** Returns the number of a stream of the client's. */
  readonly nextId: () => number;
  /** Knows a stream by its number, until `over`. */
  readonly began: (id: number, stream: PlainStream) => void;
  readonly over: (id: number) => void;
  /** The connection has ended. */
  readonly ended: () => void;
}

/** A client's connection of plain streams, at the side of the network. */
export class EnginePlain {
  readonly #id: number;
  readonly #conn: Deno.QuicConn;
  readonly #streams: PlainStreams;
  readonly #tools: PlainConnectionTools;
  readonly #open = new Set<PlainStream>();
  /** The stream of the greeting is held here: a writer that the garbage collection takes ends it. */
  #greeting: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>> | null = null;
  #isOver = false;

  /** Owns the connection, whose number is `id`. */
  constructor(id: number, conn: Deno.QuicConn, streams: PlainStreams, tools: PlainConnectionTools) {
    this.#id = id;
    this.#conn = conn;
    this.#streams = streams;
    this.#tools = tools;
    void this.#greet(); // never rejects
    void this.#takeStreams(); // never rejects
    void this.#takeOneWay(); // never rejects
    void this.#waitForEnd(); // never rejects
  }

  /** Ends the connection with all of its streams. */
  abort(): void {
    this.#conn.close({ closeCode: this.#streams.closeCode, reason: "" });
  }

  async #greet(): Promise<void> {
    try {
      const writer = (await this.#conn.createUnidirectionalStream()).getWriter();
      writer.closed.catch(() => {}); // the connection has ended
      this.#greeting = writer;
      await writer.write(this.#streams.greeting);
    } catch {
      // The connection has ended.
    }
  }

  async #takeStreams(): Promise<void> {
    const { tell, nextId, began, over } = this.#tools;
    try {
      for await (const stream of this.#conn.incomingBidirectionalStreams) {
        const id = nextId();
        const plain = new PlainStream(id, stream, tell, {
          abort: () => this.abort(),
          over: () => {
            this.#open.delete(plain);
            over(id);
            tell({ kind: "over", id: this.#id, stream: id });
          },
        });
        this.#open.add(plain);
        began(id, plain);
        tell({ kind: "plain_stream", id: this.#id, stream: id });
      }
    } catch {
      // The connection has ended.
    }
  }

  async #takeOneWay(): Promise<void> {
    try {
      for await (const stream of this.#conn.incomingUnidirectionalStreams) {
        void this.#readOneWay(this.#tools.nextId(), stream); // never rejects
      }
    } catch {
      // The connection has ended.
    }
  }

  async #readOneWay(stream: number, from: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    const { tell } = this.#tools;
    try {
      for await (const bytes of from) {
        if (this.#isOver) return;
        tell({ kind: "one_way", id: this.#id, stream, bytes });
      }
    } catch {
      // The client has reset it, or the connection has ended.
    }
    if (!this.#isOver) tell({ kind: "one_way_end", id: this.#id, stream });
  }

  async #waitForEnd(): Promise<void> {
    const words = await this.#conn.closed.then(
      () => "the other end closed it",
      (error: unknown) => error instanceof Error ? error.message : String(error),
    );
    this.#isOver = true;
    this.#greeting?.releaseLock();
    this.#greeting = null;
    for (const stream of [...this.#open]) stream.lose(words);
    this.#tools.tell({ kind: "lost", id: this.#id, words });
    this.#tools.ended();
  }
}
