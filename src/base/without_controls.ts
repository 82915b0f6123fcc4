/**
 * Returns text of another end with spaces for its control characters, which a terminal would obey, and
 * for Unicode's ends of lines.
 */
export function withoutControls(text: string): string {
  // deno-lint-ignore no-control-regex -- these are what is taken out
  return text.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]/g, " ");
}
