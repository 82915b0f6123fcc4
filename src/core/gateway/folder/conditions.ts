import { type Field, trimSpace, valuesOf } from "../../http/fields.ts";
import { parseHttpDate } from "./http_date.ts";

/** A file as it is now. */
export interface FileVersion {
  readonly size: number;
  /** A strong one, in its quotes. */
  readonly etag: string;
  /** Seconds since 1970, without a fraction. */
  readonly modified: number;
}

/** `from` and `to`: the first and the last byte. */
export interface ByteRange {
  readonly from: number;
  readonly to: number;
}

export type FileDecision =
  | { readonly status: 200 | 304 | 412 | 416 }
  | { readonly status: 206; readonly range: ByteRange };

/** Decides a GET or HEAD of a file by its conditions (RFC 9110 sections 13.2.2 and 14.2). */
export function decide(
  method: string,
  fields: readonly Field[],
  version: FileVersion,
): FileDecision {
  const match = tagsOf(fields, "if-match");
  if (match !== null) {
    if (!matches(match, version, true)) return { status: 412 };
  } else {
    const unmodified = dateOf(fields, "if-unmodified-since");
    if (unmodified !== null && version.modified > unmodified) return { status: 412 };
  }
  const noneMatch = tagsOf(fields, "if-none-match");
  if (noneMatch !== null) {
    if (matches(noneMatch, version, false)) return { status: 304 };
  } else {
    const since = dateOf(fields, "if-modified-since");
    if (since !== null && version.modified <= since) return { status: 304 };
  }
  if (method !== "GET" || !isRangeMeant(fields, version)) return { status: 200 };
  const [text, ...others] = valuesOf(fields, "range");
  const range = text === undefined || others.length > 0 ? null : readRange(text, version.size);
  if (range === null) return { status: 200 };
  return range === "outside" ? { status: 416 } : { status: 206, range };
}

/** Returns the entity tags of a condition; "*" = any; null = there is no condition. */
function tagsOf(fields: readonly Field[], name: string): string[] | "*" | null {
  const lines = valuesOf(fields, name);
  if (lines.length === 0) return null;
  const text = lines.join(",");
  if (trimSpace(text) === "*") return "*";
  return text.match(/(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/g) ?? [];
}

function matches(tags: string[] | "*", { etag }: FileVersion, isStrong: boolean): boolean {
  if (tags === "*") return true;
  return tags.some((tag) => tag === etag || (!isStrong && tag === `W/${etag}`));
}

function dateOf(fields: readonly Field[], name: string): number | null {
  const [text, ...others] = valuesOf(fields, name);
  return text === undefined || others.length > 0 ? null : parseHttpDate(text);
}

/** A range of another version would be put together with this one (RFC 9110 section 13.1.5). */
function isRangeMeant(fields: readonly Field[], version: FileVersion): boolean {
  const [text, ...others] = valuesOf(fields, "if-range");
  if (text === undefined) return true;
  if (others.length > 0) return false;
  return text.startsWith('"') ? text === version.etag : parseHttpDate(text) === version.modified;
}

/**
 * Reads a Range of one range; null = the whole is to be sent, as for what cannot be read, and for
 * several ranges, which no server has to know (RFC 9110 section 14.2).
 */
export function readRange(text: string, size: number): ByteRange | "outside" | null {
  const [, first = "", last = ""] = /^bytes=[ \t]*(\d{0,15})-(\d{0,15})[ \t]*$/i.exec(text) ?? [];
  if (first === "" && last === "") return null;
  if (first === "") {
    const count = Math.min(Number(last), size);
    return count === 0 ? "outside" : { from: size - count, to: size - 1 };
  }
  const from = Number(first);
  const to = last === "" ? size - 1 : Math.min(Number(last), size - 1);
  if (last !== "" && Number(last) < from) return null;
  return from >= size ? "outside" : { from, to };
}
