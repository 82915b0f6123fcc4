import { toLatin1 } from "../../../base/latin1.ts";

/** Path of a file, as a request asks for it. */
export interface SitePath {
  /** Parts separated by slashes, none of which is empty or begins with a dot; "" = the folder itself. */
  readonly path: string;
  /** A folder is asked for: a slash is at the end. */
  readonly isFolder: boolean;
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Bytes of the longest path of a system call, without its 0 (PATH_MAX). */
const LONGEST = 4095;

/**
 * Reads a request's path. Null = nothing can be there: files whose names begin with a dot are not
 * published, and neither `.` nor `..` leads anywhere, however they are written.
 */
export function readSitePath(target: string): SitePath | null {
  const [encoded = ""] = target.split("?", 1);
  if (!encoded.startsWith("/") || encoded.length > 3 * LONGEST) return null;
  const parts: string[] = [];
  for (const part of encoded.slice(1).split("/")) {
    const decoded = decode(part);
    if (decoded === null) return null;
    parts.push(decoded);
  }
  const isFolder = parts.at(-1) === "";
  if (isFolder) parts.pop();
  if (parts.some((part) => part === "" || part.startsWith("."))) return null;
  return { path: parts.join("/"), isFolder };
}

/** Null = it is not percent-encoded UTF-8, or has a slash or a NUL in it. */
function decode(part: string): string | null {
  const bytes: number[] = [];
  for (let at = 0; at < part.length; at++) {
    if (part[at] !== "%") {
      bytes.push(...toLatin1(part[at]!));
      continue;
    }
    const digits = part.slice(at + 1, at + 3);
    if (!/^[0-9A-Fa-f]{2}$/.test(digits)) return null;
    bytes.push(Number.parseInt(digits, 16));
    at += 2;
  }
  try {
    const text = UTF8.decode(new Uint8Array(bytes));
    return /[/\0]/.test(text) ? null : text;
  } catch {
    return null; // it is no UTF-8
  }
}
