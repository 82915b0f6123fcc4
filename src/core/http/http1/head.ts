import { fromLatin1 } from "../../../base/latin1.ts";
import { HttpError } from "../error.ts";
import { type Field, trimSpace } from "../fields.ts";
import { isToken, isValueByte } from "../token.ts";

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
  #held = new Uint8Array(0);
  #length = 0;
  #lineStart = 0;
  #lines = 0;
  #skipped = 0;
  #isWhole = false;

  constructor(limits: HeadLimits) {
    this.#limits = limits;
  }

  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** True while nothing but empty lines has come. */
  get isEmpty(): boolean {
    return this.#length === 0;
  }

  /** Copies bytes of the head and returns how many. @throws {HttpError} 414, 431 when too long */
  take(bytes: Uint8Array): number {
    let at = 0;
    while (at < bytes.length && !this.#isWhole) {
      const lf = bytes.indexOf(LF, at);
      const end = lf < 0 ? bytes.length : lf + 1;
      this.#hold(bytes, at, end);
      at = end;
      if (lf >= 0) this.#endLine();
    }
    return at;
  }

  /** Returns the whole head, one byte a character, with the empty line. */
  text(): string {
    return fromLatin1(this.#held.subarray(0, this.#length));
  }

  #hold(bytes: Uint8Array, from: number, to: number): void {
    const length = this.#length + to - from;
    const { bytes: most } = this.#limits;
    if (length + this.#skipped > most) {
      throw this.#lines === 0
        ? new HttpError(414, `Cannot read the message: its first line is above ${most} bytes`)
        : new HttpError(431, `Cannot read the message: its head is above ${most} bytes`);
    }
    if (length > this.#held.length) {
      const room = Math.min(Math.max(FIRST_ROOM, 2 * this.#held.length, length), most);
      const larger = new Uint8Array(room);
      larger.set(this.#held.subarray(0, this.#length));
      this.#held = larger;
    }
    this.#held.set(bytes.subarray(from, to), this.#length);
    this.#length = length;
  }

  #endLine(): void {
    const size = this.#length - this.#lineStart;
    const isEmpty = size === 1 || (size === 2 && this.#held[this.#lineStart] === CR);
    if (isEmpty && this.#lineStart === 0) {
      // Old clients send empty lines behind a body (section 2.2).
      this.#skipped += size;
      this.#length = 0;
      return;
    }
    if (isEmpty) {
      this.#isWhole = true;
      return;
    }
    const { fields } = this.#limits;
    if (++this.#lines > 1 + fields) {
      throw new HttpError(431, `Cannot read the message: it has more than ${fields} fields`);
    }
    this.#lineStart = this.#length;
  }
}

/** Reads the text of a `HeadCollector`. @throws {HttpError} 400, 505 */
export function parseRequestHead(text: string): RequestHead {
  const [first, ...lines] = linesOf(text);
  const [method, target, version, ...more] = first!.split(" ");
  if (version === undefined || more.length > 0 || !isToken(method!) || !isVisible(target!)) {
    throw new HttpError(400, "Cannot read the request: its first line is not one of HTTP");
  }
  return {
    method: method!,
    target: target!,
    minor: minorOf(version),
    fields: fieldsOf(lines),
  };
}

export function linesOf(text: string): string[] {
  const lines = text.split("\n").slice(0, -2);
  return lines.map((line) => line.endsWith("\r") ? line.slice(0, -1) : line);
}

function minorOf(version: string): 0 | 1 {
  const match = /^HTTP\/([0-9])\.([0-9])$/.exec(version);
  if (match === null) throw new HttpError(400, "Cannot read the message: it is not one of HTTP");
  if (match[1] !== "1") {
    throw new HttpError(505, `Cannot read HTTP/${match[1]}.${match[2]}: only HTTP/1.1 and 1.0`);
  }
  return match[2] === "0" ? 0 : 1;
}

function fieldsOf(lines: readonly string[]): Field[] {
  return lines.map((line) => {
    if (line.startsWith(" ") || line.startsWith("\t")) throw badField("a line begins with space");
    const colon = line.indexOf(":");
    const name = line.slice(0, colon);
    const value = trimSpace(line.slice(colon + 1));
    if (!isValue(value)) throw badField("a value has a control character");
    if (colon < 0 || !isToken(name)) throw badField("a line is not `name: value`");
    return { name, value };
  });
}

function badField(what: string): HttpError {
  return new HttpError(400, `Cannot read the message's fields: ${what}`);
}

function isValue(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (!isValueByte(text.charCodeAt(i))) return false;
  return true;
}

/** Refuses spaces and control characters; bytes of 80 and above are some clients' raw UTF-8. */
function isVisible(text: string): boolean {
  return text !== "" && !text.includes("\t") && isValue(text);
}
