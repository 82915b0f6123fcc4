import { concat, utf8 } from "../../../base/bytes.ts";
import { ProtocolError } from "../../../base/errors.ts";
import { Reader, varint } from "../../../base/varint.ts";
import { MAX_KEY, MAX_PAGE, MAX_REQUEST_ID, MAX_VALUE } from "./limits.ts";
import type { CoreAnswer, CoreEntry, CoreRequest } from "./request.ts";

/**
 * Requests to the core and their answers as bytes: the body of frames of type 30 (docs/wire/mesh.md).
 * `version u8 | epoch v | type u8 | fields`, where texts and bytes have their length before them, v
 * is a QUIC varint, and a number that may be absent is one more than it is, or 0.
 */
const VERSION = 1;

/** With each message goes the newest epoch of the core that its sender knows. */
export interface CoreMessage<T> {
  epoch: number;
  content: T;
}

const REQUESTS = [
  ...["get", "put", "delete", "list", "changes"],
  ...["grant", "renew", "end", "info"],
] as CoreRequest["type"][];

const ANSWERS = [
  ...["entry", "written", "unmet", "page", "changes"],
  ...["reset", "done", "info", "error"],
] as CoreAnswer["type"][];

const REASONS = ["unsupported", "unavailable", "limit", "skew", "denied", "closed"] as const;

/** A session's id, and words of an error. */
const MAX_SESSION = 64;
const MAX_WORDS = 512;

export function encodeCoreRequest({ epoch, content }: CoreMessage<CoreRequest>): Uint8Array {
  const head = [VERSION, ...varint(epoch), REQUESTS.indexOf(content.type)];
  return concat(Uint8Array.from(head), ...requestFields(content));
}

export function encodeCoreAnswer({ epoch, content }: CoreMessage<CoreAnswer>): Uint8Array {
  const head = [VERSION, ...varint(epoch), ANSWERS.indexOf(content.type)];
  return concat(Uint8Array.from(head), ...answerFields(content));
}

/** @throws {ProtocolError} */
export function decodeCoreRequest(bytes: Uint8Array): CoreMessage<CoreRequest> {
  return decode(bytes, (reader, type) => readRequest(reader, REQUESTS[type]));
}

/** @throws {ProtocolError} */
export function decodeCoreAnswer(bytes: Uint8Array): CoreMessage<CoreAnswer> {
  return decode(bytes, (reader, type) => readAnswer(reader, ANSWERS[type]));
}

function requestFields(request: CoreRequest): Uint8Array[] {
  switch (request.type) {
    case "get":
      return [text(request.key)];
    case "put":
      return [
        text(request.key),
        condition(request.if),
        optional(request.ttlMs),
        text(request.session ?? ""),
        text(request.requestId ?? ""),
        lengthAnd(request.value),
      ];
    case "delete":
      return [text(request.key), condition(request.if), text(request.requestId ?? "")];
    case "list":
      return [text(request.prefix), text(request.after ?? ""), varint(request.limit)];
    case "changes":
      return [text(request.prefix), condition(request.from)];
    case "grant":
      return [text(request.session), varint(request.ttlMs)];
    case "renew":
    case "end":
      return [text(request.session)];
    case "info":
      return [];
    default:
      return request satisfies never;
  }
}

function readRequest(reader: Reader, type: CoreRequest["type"] | undefined): CoreRequest {
  switch (type) {
    case "get":
      return { type, key: readText(reader, MAX_KEY) };
    case "put": {
      const key = readText(reader, MAX_KEY);
      const required = readCondition(reader);
      const ttlMs = readOptional(reader);
      const session = readText(reader, MAX_SESSION);
      const requestId = readText(reader, MAX_REQUEST_ID);
      return {
        type,
        key,
        value: readBytes(reader, MAX_VALUE),
        ...required === undefined ? {} : { if: required },
        ...ttlMs === undefined ? {} : { ttlMs },
        ...session === "" ? {} : { session },
        ...requestId === "" ? {} : { requestId },
      };
    }
    case "delete": {
      const key = readText(reader, MAX_KEY);
      const required = readCondition(reader);
      const requestId = readText(reader, MAX_REQUEST_ID);
      return {
        type,
        key,
        ...required === undefined ? {} : { if: required },
        ...requestId === "" ? {} : { requestId },
      };
    }
    case "list": {
      const prefix = readText(reader, MAX_KEY);
      const after = readText(reader, MAX_KEY);
      return { type, prefix, limit: reader.varint(), ...after === "" ? {} : { after } };
    }
    case "changes":
      return { type, prefix: readText(reader, MAX_KEY), from: readCondition(reader) ?? -1 };
    case "grant":
      return { type, session: readText(reader, MAX_SESSION), ttlMs: reader.varint() };
    case "renew":
    case "end":
      return { type, session: readText(reader, MAX_SESSION) };
    case "info":
      return { type };
    default:
      throw new ProtocolError("Cannot read a message of the core: unknown type");
  }
}

function answerFields(answer: CoreAnswer): Uint8Array[] {
  switch (answer.type) {
    case "entry":
      return [entryOrNone(answer.entry)];
    case "written":
      return [varint(answer.rev)];
    case "unmet":
      return [entryOrNone(answer.current)];
    case "page":
      return [
        varint(answer.cursor),
        Uint8Array.of(answer.more ? 1 : 0),
        varint(answer.entries.length),
        ...answer.entries.map(entry),
      ];
    case "changes":
      return [
        varint(answer.cursor),
        varint(answer.changes.length),
        ...answer.changes.map((change) =>
          concat(varint(change.rev), text(change.key), entryOrNone(change.entry))
        ),
      ];
    case "reset":
      return [varint(answer.cursor)];
    case "done":
      return [];
    case "info":
      return [answer.epoch, answer.revision, answer.keys, answer.bytes, answer.sessions].map((n) =>
        varint(n)
      );
    case "error":
      return [
        Uint8Array.of(REASONS.indexOf(answer.reason), answer.outcome === "unknown" ? 1 : 0),
        lengthAnd(utf8(answer.message).subarray(0, MAX_WORDS)),
      ];
    default:
      return answer satisfies never;
  }
}

function readAnswer(reader: Reader, type: CoreAnswer["type"] | undefined): CoreAnswer {
  switch (type) {
    case "entry":
      return { type, entry: readEntryOrNone(reader) };
    case "written":
      return { type, rev: reader.varint() };
    case "unmet":
      return { type, current: readEntryOrNone(reader) };
    case "page": {
      const cursor = reader.varint();
      const more = reader.u8() === 1;
      return { type, cursor, more, entries: readAll(reader, readEntry) };
    }
    case "changes": {
      const cursor = reader.varint();
      const changes = readAll(reader, () => ({
        rev: reader.varint(),
        key: readText(reader, MAX_KEY),
        entry: readEntryOrNone(reader),
      }));
      return { type, cursor, changes };
    }
    case "reset":
      return { type, cursor: reader.varint() };
    case "done":
      return { type };
    case "info":
      return {
        type,
        epoch: reader.varint(),
        revision: reader.varint(),
        keys: reader.varint(),
        bytes: reader.varint(),
        sessions: reader.varint(),
      };
    case "error": {
      const reason = REASONS[reader.u8()] ?? "unavailable";
      const outcome = reader.u8() === 1 ? "unknown" : "none";
      return { type, reason, outcome, message: readText(reader, MAX_WORDS) };
    }
    default:
      throw new ProtocolError("Cannot read a message of the core: unknown type");
  }
}

/** Most changes of one answer: one command may have ended a session with many keys. */
const MAX_LIST = 100 * MAX_PAGE;

function readAll<T>(reader: Reader, read: (reader: Reader) => T): T[] {
  const count = reader.varint();
  if (count > MAX_LIST) throw new ProtocolError("Cannot read a message of the core: a long list");
  const all: T[] = [];
  while (all.length < count) all.push(read(reader));
  return all;
}

function entry({ key, rev, session, expiresInMs, value }: CoreEntry): Uint8Array {
  return concat(text(key), varint(rev), text(session), varint(expiresInMs), lengthAnd(value));
}

function readEntry(reader: Reader): CoreEntry {
  return {
    key: readText(reader, MAX_KEY),
    rev: reader.varint(),
    session: readText(reader, MAX_SESSION),
    expiresInMs: reader.varint(),
    value: readBytes(reader, MAX_VALUE),
  };
}

function entryOrNone(found: CoreEntry | null): Uint8Array {
  return found === null ? Uint8Array.of(0) : concat(Uint8Array.of(1), entry(found));
}

function readEntryOrNone(reader: Reader): CoreEntry | null {
  return reader.u8() === 0 ? null : readEntry(reader);
}

/** -1 stands for a condition that nothing meets. */
function condition(value: number | undefined): Uint8Array {
  return varint(value === undefined ? 0 : value + 2);
}

function readCondition(reader: Reader): number | undefined {
  const value = reader.varint();
  return value === 0 ? undefined : value - 2;
}

function optional(value: number | undefined): Uint8Array {
  return varint(value === undefined ? 0 : value + 1);
}

function readOptional(reader: Reader): number | undefined {
  const value = reader.varint();
  return value === 0 ? undefined : value - 1;
}

function text(value: string): Uint8Array {
  return lengthAnd(utf8(value));
}

function lengthAnd(bytes: Uint8Array): Uint8Array {
  return concat(varint(bytes.length), bytes);
}

function readBytes(reader: Reader, most: number): Uint8Array {
  const length = reader.varint();
  if (length > most) throw new ProtocolError("Cannot read a message of the core: a long field");
  return reader.take(length).slice();
}

const decoder = new TextDecoder();

function readText(reader: Reader, most: number): string {
  return decoder.decode(readBytes(reader, most));
}

function decode<T>(bytes: Uint8Array, read: (reader: Reader, type: number) => T): CoreMessage<T> {
  const reader = new Reader(bytes);
  if (reader.u8() !== VERSION) {
    throw new ProtocolError("Cannot read a message of the core: it is of another version");
  }
  const epoch = reader.varint();
  const content = read(reader, reader.u8());
  if (!reader.isAtEnd) throw new ProtocolError("Cannot read a message of the core: it is too long");
  return { epoch, content };
}
