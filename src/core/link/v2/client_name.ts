/** Letters and digits of host names, in lower case; at most a label's 63 bytes (RFC 1035). */
const NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;

/** True when a client may have that name. */
export function isClientName(name: string): boolean {
  return NAME.test(name);
}

/**
 * The nearest name that a client may have, "" where there is none: for host names as people give
 * them to their machines.
 */
export function toClientName(text: string): string {
  return text.toLowerCase().replace(/[^a-z0-9._-]+/g, "-").replace(/^[._-]+/, "").slice(0, 63);
}
