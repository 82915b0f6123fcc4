import { Buffer } from "node:buffer";
import { HttpError } from "../error.ts";
import { type Field, trimSpace } from "../fields.ts";

export interface HeadLimits {
  readonly bytes: number;
  readonly fields: number;
}

export const REQUEST_LIMITS: HeadLimits = { bytes: 64 * 1024, fields: 256 };

/** Limits of responses: a browser takes 256 KiB, curl 300 KiB, and no less is taken here. */
export const RESPONSE_LIMITS: HeadLimits = { bytes: 300 * 1024, fields: 4096 };

/**
 * Heads of HTTP/1 (RFC 9112 sections 2 to 5). Requests are read strictly, since different readings
 * let one request hide in another (responses: response_head.ts):
 * - A line ends with CRLF, or a bare LF (section 2.2; hand-typed requests have it): heads are
 *   written anew with CRLF, so the next reader cannot differ. A CR anywhere else is refused.
 * - No space before a colon, no folded line, no control characters in values.
 */
const LF = 0x0a;
const CR = 0x0d;
const FIRST_ROOM = 1024;
const NOTHING = new Uint8Array();
const { latin1Slice } = Buffer.prototype;

export interface RequestHead {
  readonly method: string;
  readonly target: string;
  /** Minor version of HTTP/1; whatever is above 1 counts as 1. */
  readonly minor: 0 | 1;
  readonly fields: readonly Field[];
}

/** Collects a head from a stream cut anywhere. Holds no more than its limit. */
export class HeadCollector {
  readonly #limits: HeadLimits;
  #held = NOTHING;
  #length = 0;
  #lineStart = 0;
  #lines = 0;
  #skipped = 0;
  /** The head, once it is whole. */
  #text: string | null = null;

  constructor(limits: HeadLimits) {
    this.#limits = limits;
  }

  get isWhole(): boolean {
    return this.#text !== null;
  }

  /** True while nothing but empty lines has come. */
  get isEmpty(): boolean {
    return this.#length === 0;
  }

  /** Copies bytes of the head and returns how many. @throws {HttpError} 414, 431 when too long */
  take(bytes: Uint8Array): number {
    if (this.#text !== null) return 0;
    /** Where the bytes begin that are not held yet. */
    let from = 0;
    let at = 0;
    while (at < bytes.length) {
      const lf = bytes.indexOf(LF, at);
      if (lf < 0) {
        at = bytes.length;
        if (this.#isAbove(at - from)) throw this.#tooLong(bytes, from);
        break;
      }
      at = lf + 1;
      const length = this.#length + at - from;
      if (this.#isAbove(at - from)) throw this.#tooLong(bytes, from);
      const size = length - this.#lineStart;
      const isEmpty = size === 1 || (size === 2 && this.#before(bytes, lf) === CR);
      if (!isEmpty) {
        this.#lineStart = length;
        if (++this.#lines > 1 + this.#limits.fields) throw this.#tooMany(bytes, from, at);
      } else if (this.#lineStart > 0) {
        this.#finish(bytes, from, at);
        return at;
      } else {
        // Old clients send empty lines behind a body (section 2.2).
        this.#skipped += size;
        this.#length = 0;
        from = at;
      }
    }
    this.#hold(bytes, from, at);
    return at;
  }

  /** Returns the whole head, one byte a character, with the empty line; before, what has come. */
  text(): string {
    return this.#text ?? latin1(this.#held, 0, this.#length);
  }

  #finish(bytes: Uint8Array, from: number, to: number): void {
    if (this.#length === 0) {
      this.#text = latin1(bytes, from, to);
      this.#length = to - from;
    } else {
      this.#hold(bytes, from, to);
      this.#text = latin1(this.#held, 0, this.#length);
      this.#held = NOTHING;
    }
  }

  /** Returns the byte before `at`, which may be the last that is held. */
  #before(bytes: Uint8Array, at: number): number | undefined {
    return at > 0 ? bytes[at - 1] : this.#held[this.#length - 1];
  }

  /** True if the head would be too long with so many bytes more. */
  #isAbove(more: number): boolean {
    return this.#length + more + this.#skipped > this.#limits.bytes;
  }

  /** Holds what fits, which may tell to what the head belongs. */
  #tooLong(bytes: Uint8Array, from: number): HttpError {
    const { bytes: most } = this.#limits;
    this.#hold(bytes, from, from + Math.max(0, most - this.#skipped - this.#length));
    return this.#lines === 0
      ? new HttpError(414, `Cannot read the message: its first line is above ${most} bytes`)
      : new HttpError(431, `Cannot read the message: its head is above ${most} bytes`);
  }

  #tooMany(bytes: Uint8Array, from: number, to: number): HttpError {
    const { fields } = this.#limits;
    this.#hold(bytes, from, to);
    return new HttpError(431, `Cannot read the message: it has more than ${fields} fields`);
  }

  #hold(bytes: Uint8Array, from: number, to: number): void {
    const length = this.#length + to - from;
    if (length > this.#held.length) {
      const room = Math.max(FIRST_ROOM, 2 * this.#held.length, length);
      const larger = new Uint8Array(Math.min(room, this.#limits.bytes));
      larger.set(this.#held.subarray(0, this.#length));
      this.#held = larger;
    }
    this.#held.set(bytes.subarray(from, to), this.#length);
    this.#length = length;
  }
}

/** Returns bytes as text of one byte a character, as `fromLatin1` does, in a tenth of the time. */
function latin1(bytes: Uint8Array, from: number, to: number): string {
  return latin1Slice.call(bytes, from, to);
}

/** Method, target and version, with one space between each. */
const REQUEST_LINE =
  /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e\x80-\xff]+) HTTP\/([0-9])\.([0-9])\r?\n/;

/**
 * A field, from where the last match ended. It takes time in proportion to the line alone, since a
 * value begins with a visible character.
 */
const FIELD_LINE =
  /([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[\t ]*([\x21-\x7e\x80-\xff][\t\x20-\x7e\x80-\xff]*)?\r?\n/y;

/** Reads the text of a `HeadCollector`. @throws {HttpError} 400, 505 */
export function parseRequestHead(text: string): RequestHead {
  const line = REQUEST_LINE.exec(text);
  if (line === null) {
    throw new HttpError(400, "Cannot read the request: its first line is not one of HTTP");
  }
  const [whole, method, target, major, minor] = line;
  if (major !== "1") {
    throw new HttpError(505, `Cannot read HTTP/${major}.${minor}: only HTTP/1.1 and 1.0`);
  }
  const fields = readFieldLines(text, whole.length);
  if (fields === null) {
    throw new HttpError(400, "Cannot read the message's fields: a line is not `name: value`");
  }
  return { method: method!, target: target!, minor: minor === "0" ? 0 : 1, fields };
}

/** Reads the fields from `at` to the empty line that ends the text; null where one is malformed. */
export function readFieldLines(text: string, at: number): Field[] | null {
  const fields: Field[] = [];
  FIELD_LINE.lastIndex = at;
  for (let end = at;; end = FIELD_LINE.lastIndex) {
    const match = FIELD_LINE.exec(text);
    if (match === null) return isEmptyLine(text, end) ? fields : null;
    fields.push({ name: match[1]!, value: withoutTrailingSpace(match[2] ?? "") });
  }
}

function isEmptyLine(text: string, at: number): boolean {
  const left = text.length - at;
  return left === 1 || (left === 2 && text.charCodeAt(at) === CR);
}

function withoutTrailingSpace(value: string): string {
  const last = value.charCodeAt(value.length - 1);
  return last === 0x20 || last === 0x09 ? trimSpace(value) : value;
}

export function linesOf(text: string): string[] {
  const lines = text.split("\n").slice(0, -2);
  return lines.map((line) => line.endsWith("\r") ? line.slice(0, -1) : line);
}
