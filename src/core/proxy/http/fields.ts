/** Fields of a message (RFC 9110 section 5), in their order; one byte a character. */
export interface Field {
  readonly name: string;
  readonly value: string;
}

/** Returns the values of all fields of this name, in lower case. */
export function valuesOf(fields: readonly Field[], name: string): string[] {
  return fields.filter((field) => field.name.toLowerCase() === name).map(({ value }) => value);
}

/** Returns tokens (RFC 9110 section 5.6.1) of all lines, in lower case; none may be quoted. */
export function listOf(fields: readonly Field[], name: string): string[] {
  return valuesOf(fields, name).flatMap((value) => value.split(","))
    .map((element) => trimSpace(element).toLowerCase())
    .filter((element) => element !== "");
}

/** Takes away spaces and tabs (OWS). A regular expression would take time squared. */
export function trimSpace(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isSpace(text.charCodeAt(start))) start++;
  while (end > start && isSpace(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
