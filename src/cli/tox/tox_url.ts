import { TtunError } from "../../base/errors.ts";
import type { PortRange } from "../../base/port_range.ts";
import { parseToxEnd } from "./end.ts";
import { readUdpPorts } from "./udp_ports.ts";

/** Settings of a node that stand behind the question mark of a URL. */
export interface ToxUrlSettings {
  /** Folder of the identity; undefined = the usual one. */
  readonly dir: string | undefined;
  /** File of nodes by which the network is found; undefined = the list in ttun. */
  readonly nodes: string | undefined;
  readonly udpPorts: PortRange | undefined;
  /** TCP port of a relay of the network; undefined = it is none. */
  readonly relayPort: number | undefined;
}

const SERVER_FORM =
  "tox:TOX_ID, or tox:NAME of a file of hosts, with ?nodes=FILE, udp=FIRST-LAST " +
  "and dir=DIR if they are wanted";
const LISTEN_FORM =
  "tox: alone, or with ?dir=DIR, nodes=FILE, udp=FIRST-LAST and relay=PORT, with " +
  "& between them";

/** Checks what stands behind `tox:` in a client's URL. @throws {TtunError} usage */
export function readToxServer(rest: string): string {
  parseToxServer(rest);
  return rest;
}

/** Checks what stands behind `tox:` in a listener's URL. @throws {TtunError} usage */
export function readToxListen(rest: string): string {
  parseToxListen(rest);
  return rest;
}

export function parseToxServer(rest: string) {
  const [, end, query] = /^([^?]*)(?:\?(.*))?$/s.exec(rest)!;
  if (end === "") throw unreadable(SERVER_FORM);
  const settings = parseSettings(query, SERVER_FORM);
  if (settings.relayPort !== undefined) throw unreadable(SERVER_FORM);
  return { end: parseToxEnd(end!), settings };
}

export function parseToxListen(rest: string): ToxUrlSettings {
  const [, query] = /^(?:\?(.*))?$/s.exec(rest) ?? [];
  if (rest !== "" && query === undefined) throw unreadable(LISTEN_FORM);
  return parseSettings(query, LISTEN_FORM);
}

function parseSettings(query: string | undefined, form: string): ToxUrlSettings {
  const settings: { -readonly [K in keyof ToxUrlSettings]: ToxUrlSettings[K] } = {
    dir: undefined,
    nodes: undefined,
    udpPorts: undefined,
    relayPort: undefined,
  };
  for (const pair of query === undefined ? [] : query.split("&")) {
    const [, name, written = ""] = /^([a-z]+)=(.+)$/s.exec(pair) ?? [];
    const value = readValue(written, form);
    switch (name) {
      case "dir":
        settings.dir = value;
        break;
      case "nodes":
        settings.nodes = value;
        break;
      case "udp":
        settings.udpPorts = readUdpPorts(value);
        break;
      case "relay":
        settings.relayPort = /^\d{1,5}$/.test(value) ? Number(value) : 0;
        if (settings.relayPort < 1 || settings.relayPort > 65_535) throw unreadable(form);
        break;
      default:
        throw unreadable(form);
    }
  }
  return settings;
}

/** A & in a file's name is written as %26, and a % as %25. */
function readValue(text: string, form: string): string {
  try {
    const value = decodeURIComponent(text);
    if (!value.includes("\0")) return value;
  } catch {
    // Nothing but a % without its digits fails, which is refused below.
  }
  throw unreadable(form);
}

function unreadable(form: string): TtunError {
  return new TtunError("usage", `Cannot use this tox: URL: write ${form}`);
}
