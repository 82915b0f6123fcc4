/** Fields of an HTTP message (RFC 9110 section 5), in their order; one byte a character. */
export interface Field {
  /** Spelled as it came, in upper or lower case. */
  readonly name: string;
  /** Without the space around it. */
  readonly value: string;
}

/** The values of all fields of this name (given in lower case). */
export function valuesOf(fields: readonly Field[], name: string): string[] {
  return fields.filter((field) => field.name.toLowerCase() === name).map(({ value }) => value);
}

/**
 * The elements of a field that is a list of tokens (RFC 9110 section 5.6.1), over all its lines, in
 * lower case. Commas inside of quotes are not looked for: none of the lists read here has them.
 */
export function listOf(fields: readonly Field[], name: string): string[] {
  return valuesOf(fields, name).flatMap((value) => value.split(","))
    .map((element) => trimSpace(element).toLowerCase())
    .filter((element) => element !== "");
}

/** Without spaces and tabs at both ends (OWS). A regular expression would take time squared. */
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
