import { TtunError } from "../../base/errors.ts";
import type { StreamsBeside } from "../../contract/beside.ts";
import type { Stream } from "../../contract/stream.ts";
import type { QuicEvent } from "./messages.ts";
import type { QuicHost } from "./quic_host.ts";
import { type QuicEnds, QuicStream } from "./quic_stream.ts";

/** The streams of a connection beside its first one. */
export class QuicBeside implements StreamsBeside {
  readonly #host: QuicHost;
  readonly #id: number;
  readonly #ends: QuicEnds;
  readonly #signal: AbortSignal;
  /** Those that are being opened. */
  readonly #opening = new Map<number, (error: TtunError) => void>();
  /** Opened by the other end before anybody took them. */
  readonly #waiting: QuicStream[] = [];
  #take: ((stream: Stream) => void) | null = null;
  #end: TtunError | null = null;

  constructor(host: QuicHost, id: number, ends: QuicEnds, signal: AbortSignal) {
    this.#host = host;
    this.#id = id;
    this.#ends = ends;
    this.#signal = signal;
  }

  open(): Promise<Stream> {
    const { promise, resolve, reject } = Promise.withResolvers<Stream>();
    if (this.#end !== null) {
      reject(this.#end);
      return promise;
    }
    const id = this.#host.add((event) => {
      this.#opening.delete(id);
      if (event.kind === "opened") resolve(this.#stream(id));
      else fail(new TtunError("lost", `Cannot open a stream with QUIC: ${wordsOf(event)}`));
      return false;
    });
    const fail = (error: TtunError) => {
      this.#host.forget(id);
      reject(error);
    };
    this.#opening.set(id, fail);
    this.#host.send({ kind: "open", id, beside: this.#id });
    return promise;
  }

  onOpened(take: (stream: Stream) => void): void {
    this.#take = take;
    for (const stream of this.#waiting.splice(0)) take(stream);
  }

  take(event: QuicEvent): boolean {
    if (event.kind !== "beside") return true;
    const stream = this.#stream(event.stream);
    if (this.#take !== null) this.#take(stream);
    else this.#waiting.push(stream);
    return false;
  }

  end(reason: TtunError): void {
    if (this.#end !== null) return;
    this.#end = reason;
    for (const fail of this.#opening.values()) fail(reason);
    this.#opening.clear();
    for (const stream of this.#waiting.splice(0)) stream.reset();
  }

  #stream(id: number): QuicStream {
    return new QuicStream(this.#host, id, this.#ends, { signal: this.#signal });
  }
}

function wordsOf(event: QuicEvent): string {
  return "words" in event ? event.words : event.kind;
}
