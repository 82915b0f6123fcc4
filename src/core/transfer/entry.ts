import { concat, utf8, writeU16 } from "../../base/bytes.ts";
import { ProtocolError } from "../../base/errors.ts";
import { type Reader, varint } from "../../base/varint.ts";
import type { FileTime } from "../../contract/files.ts";
import { LONGEST_NAME } from "./names.ts";

/** `stream`: a file whose size nobody knows, as it comes from another program. */
const KINDS = ["file", "folder", "stream"] as const;

export type EntryKind = typeof KINDS[number];

/** A file or folder that is announced. */
export interface Entry {
  readonly kind: EntryKind;
  /** Its parts are separated by slashes. */
  readonly name: string;
  /** Permission bits, without setuid, setgid and the sticky bit. */
  readonly mode: number;
  readonly modified: FileTime;
  /** Bytes; 0 of a folder and of a stream. */
  readonly size: number;
}

/** Permission bits that are carried. */
export const MODE_BITS = 0o777;

/** Times beyond are sent as this one: some file systems have them. */
const MOST_SECONDS = 2 ** 51;
const NANOSECONDS = 1e9;

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function packEntry({ kind, name, mode, modified, size }: Entry): Uint8Array {
  const bits = new Uint8Array(2);
  writeU16(bits, 0, mode & MODE_BITS);
  const bytes = utf8(name);
  const { nanoseconds } = modified;
  const seconds = Math.max(-MOST_SECONDS, Math.min(modified.seconds, MOST_SECONDS));
  return concat(
    Uint8Array.of(KINDS.indexOf(kind)),
    bits,
    varint(seconds < 0 ? -2 * seconds - 1 : 2 * seconds),
    varint(nanoseconds),
    varint(size),
    varint(bytes.length),
    bytes,
  );
}

/** @throws {ProtocolError} where that is no entry; the name itself is judged by `nameFault` */
export function readEntry(reader: Reader): Entry {
  const kind = KINDS[reader.u8()];
  if (kind === undefined) throw new ProtocolError("Cannot read a file's entry: unknown kind");
  const mode = reader.u8() << 8 | reader.u8();
  if ((mode & ~MODE_BITS) !== 0) {
    throw new ProtocolError("Cannot read a file's entry: its mode has other bits than permissions");
  }
  const zigzag = reader.varint();
  const seconds = zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
  const nanoseconds = reader.varint();
  if (Math.abs(seconds) > MOST_SECONDS || nanoseconds >= NANOSECONDS) {
    throw new ProtocolError("Cannot read a file's entry: its time is none");
  }
  const size = reader.varint();
  if (kind !== "file" && size !== 0) {
    throw new ProtocolError("Cannot read a file's entry: a folder or stream has no size");
  }
  const length = reader.varint();
  if (length > LONGEST_NAME) {
    throw new ProtocolError(`Cannot read a file's entry: its name has ${length} bytes`);
  }
  return { kind, mode, modified: { seconds, nanoseconds }, size, name: readName(reader, length) };
}

function readName(reader: Reader, length: number): string {
  try {
    return UTF8.decode(reader.take(length));
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new ProtocolError("Cannot read a file's entry: its name is not UTF-8");
  }
}
