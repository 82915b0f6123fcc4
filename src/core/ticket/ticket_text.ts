import { TtunError } from "../../base/errors.ts";

export const TICKET_SCHEME = "peer:";

/** Characters that logs and status show: of the version and the checksum, which tells tickets apart. */
const SHOWN = 6;

export function isTicket(text: string): boolean {
  return text.slice(0, TICKET_SCHEME.length).toLowerCase() === TICKET_SCHEME;
}

/** Returns what stands behind the scheme, where there is one. */
export function ticketBody(text: string): string {
  return isTicket(text) ? text.slice(TICKET_SCHEME.length) : text;
}

/** Returns a text for logs, without the key. */
export function ticketName(text: string): string {
  return `${TICKET_SCHEME}${ticketBody(text).slice(0, SHOWN)}…`;
}

export function unreadableTicket(why: string): TtunError {
  return new TtunError("usage", `Cannot read the ticket: ${why}; ttun peer listen prints one`);
}
