import { readU16 } from "../../base/bytes.ts";
import { TICKET_NAME } from "./ticket_keys.ts";

/** The wishes of a TLS client before anything is chosen (RFC 8446 section 4.1.2). */
export interface ClientHello {
  /** The name that it wants, in lower case (SNI, RFC 6066 section 3); null = it names none. */
  readonly name: string | null;
  /** Names of ALPN (RFC 7301) that it offers, the best first. */
  readonly protocols: readonly string[];
  /** It speaks TLS 1.3. */
  readonly isRecent: boolean;
  /** First bytes of the session's ticket that it wants to resume (16); null = it has none. */
  readonly ticket: Uint8Array | null;
}

/** Bytes of the longest ClientHello that is read, with the headers of its records. */
export const MAX_CLIENT_HELLO = 17 * 1024;

/** `more`: it is not whole; `invalid`: it is no ClientHello, or too long. */
export type HelloResult = ClientHello | "more" | "invalid";

const NOTHING: ClientHello = { name: null, protocols: [], isRecent: false, ticket: null };

const RECORD_HEADER = 5;
const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const ALPN = 16;
const PRE_SHARED_KEY = 41;
const SUPPORTED_VERSIONS = 43;
const TLS_1_3 = 0x0304;
const HOST_NAME = 0;

/** Longest name that DNS can have. */
const LONGEST_NAME = 253;

/** Most protocols that are looked at. */
const MOST_PROTOCOLS = 32;

/**
 * Reads the first bytes of a connection, which may come in pieces: call it again with all of them
 * once there are more. It looks at nothing but name and protocols; the rest is the TLS library's.
 */
export function readClientHello(bytes: Uint8Array): HelloResult {
  const message = handshakeMessage(bytes);
  if (typeof message === "string") return message;
  const from = new Fields(message);
  from.skip(2 + 32); // version, random
  from.skip(from.u8()); // session id
  from.skip(from.u16()); // cipher suites
  from.skip(from.u8()); // compression methods
  if (from.isOver) return from.isBroken ? "invalid" : NOTHING;
  const extensions = new Fields(from.take(from.u16()));
  if (from.isBroken || !from.isOver) return "invalid";
  let name: string | null = null;
  let protocols: readonly string[] = [];
  let isRecent = false;
  let ticket: Uint8Array | null = null;
  const seen = new Set<number>();
  while (!extensions.isOver) {
    const type = extensions.u16();
    const body = new Fields(extensions.take(extensions.u16()));
    if (extensions.isBroken || seen.has(type)) return "invalid";
    seen.add(type);
    if (type === SERVER_NAME) {
      const found = serverName(body);
      if (found === null) return "invalid";
      name = found;
    } else if (type === ALPN) {
      const found = protocolNames(body);
      if (found === null) return "invalid";
      protocols = found;
    } else if (type === SUPPORTED_VERSIONS) {
      const versions = new Fields(body.take(body.u8()));
      while (!versions.isOver) if (versions.u16() === TLS_1_3) isRecent = true;
    } else if (type === PRE_SHARED_KEY) {
      const identity = new Fields(new Fields(body.take(body.u16())).counted());
      const start = identity.take(TICKET_NAME);
      ticket = identity.isBroken ? null : start.slice();
    }
  }
  return { name, protocols, isRecent, ticket };
}

/** Returns the ClientHello without its header, put together from the records that it is in. */
function handshakeMessage(bytes: Uint8Array): Uint8Array | "more" | "invalid" {
  const parts: Uint8Array[] = [];
  let size = 0;
  let needed = 4; // type and length
  for (let at = 0; size < needed;) {
    if (bytes.length > at && bytes[at] !== HANDSHAKE) return "invalid";
    if (bytes.length > at + 1 && bytes[at + 1] !== 3) return "invalid";
    if (bytes.length < at + RECORD_HEADER) return tooLong(bytes) ? "invalid" : "more";
    const length = readU16(bytes, at + 3);
    if (length === 0 || length > 16 * 1024) return "invalid";
    const part = bytes.subarray(at + RECORD_HEADER, at + RECORD_HEADER + length);
    parts.push(part);
    size += part.length;
    if (size > 0 && parts[0]![0] !== CLIENT_HELLO) return "invalid";
    if (size >= 4 && needed === 4) {
      const head = joined(parts, 4);
      needed = 4 + (head[1]! << 16 | head[2]! << 8 | head[3]!);
      if (needed > MAX_CLIENT_HELLO) return "invalid";
    }
    if (size < needed && part.length < length) return tooLong(bytes) ? "invalid" : "more";
    at += RECORD_HEADER + length;
  }
  return joined(parts, needed).subarray(4);
}

function tooLong(bytes: Uint8Array): boolean {
  return bytes.length >= MAX_CLIENT_HELLO;
}

/** Returns the first `size` bytes of the parts, which have as many. */
function joined(parts: readonly Uint8Array[], size: number): Uint8Array {
  if (parts[0]!.length >= size) return parts[0]!.subarray(0, size);
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    const rest = part.subarray(0, size - at);
    whole.set(rest, at);
    at += rest.length;
  }
  return whole;
}

/** Null = it is none that a host can have. */
function serverName(body: Fields): string | null {
  const list = new Fields(body.take(body.u16()));
  if (body.isBroken || !body.isOver) return null;
  let found: string | null = null;
  while (!list.isOver) {
    const type = list.u8();
    const name = list.take(list.u16());
    if (list.isBroken) return null;
    if (type !== HOST_NAME) continue;
    if (found !== null) return null;
    const text = asciiOf(name).toLowerCase();
    if (text.length > LONGEST_NAME || !/^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(text)) return null;
    found = text;
  }
  return found;
}

function protocolNames(body: Fields): readonly string[] | null {
  const list = new Fields(body.take(body.u16()));
  if (body.isBroken || !body.isOver) return null;
  const names: string[] = [];
  while (!list.isOver) {
    const name = list.take(list.u8());
    if (list.isBroken || name.length === 0) return null;
    if (names.length < MOST_PROTOCOLS) names.push(asciiOf(name));
  }
  return names;
}

function asciiOf(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/** Reads fields of known size; once one is cut, all that follow are empty. */
class Fields {
  readonly #bytes: Uint8Array;
  #at = 0;
  #isBroken = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isOver(): boolean {
    return this.#isBroken || this.#at >= this.#bytes.length;
  }

  get isBroken(): boolean {
    return this.#isBroken;
  }

  take(size: number): Uint8Array {
    const end = this.#at + size;
    if (this.#isBroken || end > this.#bytes.length) {
      this.#isBroken = true;
      return new Uint8Array();
    }
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  /** Takes bytes that have their length before them. */
  counted(): Uint8Array {
    return this.take(this.u16());
  }

  skip(size: number): void {
    this.take(size);
  }

  u8(): number {
    return this.take(1)[0] ?? 0;
  }

  u16(): number {
    const bytes = this.take(2);
    return this.#isBroken ? 0 : bytes[0]! << 8 | bytes[1]!;
  }
}
