import { HttpError } from "../error.ts";
import { type Field, trimSpace } from "../fields.ts";
import { linesOf, readFieldLines } from "./head.ts";
import { isToken, isValueByte } from "../token.ts";

export interface ResponseHead {
  readonly status: number;
  readonly reason: string;
  readonly minor: 0 | 1;
  readonly fields: readonly Field[];
  /** Something was left out or replaced: another reader could have found something else. */
  readonly isMended: boolean;
}

/** A first line in which nothing is to be mended; what is left of it is read faster. */
const PLAIN_STATUS_LINE = /^HTTP\/1\.([01]) ([1-9][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?\r?\n/;

/** Shoutcast says ICY; others write HTTP in small letters, or leave out the minor version. */
const STATUS_LINE =
  /^(?:HTTP\/([0-9]{1,3})(?:\.([0-9]{1,3}))?|ICY)[ \t]+([1-9][0-9]{2})(?:[ \t]+(.*))?$/i;

/**
 * Reads a `HeadCollector`'s text like browsers: unreadable lines are left out with their folded
 * ends, since the head is written anew. A control character becomes a space (RFC 9110 section 5.5),
 * space before a colon goes, folded lines become one (RFC 9112 sections 5.1 and 5.2).
 * @throws {HttpError} 400 where there is no status
 */
export function parseResponseHead(text: string): ResponseHead {
  return readPlain(text) ?? mend(text);
}

function readPlain(text: string): ResponseHead | null {
  const line = PLAIN_STATUS_LINE.exec(text);
  const fields = line === null ? null : readFieldLines(text, line[0].length);
  if (line === null || fields === null) return null;
  const [, minor, status, reason = ""] = line;
  return {
    status: Number(status),
    reason: trimSpace(reason),
    minor: minor === "0" ? 0 : 1,
    fields,
    isMended: false,
  };
}

function mend(text: string): ResponseHead {
  const [first, ...lines] = linesOf(text);
  const line = withoutControls(first!);
  const match = STATUS_LINE.exec(line);
  if (match === null) {
    throw new HttpError(400, "Cannot read the response: its first line is not one of HTTP");
  }
  const [, major = "1", minor = "0", status, reason = ""] = match;
  const { fields, isMended } = readFields(lines);
  return {
    status: Number(status),
    reason: trimSpace(reason),
    minor: Number(major) === 0 || (Number(major) === 1 && Number(minor) === 0) ? 0 : 1,
    fields,
    isMended: isMended || line !== first,
  };
}

export function readFields(
  lines: readonly string[],
): { fields: Field[]; isMended: boolean } {
  const found: { name: string; parts: string[] }[] = [];
  let isMended = false;
  /** Field that folded lines continue; null = none that was kept. */
  let last: { name: string; parts: string[] } | null = null;
  for (const line of lines) {
    const isFolded = line.startsWith(" ") || line.startsWith("\t");
    const colon = line.indexOf(":");
    if (!isFolded) {
      const name: string = trimSpace(line.slice(0, Math.max(0, colon)));
      last = isToken(name) ? { name, parts: [] } : null;
      if (last !== null) found.push(last);
    }
    const text = trimSpace(isFolded ? line : line.slice(colon + 1));
    const value = trimSpace(withoutControls(text));
    if (last === null || value !== text) isMended = true;
    if (value !== "") last?.parts.push(value);
  }
  return { fields: found.map(({ name, parts }) => ({ name, value: parts.join(" ") })), isMended };
}

/** Puts a space for each character that no value may have. */
function withoutControls(text: string): string {
  for (let at = 0; at < text.length; at++) {
    if (isValueByte(text.charCodeAt(at))) continue;
    const codes = Array.from(text, (char) => isValueByte(char.charCodeAt(0)) ? char : " ");
    return codes.join("");
  }
  return text;
}
