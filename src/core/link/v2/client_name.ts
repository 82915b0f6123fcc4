/** Characters of host names in lower case; at most the 63 bytes of a label (RFC 1035). */
const NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;

export function isClientName(name: string): boolean {
  return NAME.test(name);
}

/** Returns the most similar name that a client may have; "" = none. */
export function toClientName(text: string): string {
  return text.toLowerCase().replace(/[^a-z0-9._-]+/g, "-").replace(/^[._-]+/, "").slice(0, 63);
}
