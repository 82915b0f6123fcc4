import { EnginePackets } from "./engine_packets.ts";
import { EngineStream } from "./engine_stream.ts";
import type { QuicEvent } from "./messages.ts";

/** Streams that the other end may open on one connection, one behind the other: each takes memory. */
const MOST_OPENED = 64;

type Streams = ReadableStreamDefaultReader<Deno.QuicBidirectionalStream>;

export interface EngineConnectionTools {
  readonly tell: (event: QuicEvent) => void;
  /** Returns the number of a stream that the other end opens. */
  readonly nextId: () => number;
  /** Knows a stream by its number, until `over`. */
  readonly began: (id: number, stream: EngineStream, connection: EngineConnection) => void;
  readonly over: (id: number) => void;
}

/** A connection with its first stream, whose end is its own, and those beside it. */
export class EngineConnection {
  readonly packets: EnginePackets;
  readonly #id: number;
  readonly #conn: Deno.QuicConn;
  readonly #tools: EngineConnectionTools;
  readonly #beside = new Set<EngineStream>();
  #isOver = false;

  /** Owns the connection; `id` is the first stream's. */
  constructor(id: number, conn: Deno.QuicConn, tools: EngineConnectionTools) {
    this.#id = id;
    this.#conn = conn;
    this.#tools = tools;
    this.packets = new EnginePackets(id, conn, tools.tell);
  }

  get mostPacket(): number {
    return this.#conn.maxDatagramSize;
  }

  /** `streams` gives those that the other end opens beside it. */
  begin(stream: Deno.QuicBidirectionalStream, streams: Streams): void {
    const { tell, began } = this.#tools;
    const first = new EngineStream(this.#id, stream, tell, {
      end: (code) => this.#end(code),
      asked: () => this.#asked(),
    });
    began(this.#id, first, this);
    void this.#takeAll(streams); // never rejects
  }

  /** Opens a stream beside the first one. Never rejects: a failure is an event. */
  async open(id: number): Promise<void> {
    const { tell } = this.#tools;
    try {
      const stream = await this.#conn.createBidirectionalStream();
      this.#add(id, stream);
      tell({ kind: "opened", id });
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error);
      tell({ kind: "failed", id, reason: "other", words, code: null });
    }
  }

  async #takeAll(streams: Streams): Promise<void> {
    try {
      for (let left = MOST_OPENED;; left--) {
        const { value: stream } = await streams.read();
        if (stream === undefined || this.#isOver) return;
        if (left === 0) return this.#conn.close({ closeCode: 1, reason: "" });
        const id = this.#tools.nextId();
        this.#add(id, stream);
        this.#tools.tell({ kind: "beside", id: this.#id, stream: id });
      }
    } catch {
      // The connection has ended, which its first stream tells.
    }
  }

  #add(id: number, quic: Deno.QuicBidirectionalStream): void {
    const { tell, began, over } = this.#tools;
    const stream = new EngineStream(id, quic, tell, {
      end: () => {
        this.#beside.delete(stream);
        stream.cut();
        over(id);
      },
      // One that is cut before it was settled has had no end that the other one said.
      asked: () => Promise.resolve(this.#isOver ? "failed" : "settled"),
    });
    this.#beside.add(stream);
    began(id, stream, this);
    if (this.#isOver) stream.lose();
  }

  async #asked(): Promise<"settled" | "closed" | "failed"> {
    // A stream that ends before its connection does is no end that was said.
    this.#conn.close({ closeCode: 1, reason: "" });
    try {
      return (await this.#conn.closed).closeCode === 0 ? "settled" : "closed";
    } catch {
      return "failed";
    }
  }

  #end(code: number): void {
    this.#isOver = true;
    for (const stream of [...this.#beside]) stream.lose();
    this.#conn.close({ closeCode: code, reason: "" });
    this.#tools.over(this.#id);
  }
}
