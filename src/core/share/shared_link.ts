import { formatAddr, type HostPort, parseHostPort } from "../../base/addr.ts";
import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { PortRange } from "../../base/port_range.ts";
import { CIPHER_NAMES, type CipherName } from "../../contract/cipher.ts";
import { formatPortRange, parsePortRange } from "../hop/port_range.ts";

/**
 * All that a client needs, as one text:
 *
 *     ttun://KEY@HOST:PORT?wire=v2&cipher=aes-256-gcm
 *     ttun://KEY@HOST?range=20000-30000                  for hop://
 *
 * KEY is percent-encoded (RFC 3986, 2.1). There is no place in it for a command or a file.
 */
export interface SharedLink {
  /** UTF-8 as it was given to the server. */
  readonly key: Uint8Array;
  /** Where the server is; with a range its ports hop, and the port is none. */
  readonly host: string;
  readonly port: number | null;
  readonly range: PortRange | null;
  /** Only version 2 of the wire is spoken. */
  readonly isOnlyV2: boolean;
  readonly cipher: CipherName | null;
}

/** Bytes of the longest link: a QR code holds no more than three thousand. */
const LONGEST = 2048;

export const LINK_SCHEME = "ttun://";

export function isSharedLink(text: string): boolean {
  return text.slice(0, LINK_SCHEME.length).toLowerCase() === LINK_SCHEME;
}

/** Writes a link. @throws {TtunError} usage, if it could not be read again */
export function formatSharedLink(link: SharedLink): string {
  const text = written(link);
  if (text.length > LONGEST) {
    throw new TtunError(
      "usage",
      `Cannot make a link: it would have ${text.length} characters, and ${LONGEST} is the most; ` +
        "use a shorter key, as ttun genkey makes one",
    );
  }
  parseSharedLink(text);
  return text;
}

function written(link: SharedLink): string {
  const { key, host, port, range, isOnlyV2, cipher } = link;
  const at = formatAddr({ host, port: port ?? 0 });
  const query = [
    ...(range === null ? [] : [`range=${formatPortRange(range)}`]),
    ...(isOnlyV2 ? ["wire=v2"] : []),
    ...(cipher === null ? [] : [`cipher=${cipher}`]),
  ].join("&");
  const place = port === null ? at.replace(/:0$/, "") : at;
  return `${LINK_SCHEME}${encoded(key)}@${place}${query === "" ? "" : `?${query}`}`;
}

/** Reads a link. @throws {TtunError} usage, which repeats nothing of it */
export function parseSharedLink(text: string): SharedLink {
  if (text.length > LONGEST) throw unreadable("it is too long");
  const [, user, at, query = ""] =
    /^ttun:\/\/([^@/?#\s]+)@([^@/?#\s]+)\/?(?:\?([^#\s]*))?$/i.exec(text) ?? [];
  if (user === undefined) throw unreadable("it has another form");
  const link = { ...placeOf(at!), range: null, isOnlyV2: false, cipher: null };
  return checked({ key: decoded(user), ...link, ...settingsOf(query) });
}

function placeOf(at: string): { host: string; port: number | null } {
  const hasPort = /^(?:\[[^\]]+\]|[^:]+):\d+$/.test(at);
  const { host, port } = ((): HostPort => {
    try {
      return parseHostPort(hasPort ? at : `${at}:1`);
    } catch {
      throw unreadable("its host or port is none");
    }
  })();
  if (host === "" || port === 0) throw unreadable("its host or port is none");
  return { host, port: hasPort ? port : null };
}

function settingsOf(query: string): Partial<SharedLink> {
  const found: { -readonly [K in keyof SharedLink]?: SharedLink[K] } = {};
  for (const pair of query === "" ? [] : query.split("&")) {
    const [name, value = ""] = pair.split("=", 2);
    const cipher = CIPHER_NAMES.find((one) => one === value);
    if (name === "wire" && value === "v2") found.isOnlyV2 = true;
    else if (name === "wire" && value === "auto") found.isOnlyV2 = false;
    else if (name === "cipher" && cipher !== undefined) found.cipher = cipher;
    else if (name === "range") found.range = readRange(value);
    else throw unreadable("there is a setting in it that this ttun does not know; update it");
  }
  return found;
}

function readRange(text: string): PortRange {
  try {
    return parsePortRange(text);
  } catch {
    throw unreadable("its range of ports is none");
  }
}

function checked(link: SharedLink): SharedLink {
  if ((link.port === null) === (link.range === null)) {
    throw unreadable("it has both a port and a range of them, or neither");
  }
  return link;
}

function encoded(key: Uint8Array): string {
  return Array.from(key, (byte) => {
    const char = String.fromCharCode(byte);
    if (/[A-Za-z0-9._~-]/.test(char)) return char; // unreserved, RFC 3986 section 2.3
    return `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }).join("");
}

function decoded(text: string): Uint8Array {
  try {
    const key = utf8(decodeURIComponent(text));
    if (key.length > 0) return key;
  } catch {
    // A percent sign without two digits, or bytes that are no UTF-8.
  }
  throw unreadable("its key is none");
}

function unreadable(why: string): TtunError {
  return new TtunError("usage", `Cannot read the link: ${why}; ttun share prints one`);
}
