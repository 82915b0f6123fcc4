import { utf8 } from "../../base/bytes.ts";
import { TEMPORARY_PREFIX } from "./temporary_name.ts";

/** Bytes of a whole name, of folders and slashes too. */
export const LONGEST_NAME = 4096;

/** Bytes of a name between two slashes (NAME_MAX of Linux). */
const LONGEST_PART = 255;

/** Characters of a name that are shown. */
const MOST_SHOWN = 200;

/** Control characters (Unicode's Cc). */
const CONTROL = /\p{Cc}/u;

// deno-lint-ignore no-control-regex -- all of ASCII
const ASCII = /^[\x00-\x7f]*$/;

/** Steers a terminal, or cannot be seen: controls, formats, separators of lines, lone surrogates. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}]/gu;

/**
 * Says why a name of a file or folder is refused, as in `it has …`; null if it may be used. Its
 * parts are separated by slashes.
 */
export function nameFault(name: string): string | null {
  if (name === "") return "it is empty";
  if (name.startsWith("/")) return "it is absolute";
  if (!name.isWellFormed()) return "it is not UTF-8";
  if (utf8(name).length > LONGEST_NAME) return `it has more than ${LONGEST_NAME} bytes`;
  if (CONTROL.test(name)) return "it has control characters";
  for (const part of name.split("/")) {
    const fault = partFault(part);
    if (fault !== null) return fault;
  }
  return null;
}

function partFault(part: string): string | null {
  if (part === "") return "it has an empty part";
  if (part === "." || part === "..") return `it has the part ${part}`;
  if (utf8(part).length > LONGEST_PART) return `a part of it has more than ${LONGEST_PART} bytes`;
  if (blindName(part).startsWith(TEMPORARY_PREFIX)) {
    return "it is that of an unfinished file of ttun's";
  }
  return null;
}

/**
 * Returns one text for all names that are one on a file system that is blind for case and for ways
 * to write a letter with accents (APFS, NTFS).
 */
export function blindName(name: string): string {
  if (ASCII.test(name)) return name.toLowerCase();
  return name.normalize("NFD").toUpperCase().toLowerCase().normalize("NFD");
}

/** Returns a name, or other words of a peer, as a terminal may see it. */
export function shownName(name: string): string {
  const escaped = name.replace(
    UNSEEN,
    (one) => `\\u{${one.codePointAt(0)!.toString(16)}}`,
  );
  return escaped.length > MOST_SHOWN ? `${escaped.slice(0, MOST_SHOWN - 1)}…` : escaped;
}

/** Returns the folder of a name; "" = it is in none. */
export function parentOf(name: string): string {
  return name.slice(0, Math.max(0, name.lastIndexOf("/")));
}

/** Returns the part in front of the first slash. */
export function topOf(name: string): string {
  const slash = name.indexOf("/");
  return slash < 0 ? name : name.slice(0, slash);
}

/** Returns the part behind the last slash. */
export function baseOf(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1);
}
