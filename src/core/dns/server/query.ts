import { readU16 } from "../../../base/bytes.ts";
import { TYPE } from "./record.ts";

export const HEADER_SIZE = 12;
const RESPONSE = 0x8000;
const OPCODE = 0x7800;

/** Codes of an answer (RFC 1035 section 4.1.1, RFC 6891 section 9). */
export const RCODE = {
  noError: 0,
  formErr: 1,
  servFail: 2,
  nxDomain: 3,
  notImp: 4,
  refused: 5,
  badVers: 16,
} as const;

const MOST_NAME = 255;
const CLASS_IN = 1;

/** A question that a client asks, as far as it is needed to answer it. */
export interface DnsQuery {
  readonly id: number;
  /** Upper half of the header. */
  readonly flags: number;
  /** The question with type and class, byte for byte: clients compare it. */
  readonly question: Uint8Array;
  /** In lower case, with dots between; bytes that no name of a zone has are written as \DDD. */
  readonly name: string;
  readonly type: number;
  /** Null = the client does not speak EDNS (RFC 6891). */
  readonly edns: { readonly size: number; readonly wantsSecurity: boolean } | null;
}

export type ReadQuery =
  | { readonly kind: "query"; readonly query: DnsQuery }
  /** It is answered by a code alone. `query`: null = its question cannot be read. */
  | {
    readonly kind: "refused";
    readonly id: number;
    readonly flags: number;
    readonly rcode: number;
    readonly query: DnsQuery | null;
  }
  /** It is none, or an answer itself: two servers would answer each other for ever. */
  | { readonly kind: "dropped" };

/** Reads what a stranger has sent. Never throws. */
export function readQuery(bytes: Uint8Array): ReadQuery {
  if (bytes.length < HEADER_SIZE) return { kind: "dropped" };
  const [id, flags] = [readU16(bytes, 0), readU16(bytes, 2)];
  if ((flags & RESPONSE) !== 0) return { kind: "dropped" };
  const refused = (rcode: number, query: DnsQuery | null = null): ReadQuery => {
    return { kind: "refused", id, flags, rcode, query };
  };
  if ((flags & OPCODE) !== 0) return refused(RCODE.notImp);
  const [questions, answers, authorities, additionals] = [4, 6, 8, 10].map((at) =>
    readU16(bytes, at)
  );
  // A transfer that asks for changes has a record there, and is not for us anyway.
  if (questions !== 1 || answers !== 0 || authorities! > 1) return refused(RCODE.formErr);
  const read = readQuestion(bytes);
  if (read === null) return refused(RCODE.formErr);
  const { name, end } = read;
  const type = readU16(bytes, end - 4);
  const question = bytes.slice(HEADER_SIZE, end);
  const plain = { id, flags, question, name, type };
  const options = readOptions(bytes, end, authorities! + additionals!);
  if (options === "damaged") return refused(RCODE.formErr);
  const edns = options === null
    ? null
    : { size: options.size, wantsSecurity: options.wantsSecurity };
  const query = { ...plain, edns };
  if (options !== null && options.version !== 0) return refused(RCODE.badVers, query);
  if (readU16(bytes, end - 2) !== CLASS_IN) return refused(RCODE.refused, query);
  if (type === TYPE.OPT) return refused(RCODE.formErr);
  if (type === TYPE.AXFR || type === TYPE.IXFR) return refused(RCODE.refused, query);
  return { kind: "query", query };
}

/** Reads a name without compression, which a question has no use for; `end`: behind type and class. */
function readQuestion(bytes: Uint8Array): { name: string; end: number } | null {
  const labels: string[] = [];
  let at = HEADER_SIZE;
  for (;;) {
    const length = bytes[at];
    if (length === undefined || length > 63) return null;
    at++;
    if (length === 0) break;
    if (at + length > bytes.length || at + length - HEADER_SIZE >= MOST_NAME) return null;
    labels.push(labelText(bytes.subarray(at, at + length)));
    at += length;
  }
  return at + 4 <= bytes.length ? { name: labels.join("."), end: at + 4 } : null;
}

function labelText(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) {
    const lower = byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
    const char = String.fromCharCode(lower);
    text += /[a-z0-9_-]/.test(char) ? char : `\\${String(byte).padStart(3, "0")}`;
  }
  return text;
}

interface Options {
  readonly size: number;
  readonly version: number;
  readonly wantsSecurity: boolean;
}

/** Looks through the records behind the question for the one of EDNS; null = there is none. */
function readOptions(bytes: Uint8Array, start: number, count: number): Options | null | "damaged" {
  let found: Options | null = null;
  let at = start;
  for (let left = count; left > 0; left--) {
    const isRoot = bytes[at] === 0;
    const fixed = skipName(bytes, at);
    if (fixed === null || fixed + 10 > bytes.length) return "damaged";
    const type = readU16(bytes, fixed);
    at = fixed + 10 + readU16(bytes, fixed + 8);
    if (at > bytes.length) return "damaged";
    if (type !== TYPE.OPT) continue;
    if (!isRoot || found !== null) return "damaged";
    found = {
      size: readU16(bytes, fixed + 2),
      version: bytes[fixed + 5]!,
      wantsSecurity: (bytes[fixed + 6]! & 0x80) !== 0,
    };
  }
  return at === bytes.length ? found : "damaged";
}

/** Returns what follows a name, which may end in a pointer; null = it breaks off. */
function skipName(bytes: Uint8Array, start: number): number | null {
  for (let at = start;;) {
    const length = bytes[at];
    if (length === undefined) return null;
    if (length >= 0xc0) return at + 2;
    if (length > 63 || at - start > MOST_NAME) return null;
    at += length + 1;
    if (length === 0) return at;
  }
}

/** Returns the name of a question that can be read; null = there is none. */
export function askedName(bytes: Uint8Array): string | null {
  const read = readQuery(bytes);
  return read.kind === "query" ? read.query.name : null;
}
