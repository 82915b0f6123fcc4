import { type BodyOptions, ChunkedReader } from "./chunked.ts";
import { HttpError } from "../error.ts";
import { type Field, listOf, valuesOf } from "../fields.ts";
import { REQUEST_LIMITS, type RequestHead } from "./head.ts";
import { isToken } from "../token.ts";

/** How a body ends (RFC 9112 section 6.3). */
export type Framing =
  | { readonly kind: "none" }
  | { readonly kind: "length"; readonly length: number }
  | { readonly kind: "chunked" }
  /** The body ends with the connection. */
  | { readonly kind: "close" };

/** Returns the framing. @throws {HttpError} 400 where two readers could come to different ends */
export function requestFraming(head: RequestHead): Framing {
  return declared(head) ?? { kind: "none" };
}

function declared(head: RequestHead): Framing | null {
  const lengths = valuesOf(head.fields, "content-length");
  if (valuesOf(head.fields, "transfer-encoding").length > 0) {
    if (lengths.length > 0) throw bad("it has both Content-Length and Transfer-Encoding");
    if (head.minor === 0) throw bad("HTTP/1.0 has no Transfer-Encoding");
    return chunked(listOf(head.fields, "transfer-encoding"));
  }
  if (lengths.length === 0) return null;
  if (lengths.length > 1) throw bad("it has more than one Content-Length");
  return { kind: "length", length: lengthOf(lengths[0]!, bad) };
}

/** Reads a Content-Length; `bad` makes the error for one that is no number. */
export function lengthOf(value: string, bad: (what: string) => HttpError): number {
  if (/^[0-9]{1,16}$/.test(value) && Number(value) <= Number.MAX_SAFE_INTEGER) {
    return Number(value);
  }
  throw bad("its Content-Length is not a number of bytes");
}

/** Reads Transfer-Encoding: other codings may come before, as body and field go on unchanged. */
function chunked(codings: readonly string[]): Framing {
  if (codings.at(-1) !== "chunked" || codings.indexOf("chunked") !== codings.length - 1) {
    throw bad("its last Transfer-Encoding, and no other, must be chunked");
  }
  if (!codings.every(isToken)) throw bad("its Transfer-Encoding has parameters");
  return { kind: "chunked" };
}

function bad(what: string): HttpError {
  return new HttpError(400, `Cannot tell where the message's body ends: ${what}`);
}

/** Follows one body through a stream cut anywhere. Holds none of it. */
export class BodyReader {
  readonly #chunks: ChunkedReader | null;
  readonly #endsWithConnection: boolean;
  #left: number;

  constructor(framing: Framing, o: BodyOptions = { limits: REQUEST_LIMITS }) {
    this.#chunks = framing.kind === "chunked" ? new ChunkedReader(o) : null;
    this.#endsWithConnection = framing.kind === "close";
    this.#left = framing.kind === "length" ? framing.length : 0;
  }

  /** True once its last byte has come; never for a body that ends with the connection. */
  get isDone(): boolean {
    return this.#chunks?.isDone ?? (!this.#endsWithConnection && this.#left === 0);
  }

  /** A malformed line was mended, so that another reader could find another end. */
  get isMended(): boolean {
    return this.#chunks?.isMended === true;
  }

  /** Trailer fields, once a chunked body is done. */
  get trailers(): readonly Field[] {
    return this.#chunks?.trailers ?? [];
  }

  get isWholeAtEnd(): boolean {
    return this.#endsWithConnection || this.isDone;
  }

  /** Returns how many bytes belong to it; `give` gets views, none empty. @throws {HttpError} 400 */
  take(bytes: Uint8Array, give: (part: Uint8Array) => void): number {
    if (this.#chunks !== null) return this.#chunks.take(bytes, give);
    const size = this.#endsWithConnection ? bytes.length : Math.min(this.#left, bytes.length);
    if (!this.#endsWithConnection) this.#left -= size;
    if (size > 0) give(bytes.subarray(0, size));
    return size;
  }
}
