import { concat, utf8 } from "../../../base/bytes.ts";
import { allocSmall } from "../../../base/small_alloc.ts";
import { Reader, varintSize, writeVarint } from "../../../base/varint.ts";
import {
  isName,
  MAX_KEY,
  MAX_VALUE,
  type MeshRecord,
  type RecordName,
  splitKey,
} from "../record.ts";
import { readVersion, VERSION_SIZE, versionBytes } from "../version.ts";
import { type Codec, damaged, readText } from "./codec.ts";

/** Times are Unix milliseconds of 48 bits. */
const LATEST = 2 ** 48 - 1;

const TOMBSTONE = 1;
const SOFT = 2;

/** Flags u8, version (24 B), expiry v, bucket and child, each behind its length (v), then the value. */
export const recordCodec: Codec<MeshRecord> = {
  write: (record) => {
    const { bucket, child, value, version, expiry } = record;
    const name = nameBytes(bucket, child);
    const head = 1 + VERSION_SIZE + varintSize(expiry);
    const bytes = allocSmall(head + name.length + value.length);
    bytes[0] = recordFlags(record);
    bytes.set(versionBytes(version), 1);
    writeVarint(bytes, 1 + VERSION_SIZE, expiry);
    bytes.set(name, head);
    bytes.set(value, head + name.length);
    return bytes;
  },
  read: (bytes) => {
    const reader = new Reader(bytes);
    const flags = reader.u8();
    if ((flags & ~(TOMBSTONE | SOFT)) !== 0) throw damaged("a record has unknown flags");
    const version = readVersion(reader.take(VERSION_SIZE));
    const expiry = reader.varint();
    if (expiry > LATEST) throw damaged("a record expires too late");
    const name = readName(reader);
    const size = reader.end - reader.at;
    const isTombstone = (flags & TOMBSTONE) !== 0;
    if (size > MAX_VALUE) throw damaged("a record's value is too long");
    if (isTombstone && size > 0) throw damaged("a tombstone has a value");
    const value = reader.take(size).slice(); // lives long: memory of its own
    const kind = (flags & SOFT) !== 0 ? "soft" : "durable";
    return { ...name, value, version, expiry, isTombstone, class: kind };
  },
};

export function recordFlags({ isTombstone, class: kind }: MeshRecord): number {
  return (isTombstone ? TOMBSTONE : 0) | (kind === "soft" ? SOFT : 0);
}

/** Version (24 B), then bucket and child as in a record. */
export const recordNameCodec: Codec<RecordName> = {
  write: ({ bucket, child, version }) => concat(versionBytes(version), nameBytes(bucket, child)),
  read: (bytes) => {
    const reader = new Reader(bytes);
    const version = readVersion(reader.take(VERSION_SIZE));
    const name = readName(reader);
    if (!reader.isAtEnd) throw damaged("a name is too long");
    return { ...name, version };
  },
};

/** A bucket alone. */
export const bucketCodec: Codec<string> = {
  write: utf8,
  read: (bytes) => bucketOf(readText(bytes.subarray(0, MAX_KEY + 1))),
};

function nameBytes(bucket: string, child: string): Uint8Array {
  const [first, second] = [utf8(bucket), utf8(child)];
  const [behind, size] = [varintSize(first.length), varintSize(second.length)];
  const bytes = allocSmall(behind + first.length + size + second.length);
  bytes.set(first, writeVarint(bytes, 0, first.length));
  bytes.set(second, writeVarint(bytes, behind + first.length, second.length));
  return bytes;
}

function readName(reader: Reader): { bucket: string; child: string } {
  const bucket = readText(reader.take(reader.varint()));
  const child = readText(reader.take(reader.varint()));
  if (!isName(bucket, child)) throw damaged("a record's name is no key");
  return { bucket, child };
}

function bucketOf(bucket: string): string {
  if (splitKey(bucket)?.child !== "") throw damaged("a bucket's name is none");
  return bucket;
}
