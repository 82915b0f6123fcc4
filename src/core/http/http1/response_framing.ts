import { type Framing, lengthOf } from "./body.ts";
import { HttpError } from "../error.ts";
import { type Field, listOf, valuesOf } from "../fields.ts";
import type { ResponseHead } from "./response_head.ts";
import { isToken } from "../token.ts";

export interface ResponseFraming {
  readonly framing: Framing;
  /** Fields with one Content-Length or one Transfer-Encoding at the most. */
  readonly fields: readonly Field[];
  /** No reader could find another end: the connection may serve another request. */
  readonly isSure: boolean;
}

interface Declared {
  readonly framing: Framing;
  readonly field: Field | null;
  readonly isSure: boolean;
}

/**
 * Reads a response's framing (RFC 9112 section 6.3) as browsers do: doubled lengths and `chunked`
 * count once, `identity` is nothing, Transfer-Encoding overrides Content-Length. The client is told
 * one thing alone, and the connection not used again.
 * @throws {HttpError} 400 where two readers could come to different ends
 */
export function responseFraming(head: ResponseHead, method: string): ResponseFraming {
  const { framing, field, isSure } = declared(head); // even of no body it must make sense
  const fields = isSure ? head.fields : withFraming(head.fields, field);
  const hasBody = method !== "HEAD" && mayHaveBody(head.status);
  return { framing: hasBody ? framing : { kind: "none" }, fields, isSure };
}

function mayHaveBody(status: number): boolean {
  return status >= 200 && status !== 204 && status !== 304;
}

function declared(head: ResponseHead): Declared {
  const all = listOf(head.fields, "transfer-encoding");
  const codings = all.filter((coding) => coding !== "identity");
  if (codings.length > 0) return byCodings(head, codings, codings.length === all.length);
  const hasCodings = valuesOf(head.fields, "transfer-encoding").length > 0;
  const values = valuesOf(head.fields, "content-length");
  const lengths = new Set(listOf(head.fields, "content-length"));
  if (lengths.size === 0) {
    const isSure = !hasCodings && values.length === 0;
    return { framing: { kind: "close" }, field: null, isSure };
  }
  const [value] = lengths;
  if (lengths.size > 1) throw bad("it has more than one Content-Length");
  return {
    framing: { kind: "length", length: lengthOf(value!, bad) },
    field: { name: "Content-Length", value: value! },
    isSure: !hasCodings && values.length === 1 && values[0] === value,
  };
}

function byCodings(head: ResponseHead, codings: string[], isPlain: boolean): Declared {
  const first = codings.indexOf("chunked");
  if (first < 0) {
    // Section 6.3, rule 4: the connection's end is the body's. Invalid codings are left out.
    const isReadable = codings.every(isToken);
    const field = { name: "Transfer-Encoding", value: codings.join(", ") };
    return { framing: { kind: "close" }, field: isReadable ? field : null, isSure: false };
  }
  const kept = codings.slice(0, first + 1);
  if (!codings.slice(first).every((coding) => coding === "chunked") || !kept.every(isToken)) {
    throw bad("its last Transfer-Encoding must be chunked");
  }
  const isOnce = kept.length === codings.length;
  const hasLength = valuesOf(head.fields, "content-length").length > 0;
  return {
    framing: { kind: "chunked" },
    field: { name: "Transfer-Encoding", value: kept.join(", ") },
    isSure: isPlain && isOnce && !hasLength && head.minor === 1,
  };
}

/** Puts the field where the first one about the body was, in place of them all. */
function withFraming(fields: readonly Field[], field: Field | null): Field[] {
  const found: Field[] = [];
  let isThere = field === null;
  for (const one of fields) {
    const name = one.name.toLowerCase();
    if (name !== "content-length" && name !== "transfer-encoding") found.push(one);
    else if (!isThere && name === field!.name.toLowerCase()) {
      found.push(field!);
      isThere = true;
    }
  }
  return found;
}

function bad(what: string): HttpError {
  return new HttpError(400, `Cannot tell where the message's body ends: ${what}`);
}
