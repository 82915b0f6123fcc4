import { allocSmall } from "../../../base/small_alloc.ts";
import { Reader, varintSize, writeVarint } from "../../../base/varint.ts";
import { type Codec, damaged } from "./codec.ts";

/** Types of TLVs from here on are later additions: ends that do not know them skip them. */
export const SKIPPABLE = 0x80;

/** One field of a struct as a TLV. */
export interface Field<V> {
  readonly tag: number;
  readonly codec: Codec<V>;
  /** The value of a field that is left out; absent = it must stand there. */
  readonly absent?: { readonly value: V };
}

export type Fields<T> = { readonly [K in keyof T]-?: Field<T[K]> };

export function required<V>(tag: number, codec: Codec<V>): Field<V> {
  return { tag, codec };
}

/** A field that is left out where it has that value. */
export function optional<V>(tag: number, codec: Codec<V>, value: V): Field<V> {
  return { tag, codec, absent: { value } };
}

/** A field that is left out where it is null. */
export function nullable<V>(tag: number, codec: Codec<V>): Field<V | null> {
  return { tag, codec: codec as Codec<V | null>, absent: { value: null } };
}

/** A list that is left out where it is empty. */
export function listed<V>(tag: number, codec: Codec<readonly V[]>): Field<readonly V[]> {
  return { tag, codec, absent: { value: [] } };
}

/** Writes an object as TLVs (u8 type, varint length, value), in the order of `fields`. */
export function struct<T extends object>(fields: Fields<T>): Codec<T> {
  const all = Object.entries(fields) as [keyof T & string, Field<unknown>][];
  const byTag = new Map(all.map(([name, field]) => [field.tag, { name, field }]));
  return {
    write: (object) => {
      const parts: { readonly tag: number; readonly bytes: Uint8Array }[] = [];
      let size = 0;
      for (const [name, { tag, codec, absent }] of all) {
        const value: unknown = object[name];
        if (absent !== undefined && isSame(value, absent.value)) continue;
        const bytes = codec.write(value);
        parts.push({ tag, bytes });
        size += 1 + varintSize(bytes.length) + bytes.length;
      }
      const whole = allocSmall(size);
      let at = 0;
      for (const { tag, bytes } of parts) {
        whole[at] = tag;
        at = writeVarint(whole, at + 1, bytes.length);
        whole.set(bytes, at);
        at += bytes.length;
      }
      return whole;
    },
    read: (bytes) => {
      const found: Record<string, unknown> = {};
      const reader = new Reader(bytes);
      while (!reader.isAtEnd) {
        const tag = reader.u8();
        const value = reader.take(reader.varint());
        const known = byTag.get(tag);
        if (known === undefined) {
          if (tag >= SKIPPABLE) continue;
          throw damaged(`type ${tag} of a field is not known here`);
        }
        if (Object.hasOwn(found, known.name)) throw damaged(`type ${tag} of a field stands twice`);
        found[known.name] = known.field.codec.read(value);
      }
      for (const [name, { tag, absent }] of all) {
        if (Object.hasOwn(found, name)) continue;
        if (absent === undefined) throw damaged(`type ${tag} of a field is missing`);
        found[name] = absent.value;
      }
      return found as T;
    },
  };
}

function isSame(a: unknown, b: unknown): boolean {
  return a === b || Array.isArray(a) && Array.isArray(b) && a.length === 0 && b.length === 0;
}
