/** Fields of a message (RFC 9110 section 5), in their order; one byte a character. */
export interface Field {
  readonly name: string;
  readonly value: string;
}

/** Returns true for a field of this name, in lower case. */
export function isNamed(field: Field, name: string): boolean {
  return field.name.length === name.length && field.name.toLowerCase() === name;
}

/** Returns the values of all fields of this name, in lower case. */
export function valuesOf(fields: readonly Field[], name: string): string[] {
  const values: string[] = [];
  for (const field of fields) if (isNamed(field, name)) values.push(field.value);
  return values;
}

/** Returns tokens (RFC 9110 section 5.6.1) of all lines, in lower case; none may be quoted. */
export function listOf(fields: readonly Field[], name: string): string[] {
  const tokens: string[] = [];
  for (const value of valuesOf(fields, name)) {
    for (const element of value.split(",")) {
      const token = trimSpace(element).toLowerCase();
      if (token !== "") tokens.push(token);
    }
  }
  return tokens;
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
