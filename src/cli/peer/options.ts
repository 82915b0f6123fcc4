import { type HostPort, parseIp } from "../../base/addr.ts";
import { fromHex } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { readAddress } from "../command/address_args.ts";
import { LOG_OPTIONS } from "../command/common_options.ts";
import {
  LEAST_TICKET_SECONDS,
  MOST_TICKET_SECONDS,
  STUN_PORT,
  TICKET_SECONDS,
} from "./peer_url.ts";
import { VIA_OPTIONS } from "./via_options.ts";
import type { OptionTable, Values } from "../command/option_table.ts";

/** Default port of the program tete. */
const PORT = 54_312;

const KEEP = {
  names: ["keep"],
  group: "basic",
  kind: "boolean",
  default: false,
  help:
    "when the connection is lost, connect again and go on where it was, for up to ten minutes; " +
    "both ends take it, and a key or ticket",
} as const;

const STUN = {
  names: ["stun"],
  group: "basic",
  kind: "string",
  metavar: "HOST[:PORT]",
  parse: readStun,
  help: "ask this STUN server, over TCP, for the public address and whether the NAT keeps the port",
} as const;

const DEADLINE = {
  names: ["deadline"],
  group: "basic",
  kind: "integer",
  metavar: "SECONDS",
  min: 1,
  max: 86_400,
  default: 60,
  help: "give up when there is no connection after SECONDS",
} as const;

const LOCAL_PORT = {
  names: ["local-port", "lport"],
  group: "basic",
  kind: "integer",
  metavar: "PORT",
  min: 1,
  max: 65_535,
} as const;

export const PEER_OPTIONS = {
  myIp: {
    names: ["my-ip", "myip"],
    group: "basic",
    kind: "string",
    metavar: "IP",
    parse: readIp,
    defaultText: "what --stun finds",
    help: "this machine's public address, as the other end sees it",
  },
  peerIp: {
    names: ["peer-ip", "peerip"],
    group: "basic",
    kind: "string",
    metavar: "IP",
    parse: readIp,
    help: "the other machine's public address; without it --stun tells this one's, and that is all",
  },
  localPort: {
    ...LOCAL_PORT,
    default: PORT,
    help: "port here, which the NAT must keep",
  },
  remotePort: {
    names: ["remote-port", "rport"],
    group: "basic",
    kind: "integer",
    metavar: "PORT",
    min: 1,
    max: 65_535,
    default: PORT,
    help: "port of the other end",
  },
  stun: STUN,
  keepAlive: {
    names: ["keep-alive", "k"],
    group: "basic",
    kind: "boolean",
    default: false,
    takesNone: "it is tete's keepalive; the key is given by --key-file, TTUN_KEY or --key",
    help:
      "have TCP notice within a minute that the other end is gone; it takes no value, and is no key",
  },
  deadline: DEADLINE,
  keep: KEEP,
  key: {
    names: ["key"],
    group: "security",
    kind: "string",
    metavar: "STRING",
    conflicts: ["keyFile"],
    help:
      "a key that both ends have, by which they know each other; process lists can show it, so " +
      "better use --key-file",
    secret: true,
    variable: "TTUN_KEY",
  },
  keyFile: {
    names: ["key-file"],
    group: "security",
    kind: "string",
    metavar: "FILE",
    help: "read the key from FILE, which only its owner may read; without both, TTUN_KEY_FILE or " +
      "TTUN_KEY; without a key the other end may be the program tete",
    variable: "TTUN_KEY_FILE",
  },
  wire: {
    names: ["wire"],
    group: "security",
    kind: "choice",
    metavar: "VERSION",
    choices: ["auto", "v2"],
    default: "auto",
    help:
      "auto is TLS, which the program tete speaks, and with a key version 2 of ttun's wire in it; " +
      "v2 is that alone, with a key",
  },
  fingerprint: {
    names: ["fingerprint"],
    group: "security",
    kind: "string",
    metavar: "SHA256",
    parse: readFingerprint,
    help:
      "fail unless the connection's certificate has this SHA-256, which the end with the lesser " +
      "address logs at its start; without it and without a key nothing tells who the other end is " +
      "but the words that both ends log",
  },
  ...LOG_OPTIONS,
} as const satisfies OptionTable;

export const LISTEN_OPTIONS = {
  myIp: {
    ...PEER_OPTIONS.myIp,
    defaultText: "those of this machine's interfaces, and what --stun finds",
    help: "this machine's public address, which goes into the ticket first",
  },
  localPort: {
    ...LOCAL_PORT,
    defaultText: "one that is free",
    help: "port here, which a firewall or NAT must let in",
  },
  stun: STUN,
  ttl: {
    names: ["ttl"],
    group: "basic",
    kind: "integer",
    metavar: "SECONDS",
    min: LEAST_TICKET_SECONDS,
    max: MOST_TICKET_SECONDS,
    default: TICKET_SECONDS,
    help: "the ticket is void after so many seconds in which nobody has come",
  },
  out: {
    names: ["out"],
    group: "basic",
    kind: "string",
    metavar: "FILE",
    help: "write the ticket into FILE, which only its owner may read, and do not print it",
  },
  keep: KEEP,
  ...VIA_OPTIONS,
  ...LOG_OPTIONS,
} as const satisfies OptionTable;

export const CONNECT_OPTIONS = {
  ticket: {
    names: ["ticket"],
    group: "basic",
    kind: "string",
    metavar: "TICKET",
    positional: true,
    secret: true,
    conflicts: ["ticketFile"],
    variable: "TTUN_TICKET",
    isSecret: () => true,
    help:
      "the ticket that ttun peer listen has printed at the other end; process lists can show it, " +
      "so better use --ticket-file or TTUN_TICKET; without any of these it is asked for",
  },
  ticketFile: {
    names: ["ticket-file"],
    group: "basic",
    kind: "string",
    metavar: "FILE",
    help: "read the ticket from FILE; - is the first line of standard input",
  },
  deadline: DEADLINE,
  keep: KEEP,
  ...VIA_OPTIONS,
  ...LOG_OPTIONS,
} as const satisfies OptionTable;

export const STUN_SERVER_OPTIONS = {
  listen: {
    names: ["listen", "l"],
    group: "basic",
    kind: "string",
    metavar: "[ADDR:]PORT",
    parse: (text: string) => readAddress(text, { host: "", port: STUN_PORT }),
    default: { host: "", port: STUN_PORT },
    defaultText: `all addresses, port ${STUN_PORT}`,
    help: "address and port to listen on",
  },
  ...LOG_OPTIONS,
} as const satisfies OptionTable;

export type StunServerFlags = Values<typeof STUN_SERVER_OPTIONS>;
export type ListenFlags = Values<typeof LISTEN_OPTIONS>;
export type ConnectFlags = Values<typeof CONNECT_OPTIONS>;
export type PeerFlags = Values<typeof PEER_OPTIONS>;

function readIp(text: string): string {
  if (parseIp(text) !== null) return text;
  throw new TtunError("usage", `Cannot use ${JSON.stringify(text)}: write an IP address`);
}

function readStun(text: string): HostPort {
  return readAddress(text, { port: STUN_PORT });
}

function readFingerprint(text: string): Uint8Array {
  const digits = text.replaceAll(":", "");
  if (/^[0-9a-f]{64}$/i.test(digits)) return fromHex(digits.toLowerCase());
  throw new TtunError("usage", "Cannot use this: write 64 hexadecimal digits");
}
