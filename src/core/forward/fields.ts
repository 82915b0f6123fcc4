/** A part of a forward between colons. */
export interface Field {
  readonly text: string;
  /** It stood in square brackets, as an IPv6 address does. */
  readonly isBracketed: boolean;
  /** It is the path of a unix socket. */
  readonly isPath: boolean;
}

/**
 * Splits a forward at its colons as ssh does: colons in square brackets do not count, and a
 * backslash takes the next character as it is. Returns null if a bracket is not closed, or does not
 * stand at the ends of a field.
 */
export function splitFields(text: string): readonly Field[] | null {
  const fields: Field[] = [];
  for (let at = 0;; at++) {
    const field = text[at] === "[" ? bracketed(text, at) : plain(text, at);
    if (field === null) return null;
    fields.push(field.field);
    at = field.end;
    if (at === text.length) return fields;
  }
}

interface Found {
  readonly field: Field;
  /** Index of the colon behind the field, or the text's length. */
  readonly end: number;
}

function bracketed(text: string, at: number): Found | null {
  const close = text.indexOf("]", at);
  if (close < 0) return null;
  const end = close + 1;
  if (end < text.length && text[end] !== ":") return null;
  return { field: { text: text.slice(at + 1, close), isBracketed: true, isPath: false }, end };
}

function plain(text: string, at: number): Found {
  let taken = "";
  let end = at;
  for (; end < text.length && text[end] !== ":"; end++) {
    if (text[end] === "\\" && end + 1 < text.length) end++;
    taken += text[end];
  }
  return { field: { text: taken, isBracketed: false, isPath: taken.startsWith("/") }, end };
}
