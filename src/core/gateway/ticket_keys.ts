import { concat, toHex, utf8 } from "../../base/bytes.ts";
import { derive } from "../link/v2/secrets.ts";

/** Milliseconds after which tickets get other keys: as long as one is worth anything. */
export const TICKET_KEY_MS = 7200_000;

/** Bytes by which a ticket says which keys it is sealed with. */
export const TICKET_NAME = 16;

/**
 * Returns the keys for tickets of a name (80 bytes: their name, then those of HMAC and AES), the same
 * at all nodes with that secret. They are those that the client's ticket was sealed with, where it has
 * one and that is not too old, else those of now; a neighbour's clock may be ahead.
 */
export function ticketKeys(
  secret: Uint8Array,
  name: string,
  ticket: Uint8Array | null,
  nowMs: number,
): Uint8Array {
  const now = Math.floor(nowMs / TICKET_KEY_MS);
  const part = (label: string, period: number) =>
    derive(secret, `mesh ticket ${label}`, utf8(`${period} ${name}`));
  const nameOf = (period: number) => part("name", period).subarray(0, TICKET_NAME);
  const wanted = ticket === null ? null : toHex(ticket);
  const sealed = wanted === null
    ? undefined
    : [now, now - 1, now + 1].find((period) => toHex(nameOf(period)) === wanted);
  const period = sealed ?? now;
  return concat(nameOf(period), part("mac", period), part("seal", period));
}
