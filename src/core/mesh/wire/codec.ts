import { concat, utf8 } from "../../../base/bytes.ts";
import { ProtocolError } from "../../../base/errors.ts";
import { Reader, varint } from "../../../base/varint.ts";
import { POSITION_SIZE, readPosition, writePosition } from "../circle.ts";

/** Writes and reads one value as bytes. `read` takes all of them. */
export interface Codec<T> {
  write(value: T): Uint8Array;
  /** @throws {ProtocolError} */
  read(bytes: Uint8Array): T;
}

export function damaged(why: string): ProtocolError {
  return new ProtocolError(`Cannot read a frame of the mesh: ${why}`);
}

/** A whole number from 0 to `most`; a fraction is left off. */
export function uint(most: number = Number.MAX_SAFE_INTEGER): Codec<number> {
  return {
    write: (value) => varint(Math.floor(value)),
    read: (bytes) => {
      const reader = new Reader(bytes);
      const value = reader.varint();
      if (!reader.isAtEnd) throw damaged("a number is too long");
      if (value > most) throw damaged(`a number is above ${most}`);
      return value;
    },
  };
}

/** True where it stands; false is left out. */
export const flag: Codec<boolean> = {
  write: () => new Uint8Array(),
  read: (bytes) => {
    if (bytes.length > 0) throw damaged("a flag has a value");
    return true;
  },
};

/** Copied, so that they keep no larger buffer alive. */
export function bytesUpTo(most: number): Codec<Uint8Array> {
  return {
    write: (value) => value,
    read: (bytes) => {
      if (bytes.length > most) throw damaged(`a value has more than ${most} bytes`);
      return bytes.slice();
    },
  };
}

export function bytesOf(size: number): Codec<Uint8Array> {
  return {
    write: (value) => value,
    read: (bytes) => {
      if (bytes.length !== size) throw damaged(`a value has other than ${size} bytes`);
      return bytes.slice();
    },
  };
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** UTF-8 of at most so many bytes. */
export function text(most: number): Codec<string> {
  return {
    write: utf8,
    read: (bytes) => {
      if (bytes.length > most) throw damaged(`a text has more than ${most} bytes`);
      return readText(bytes);
    },
  };
}

/** Up to this length, and of ASCII, a text is faster in a loop than by a decoder. */
const SHORT_TEXT = 64;

export function readText(bytes: Uint8Array): string {
  if (bytes.length <= SHORT_TEXT && isAscii(bytes)) {
    return String.fromCharCode.apply(null, bytes as unknown as number[]);
  }
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new ProtocolError("Cannot read a frame of the mesh: a text is not UTF-8", { cause });
  }
}

function isAscii(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (bytes[i]! >= 0x80) return false;
  return true;
}

/** 16 bytes: a position, or another number below 2^128. */
export const u128: Codec<bigint> = {
  write: u128Bytes,
  read: (bytes) => {
    if (bytes.length !== POSITION_SIZE) throw damaged("a position has other than 16 bytes");
    return readPosition(bytes);
  },
};

export function u128Bytes(value: bigint): Uint8Array {
  const bytes = new Uint8Array(POSITION_SIZE);
  writePosition(bytes, 0, value);
  return bytes;
}

/** 8 bytes. */
export const u64: Codec<bigint> = {
  write: u64Bytes,
  read: (bytes) => {
    if (bytes.length !== 8) throw damaged("a number has other than 8 bytes");
    return readU64(bytes);
  },
};

export function u64Bytes(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value);
  return bytes;
}

export function readU64(bytes: Uint8Array, at = 0): bigint {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(at);
}

/** One of these words, by its place among them; `other` for one that a later version has added. */
export function word<W extends string>(words: readonly W[], other?: W): Codec<W> {
  const written = words.map((_, i) => Uint8Array.of(i));
  return {
    write: (value) => written[words.indexOf(value)]!,
    read: (bytes) => {
      const found = bytes.length === 1 ? words[bytes[0]!] ?? other : undefined;
      if (found === undefined) throw damaged("a word is none of those that there are");
      return found;
    },
  };
}

/** At most so many values, each behind its length. */
export function list<T>(item: Codec<T>, most: number): Codec<readonly T[]> {
  return {
    write: (values) =>
      concat(...values.flatMap((value) => {
        const bytes = item.write(value);
        return [varint(bytes.length), bytes];
      })),
    read: (bytes) => {
      const reader = new Reader(bytes);
      const found: T[] = [];
      while (!reader.isAtEnd) {
        if (found.length === most) throw damaged(`a list has more than ${most} values`);
        found.push(item.read(reader.take(reader.varint())));
      }
      return found;
    },
  };
}

/** At most so many numbers (v), one behind the other. */
export function numbers(most: number): Codec<readonly number[]> {
  return {
    write: (values) => concat(...values.map(varint)),
    read: (bytes) => {
      const reader = new Reader(bytes);
      const found: number[] = [];
      while (!reader.isAtEnd) {
        if (found.length === most) throw damaged(`a list has more than ${most} numbers`);
        found.push(reader.varint());
      }
      return found;
    },
  };
}

/** Writes and reads another value in the place of one. */
export function mapped<T, W>(
  codec: Codec<W>,
  to: (value: T) => W,
  from: (value: W) => T,
): Codec<T> {
  return {
    write: (value) => codec.write(to(value)),
    read: (bytes) => from(codec.read(bytes)),
  };
}
