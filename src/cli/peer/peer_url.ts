import { type HostPort, parseIp, plainHost } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { TICKET_SCHEME, unreadableTicket } from "../../core/ticket/ticket_text.ts";
import { readAddress } from "../command/address_args.ts";

/** RFC 8489 section 8.1. */
export const STUN_PORT = 3478;

/** Seconds that a ticket holds. */
export const TICKET_SECONDS = 600;
export const LEAST_TICKET_SECONDS = 5;
export const MOST_TICKET_SECONDS = 86_400;

const FORM = "peer:?port=PORT&my-ip=IP&stun=HOST&ttl=SECONDS";

/** Settings of a listener that makes a ticket. */
export interface PeerListenSettings {
  readonly localPort: number | undefined;
  readonly myIp: string | undefined;
  readonly stun: HostPort | undefined;
  /** Seconds that the ticket holds. */
  readonly ttl: number;
}

/**
 * Takes what stands behind `peer:` in a client's URL, which is read as a ticket later on; nothing,
 * where it is handed over. @throws {TtunError} usage
 */
export function readPeerServer(rest: string): string {
  if (/^[A-Za-z0-9_-]{0,512}$/.test(rest)) return rest;
  throw unreadableTicket("it has another form");
}

/** True for what looks like a code (code.ts): a number and words. */
export function looksLikeCode(text: string): boolean {
  return /^\s*\d+(?:[-\s]+[a-z]+)+\s*$/i.test(text);
}

/** Returns the text of a code as `peer:` URLs have it. */
export function codeRest(text: string): string {
  return text.trim().replace(/[-\s]+/g, "-");
}

/** Checks what stands behind `peer:` in a listener's URL. @throws {TtunError} usage */
export function readPeerListen(rest: string): string {
  parsePeerListen(rest);
  return rest;
}

/** @throws {TtunError} usage */
export function parsePeerListen(rest: string): PeerListenSettings {
  const settings: { -readonly [K in keyof PeerListenSettings]: PeerListenSettings[K] } = {
    localPort: undefined,
    myIp: undefined,
    stun: undefined,
    ttl: TICKET_SECONDS,
  };
  if (rest === "") return settings;
  if (!rest.startsWith("?")) throw unreadable();
  for (const pair of rest.slice(1).split("&")) {
    const [, name, value = ""] = /^([a-z-]+)=(.+)$/s.exec(pair) ?? [];
    switch (name) {
      case "port":
        settings.localPort = readNumber(value, 1, 65_535);
        break;
      case "ttl":
        settings.ttl = readNumber(value, LEAST_TICKET_SECONDS, MOST_TICKET_SECONDS);
        break;
      case "my-ip":
        settings.myIp = plainHost(value);
        if (parseIp(settings.myIp) === null) throw unreadable();
        break;
      case "stun":
        settings.stun = readAddress(value, { port: STUN_PORT });
        break;
      default:
        throw unreadable();
    }
  }
  return settings;
}

function readNumber(text: string, least: number, most: number): number {
  const number = /^\d{1,6}$/.test(text) ? Number(text) : -1;
  if (number < least || number > most) throw unreadable();
  return number;
}

function unreadable(): TtunError {
  return new TtunError(
    "usage",
    `Cannot use this ${TICKET_SCHEME} URL: write ${TICKET_SCHEME} alone, or ${FORM} with what is ` +
      "wanted of it",
  );
}
