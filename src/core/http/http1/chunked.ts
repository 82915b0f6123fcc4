import { ProtocolError } from "../../../base/errors.ts";
import { toLatin1 } from "../../../base/latin1.ts";
import { HttpError } from "../error.ts";
import { HeadCollector, type HeadLimits, linesOf } from "./head.ts";
import { readFields } from "./response_head.ts";
import { type Field, trimSpace } from "../fields.ts";
import { isTokenByte, isValueByte } from "../token.ts";
import { mayBeTrailer } from "../trailer.ts";

export interface BodyOptions {
  readonly limits: HeadLimits;
  /** Allows bare LFs, given as CRLF; what cannot be read of the trailer is left out. */
  readonly mends?: boolean;
  /** Gives only what is in the chunks. */
  readonly unchunks?: boolean;
  /** Names of the head's Connection field, in lower case, which no trailer field may have. */
  readonly nextHop?: ReadonlySet<string>;
}

const NOBODY: ReadonlySet<string> = new Set();

/**
 * Finds the end of a chunked body (RFC 9112 section 7.1), whose bytes are passed on as they are, but
 * for trailer fields that must not be there (trailer.ts):
 *
 *     size, hex | ; extensions | CRLF | size bytes | CRLF | … | 0 | CRLF | trailer fields | CRLF
 *
 * Since they are, every line must end with CRLF: a bare LF, or a CR elsewhere, would be the end of
 * a line to some readers and not to others, and hide a request. Of a response a bare LF is taken, as
 * browsers do, and goes on as CRLF; its trailer is read as its head is, and written anew.
 */
const MAX_DIGITS = 16;
const MAX_EXTENSION = 1024;

const LF = 0x0a;
const CR = 0x0d;
const SEMICOLON = 0x3b;
const COLON = 0x3a;

type State =
  | "size"
  /** Spaces behind the digits, with which some servers fill up. */
  | "padding"
  | "extension"
  | "sizeLf"
  | "data"
  | "dataCr"
  | "dataLf"
  /** A trailer field or the last line begins. */
  | "trailer"
  | "name"
  | "value"
  | "valueLf"
  | "lastLf"
  | "done";

/** States in which a CR, and an LF behind it, ends a line; not within a trailer's fields. */
const LINE_ENDS: ReadonlySet<State> = new Set<State>([
  "size",
  "padding",
  "extension",
  "dataCr",
  "trailer",
]);

const IN_TRAILER: ReadonlySet<State> = new Set<State>([
  "trailer",
  "name",
  "value",
  "valueLf",
  "lastLf",
]);

const CRLF = new Uint8Array([CR, LF]);

export class ChunkedReader {
  readonly #o: BodyOptions;
  #state: State = "size";
  #digits = 0;
  /** Bytes behind the digits of the size line. */
  #extension = 0;
  #left = 0;
  #trailerBytes = 0;
  #trailerFields = 0;
  /** Trailer of a body that is mended, from its first field on. */
  #fields: HeadCollector | null = null;
  /** Trailer of another one, as far as it has come, a byte a character. */
  #trailerText = "";

  constructor(o: BodyOptions) {
    this.#o = o;
  }

  /** A bare LF was taken for the end of a line, or something was left out. */
  isMended = false;
  /** Trailer fields that may be there, once it is done. */
  trailers: readonly Field[] = [];

  get isDone(): boolean {
    return this.#state === "done";
  }

  /** Takes bytes like `BodyReader.take`. @throws {HttpError} 400 */
  take(bytes: Uint8Array, give: (part: Uint8Array) => void): number {
    const { mends = false, unchunks = false } = this.#o;
    let at = 0;
    let from = 0;
    while (at < bytes.length && this.#state !== "done") {
      if (this.#state === "data") {
        const size = Math.min(this.#left, bytes.length - at);
        this.#left -= size;
        if (unchunks) give(bytes.subarray(at, at + size));
        at += size;
        if (this.#left === 0) this.#state = "dataCr";
        continue;
      }
      if (mends && this.#state === "trailer" && !isLineEnd(bytes[at]!, this.#fields)) {
        if (!unchunks && at > from) give(bytes.subarray(from, at));
        at = from = at + this.#takeFields(bytes.subarray(at), unchunks ? null : give);
        continue;
      }
      if (!mends && IN_TRAILER.has(this.#state)) {
        if (!unchunks && at > from) give(bytes.subarray(from, at));
        at = from = at + this.#takeTrailer(bytes.subarray(at), unchunks ? null : give);
        continue;
      }
      const byte = bytes[at++]!;
      if (!mends || byte !== LF || !LINE_ENDS.has(this.#state)) {
        this.#state = this.#next(this.#state, byte);
        continue;
      }
      const end = this.#next(this.#state, CR) as "sizeLf" | "dataLf" | "lastLf";
      this.#state = this.#next(end, LF);
      this.isMended = true;
      if (unchunks) continue;
      if (at - 1 > from) give(bytes.subarray(from, at - 1));
      give(CRLF);
      from = at;
    }
    if (!unchunks && at > from) give(bytes.subarray(from, at));
    return at;
  }

  /** Gives the trailer when it is whole; returns how many bytes belong to it. */
  #takeTrailer(bytes: Uint8Array, give: ((part: Uint8Array) => void) | null): number {
    let at = 0;
    while (at < bytes.length && this.#state !== "done") {
      const byte = bytes[at++]!;
      this.#state = this.#next(this.#state as Exclude<State, "data" | "done">, byte);
      this.#trailerText += String.fromCharCode(byte);
    }
    if (this.#state === "done") {
      const named = this.#o.nextHop ?? NOBODY;
      const lines = this.#trailerText.split("\r\n").slice(0, -2)
        .filter((line) => mayBeTrailer(line.slice(0, line.indexOf(":")), named));
      this.trailers = lines.map(fieldOf);
      give?.(toLatin1(lines.map((line) => `${line}\r\n`).join("") + "\r\n"));
    }
    return at;
  }

  #takeFields(bytes: Uint8Array, give: ((part: Uint8Array) => void) | null): number {
    const collector = this.#fields ??= new HeadCollector(this.#o.limits);
    let size: number;
    try {
      size = collector.take(bytes);
    } catch (error) {
      if (error instanceof ProtocolError) throw bad("its trailer is too long");
      throw error;
    }
    if (!collector.isWhole) return size;
    const text = collector.text();
    const { fields } = readFields(linesOf(text));
    const packed = (some: readonly Field[]) =>
      some.map(({ name, value }) => value === "" ? `${name}:\r\n` : `${name}: ${value}\r\n`)
        .join("") + "\r\n";
    this.isMended ||= packed(fields) !== text;
    this.#state = "done";
    const named = this.#o.nextHop ?? NOBODY;
    this.trailers = fields.filter(({ name }) => mayBeTrailer(name, named));
    give?.(toLatin1(packed(this.trailers)));
    return size;
  }

  #next(state: Exclude<State, "data" | "done">, byte: number): State {
    switch (state) {
      case "size":
        return this.#size(byte);
      case "padding":
      case "extension":
        return this.#behindSize(state, byte);
      case "sizeLf":
        expect(byte, LF);
        this.#digits = this.#extension = 0;
        return this.#left > 0 ? "data" : "trailer";
      case "dataCr":
        expect(byte, CR);
        return "dataLf";
      case "dataLf":
        expect(byte, LF);
        return "size";
      case "lastLf":
        expect(byte, LF);
        return "done";
      default:
        return this.#trailer(state, byte);
    }
  }

  #size(byte: number): State {
    const digit = hexDigit(byte);
    if (digit < 0) {
      if (this.#digits === 0) throw bad("a chunk has no size");
      return this.#behindSize("padding", byte);
    }
    if (++this.#digits > MAX_DIGITS || this.#left > (Number.MAX_SAFE_INTEGER - digit) / 16) {
      throw bad("a chunk is too large");
    }
    this.#left = this.#left * 16 + digit;
    return "size";
  }

  #behindSize(state: "padding" | "extension", byte: number): State {
    if (byte === CR) return "sizeLf";
    if (++this.#extension > MAX_EXTENSION) throw bad("a chunk's extensions are too long");
    const isSpace = byte === 0x20 || byte === 0x09;
    if (state === "padding" && byte !== SEMICOLON && !isSpace) throw bad("a chunk has no size");
    if (!isValueByte(byte)) throw bad("a chunk's extension has a control character");
    return byte === SEMICOLON ? "extension" : state;
  }

  #trailer(state: "trailer" | "name" | "value" | "valueLf", byte: number): State {
    if (++this.#trailerBytes > this.#o.limits.bytes) throw bad("its trailer is too long");
    switch (state) {
      case "trailer":
        if (byte === CR) return "lastLf";
        if (!isTokenByte(byte)) throw bad("a trailer is not `name: value`");
        if (++this.#trailerFields > this.#o.limits.fields) {
          throw bad("its trailer has too many fields");
        }
        return "name";
      case "name":
        if (byte === COLON) return "value";
        if (!isTokenByte(byte)) throw bad("a trailer is not `name: value`");
        return "name";
      case "value":
        if (byte === CR) return "valueLf";
        if (!isValueByte(byte)) throw bad("a trailer has a control character");
        return "value";
      case "valueLf":
        expect(byte, LF);
        return "trailer";
    }
  }
}

function fieldOf(line: string): Field {
  const colon = line.indexOf(":");
  return { name: line.slice(0, colon), value: trimSpace(line.slice(colon + 1)) };
}

/** Returns true without a trailer: its first line would be empty. */
function isLineEnd(byte: number, fields: HeadCollector | null): boolean {
  return fields === null && (byte === CR || byte === LF);
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : -1;
}

function expect(byte: number, wanted: number): void {
  if (byte !== wanted) throw bad("a line does not end with CRLF");
}

function bad(what: string): HttpError {
  return new HttpError(400, `Cannot read a chunked body: ${what}`);
}
