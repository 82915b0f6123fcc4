import { concat } from "../../base/bytes.ts";
import { ProtocolError } from "../../base/errors.ts";
import { Reader, varint, writeVarint } from "../../base/varint.ts";

/** Types of messages (docs/wire/transfer.md). */
export const MessageType = {
  hello: 0x00,
  announce: 0x01,
  entries: 0x02,
  begin: 0x03,
  data: 0x04,
  piece: 0x05,
  end: 0x06,
  failed: 0x07,
  done: 0x08,
  accept: 0x10,
  want: 0x11,
  hashes: 0x12,
  skip: 0x13,
  verdict: 0x14,
  refuse: 0x20,
} as const;

export const VERSION = 1;

/** Bytes of a message's body. */
export const LONGEST_BODY = 64 * 1024;

/** Bytes of words for the user at the other end. */
export const LONGEST_WORDS = 1024;

export const HASH_SIZE = 32;

/** Part that the opener of the stream has. */
export type Role = "sends" | "receives";

const ROLES = ["sends", "receives"] as const;

/** The sender cannot go on with a file. */
export const Failure = { changed: 0, unreadable: 1 } as const;
const MOST_FAILURE = 1;

export type Message =
  | { readonly kind: "hello"; readonly version: number; readonly role: Role }
  /** Entries and bytes of all files that follow. */
  | { readonly kind: "announce"; readonly entries: number; readonly bytes: number }
  /** `body` has entries (entry.ts), and is a view. */
  | { readonly kind: "entries"; readonly body: Uint8Array }
  /** A file's data follows from this piece on. */
  | { readonly kind: "begin"; readonly index: number; readonly piece: number }
  /** A view. */
  | { readonly kind: "data"; readonly bytes: Uint8Array }
  /** SHA-256 of the piece that is complete. */
  | { readonly kind: "piece"; readonly hash: Uint8Array }
  /** SHA-256 of the whole file, which is complete. */
  | { readonly kind: "end"; readonly hash: Uint8Array }
  | { readonly kind: "failed"; readonly index: number; readonly failure: number }
  | { readonly kind: "done" }
  | { readonly kind: "accept" }
  /** Asks for a file of which `pieces` are there, whose hashes follow. `compares`: no data is wanted. */
  | {
    readonly kind: "want";
    readonly index: number;
    readonly pieces: number;
    readonly compares: boolean;
  }
  /** A view of hashes, one after the other. */
  | { readonly kind: "hashes"; readonly hashes: Uint8Array }
  /** The receiver does not take a file. */
  | { readonly kind: "skip"; readonly index: number }
  /** Files that are there now, and files that are not. */
  | { readonly kind: "verdict"; readonly complete: number; readonly missing: number }
  /** Nothing goes on; words for the user. */
  | { readonly kind: "refuse"; readonly words: string };

export function packMessage(message: Exclude<Message, { kind: "data" }>): Uint8Array {
  const body = packBody(message);
  return concat(Uint8Array.of(MessageType[message.kind]), varint(body.length), body);
}

function packBody(message: Exclude<Message, { kind: "data" }>): Uint8Array {
  switch (message.kind) {
    case "hello":
      return Uint8Array.of(message.version, ROLES.indexOf(message.role));
    case "announce":
      return concat(varint(message.entries), varint(message.bytes));
    case "entries":
      return message.body;
    case "begin":
      return concat(varint(message.index), varint(message.piece));
    case "piece":
    case "end":
      return message.hash;
    case "failed":
      return concat(varint(message.index), varint(message.failure));
    case "want":
      return concat(
        varint(message.index),
        varint(message.pieces),
        Uint8Array.of(message.compares ? 1 : 0),
      );
    case "hashes":
      return message.hashes;
    case "skip":
      return varint(message.index);
    case "verdict":
      return concat(varint(message.complete), varint(message.missing));
    case "refuse":
      return shortWords(message.words);
    default:
      return EMPTY;
  }
}

const EMPTY = new Uint8Array();

/** Cuts words at a character's end. */
function shortWords(words: string): Uint8Array {
  const bytes = new Uint8Array(LONGEST_WORDS);
  const { written } = new TextEncoder().encodeInto(words, bytes);
  return bytes.subarray(0, written);
}

/** Bytes in front of data, whatever its length: so both can be written as they lie. */
export const DATA_HEADER = 5;

/** Writes the header of so much data to the front of `into`. */
export function writeDataHeader(into: Uint8Array, length: number): void {
  into[0] = MessageType.data;
  writeVarint(into, 1, length, 4);
}

/** Bytes of the longest message. */
export const LONGEST_MESSAGE = 1 + 4 + LONGEST_BODY;

/** Finds messages in a stream of bytes, in memory of its own that is limited from the beginning. */
export class MessageBuffer {
  readonly #bytes: Uint8Array;
  #from = 0;
  #to = 0;

  constructor(size: number = 4 * LONGEST_MESSAGE) {
    this.#bytes = new Uint8Array(size);
  }

  /** Returns memory for bytes that have come; views of earlier messages are not valid any more. */
  room(): Uint8Array {
    if (this.#from === this.#to) this.#from = this.#to = 0;
    else if (this.#bytes.length - this.#to < LONGEST_MESSAGE) {
      this.#bytes.copyWithin(0, this.#from, this.#to);
      this.#to -= this.#from;
      this.#from = 0;
    }
    return this.#bytes.subarray(this.#to);
  }

  /** Takes bytes that have come to the front of `room`. */
  filled(bytes: number): void {
    this.#to += bytes;
  }

  /** True if a message has begun, and is not complete. */
  get isInside(): boolean {
    return this.#from < this.#to;
  }

  /** Returns the words of a refusal behind messages that were not taken yet; null = none is there. */
  refusal(): string | null {
    for (let at = this.#from; this.#to - at >= 2;) {
      const size = 1 << (this.#bytes[at + 1]! >>> 6);
      if (this.#to - at < 1 + size) return null;
      const reader = new Reader(this.#bytes, at + 1, this.#to);
      const length = reader.varint();
      if (reader.at + length > this.#to) return null;
      if (this.#bytes[at] === MessageType.refuse) {
        return new TextDecoder().decode(reader.take(length));
      }
      at = reader.at + length;
    }
    return null;
  }

  /** Returns the next message, whose views are valid until `room`; null = it is not complete. */
  next(): Message | null {
    const have = this.#to - this.#from;
    if (have < 2) return null;
    const size = 1 << (this.#bytes[this.#from + 1]! >>> 6);
    if (have < 1 + size) return null;
    const reader = new Reader(this.#bytes, this.#from, this.#to);
    const type = reader.u8();
    const length = reader.varint();
    if (length > LONGEST_BODY) {
      throw new ProtocolError(`Cannot read a transfer: a message of ${length} bytes`);
    }
    if (reader.at + length > this.#to) return null;
    reader.end = this.#from = reader.at + length;
    const message = readBody(type, reader);
    if (!reader.isAtEnd) {
      throw new ProtocolError("Cannot read a transfer: a message is too long");
    }
    return message;
  }
}

function readBody(type: number, reader: Reader): Message {
  const length = reader.end - reader.at;
  switch (type) {
    case MessageType.hello:
      return { kind: "hello", version: reader.u8(), role: readRole(reader) };
    case MessageType.announce:
      return { kind: "announce", entries: reader.varint(), bytes: reader.varint() };
    case MessageType.entries:
      return { kind: "entries", body: reader.take(length) };
    case MessageType.begin:
      return { kind: "begin", index: reader.varint(), piece: reader.varint() };
    case MessageType.data:
      if (length === 0) throw new ProtocolError("Cannot read a transfer: data without bytes");
      return { kind: "data", bytes: reader.take(length) };
    case MessageType.piece:
      return { kind: "piece", hash: reader.take(HASH_SIZE).slice() };
    case MessageType.end:
      return { kind: "end", hash: reader.take(HASH_SIZE).slice() };
    case MessageType.failed:
      return { kind: "failed", index: reader.varint(), failure: readFailure(reader) };
    case MessageType.done:
      return { kind: "done" };
    case MessageType.accept:
      return { kind: "accept" };
    case MessageType.want:
      return {
        kind: "want",
        index: reader.varint(),
        pieces: reader.varint(),
        compares: readFlag(reader),
      };
    case MessageType.hashes:
      if (length === 0 || length % HASH_SIZE !== 0) {
        throw new ProtocolError("Cannot read a transfer: hashes are cut short");
      }
      return { kind: "hashes", hashes: reader.take(length) };
    case MessageType.skip:
      return { kind: "skip", index: reader.varint() };
    case MessageType.verdict:
      return { kind: "verdict", complete: reader.varint(), missing: reader.varint() };
    case MessageType.refuse:
      if (length > LONGEST_WORDS) {
        throw new ProtocolError(`Cannot read a transfer: words of ${length} bytes`);
      }
      return { kind: "refuse", words: new TextDecoder().decode(reader.take(length)) };
    default:
      throw new ProtocolError(`Cannot read a transfer: an unknown message (${type})`);
  }
}

function readRole(reader: Reader): Role {
  const role = ROLES[reader.u8()];
  if (role === undefined) throw new ProtocolError("Cannot read a transfer: an unknown role");
  return role;
}

function readFailure(reader: Reader): number {
  const failure = reader.varint();
  if (failure > MOST_FAILURE) throw new ProtocolError("Cannot read a transfer: an unknown failure");
  return failure;
}

function readFlag(reader: Reader): boolean {
  const flag = reader.u8();
  if (flag > 1) throw new ProtocolError("Cannot read a transfer: a flag is neither 0 nor 1");
  return flag === 1;
}

/** Words of a message that comes out of turn. */
export function outOfTurn(message: Message | null): ProtocolError {
  const what = message === null ? "the end" : `"${message.kind}"`;
  return new ProtocolError(`Cannot go on with the transfer: ${what} comes out of turn`);
}
