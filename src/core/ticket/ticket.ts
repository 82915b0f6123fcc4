import { decodeBase64Url, encodeBase64Url } from "../../base/base64url.ts";
import { formatIp, type HostPort, parseIp } from "../../base/addr.ts";
import { concat, readU16, readU32, utf8, writeU16, writeU32 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { derive } from "../link/v2/secrets.ts";
import { TICKET_SCHEME, ticketBody, unreadableTicket } from "./ticket_text.ts";

/**
 * All that one peer needs to connect to another, as one text (docs/wire/ticket.md):
 *
 *     peer:AQAAAABqyVJ…
 */
export interface Ticket {
  /** 16 random bytes, for this ticket alone. */
  readonly key: Uint8Array;
  /** Addresses and ports where the peer may be reached, at most eight. Hosts are IP addresses. */
  readonly candidates: readonly HostPort[];
  /** Seconds since 1970. */
  readonly expires: number;
  /** Both ends meet at a server that their users name (--via). */
  readonly meets: boolean;
}

export const TICKET_KEY_SIZE = 16;
export const MOST_CANDIDATES = 8;

const VERSION = 1;
const MEETS = 1;
const CHECKSUM_SIZE = 4;
const NO_KEY = new Uint8Array(32);

/** Version and checksum; then flags, expiry, key, and how many candidates follow. */
const HEAD_SIZE = 1 + CHECKSUM_SIZE;
const FIXED_SIZE = 1 + 4 + TICKET_KEY_SIZE + 1;
const MOST_SIZE = HEAD_SIZE + FIXED_SIZE + MOST_CANDIDATES * (1 + 16 + 2);

/** Writes a ticket. Candidates beyond the most that there may be are left out. */
export function formatTicket({ key, candidates, expires, meets }: Ticket): string {
  const fixed = new Uint8Array(FIXED_SIZE);
  const most = candidates.slice(0, MOST_CANDIDATES);
  fixed[0] = meets ? MEETS : 0;
  writeU32(fixed, 1, expires);
  fixed.set(key, 5);
  fixed[FIXED_SIZE - 1] = most.length;
  const body = concat(fixed, ...most.map(packCandidate));
  return TICKET_SCHEME + encodeBase64Url(concat(Uint8Array.of(VERSION), checksum(body), body));
}

function packCandidate({ host, port }: HostPort): Uint8Array {
  const ip = parseIp(host);
  if (ip === null) throw new TtunError("internal", "Cannot make a ticket for a host's name");
  const portBytes = new Uint8Array(2);
  writeU16(portBytes, 0, port);
  return concat(Uint8Array.of(ip.length === 4 ? 4 : 6), ip, portBytes);
}

/** Reads a ticket, with `peer:` before it or not. @throws {TtunError} usage, which repeats nothing */
export function parseTicket(text: string): Ticket {
  const written = text.trim();
  const encoded = ticketBody(written);
  if (encoded.length > MOST_SIZE * 2) throw unreadableTicket("it is too long");
  const bytes = decodeBase64Url(encoded);
  if (bytes === null && /^[\w-]+$/.test(encoded)) throw incomplete();
  if (bytes === null || bytes.length === 0) throw unreadableTicket("it has another form");
  if (bytes[0] !== VERSION) {
    throw unreadableTicket("it is of another version of ttun, or is none; update the older one");
  }
  if (bytes.length < HEAD_SIZE + FIXED_SIZE) throw incomplete();
  const body = bytes.subarray(HEAD_SIZE);
  if (checksum(body).some((byte, i) => byte !== bytes[1 + i])) throw incomplete();
  return {
    meets: (body[0]! & MEETS) !== 0,
    expires: readU32(body, 1),
    key: body.slice(5, 5 + TICKET_KEY_SIZE),
    candidates: readCandidates(body, FIXED_SIZE, body[FIXED_SIZE - 1]!),
  };
}

function readCandidates(body: Uint8Array, from: number, count: number): HostPort[] {
  if (count > MOST_CANDIDATES) throw unreadableTicket("it has too many addresses");
  const found: HostPort[] = [];
  let at = from;
  for (let i = 0; i < count; i++) {
    const family = body[at];
    const size = family === 4 ? 4 : 16;
    if (family !== 4 && family !== 6 || at + 1 + size + 2 > body.length) throw incomplete();
    const host = formatIp(body.slice(at + 1, at + 1 + size));
    found.push({ host, port: readU16(body, at + 1 + size) });
    at += 1 + size + 2;
  }
  if (at !== body.length) throw incomplete();
  return found;
}

function checksum(body: Uint8Array): Uint8Array {
  return derive(NO_KEY, "ticket", body).slice(0, CHECKSUM_SIZE);
}

/** Returns the pre-shared key of the link that both ends of a ticket have. */
export function ticketPsk(key: Uint8Array): Uint8Array {
  return utf8(encodeBase64Url(key));
}

/** Returns the 16 bytes by which both ends of a ticket find each other at a server. */
export function ticketMeeting(key: Uint8Array): Uint8Array {
  const padded = new Uint8Array(32);
  padded.set(key);
  return derive(padded, "ticket meeting").slice(0, 16);
}

function incomplete(): TtunError {
  return unreadableTicket("a part of it is missing or mistyped; copy all of it");
}
