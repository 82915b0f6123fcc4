import { parseIp } from "../../base/addr.ts";
import { fromHex } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { LOG_OPTIONS } from "../command/common_options.ts";
import type { OptionTable, Values } from "../command/option_table.ts";

/** Default port of the program tete. */
const PORT = 54_312;

export const PEER_OPTIONS = {
  myIp: {
    names: ["my-ip", "myip"],
    group: "basic",
    kind: "string",
    metavar: "IP",
    required: true,
    parse: readIp,
    help: "this machine's public address, as the other end sees it",
  },
  peerIp: {
    names: ["peer-ip", "peerip"],
    group: "basic",
    kind: "string",
    metavar: "IP",
    required: true,
    parse: readIp,
    help: "the other machine's public address",
  },
  localPort: {
    names: ["local-port", "lport"],
    group: "basic",
    kind: "integer",
    metavar: "PORT",
    min: 1,
    max: 65_535,
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
  keepAlive: {
    names: ["keep-alive", "k"],
    group: "basic",
    kind: "boolean",
    default: false,
    help:
      "have TCP notice within a minute that the other end is gone; it takes no value, and is no key",
  },
  deadline: {
    names: ["deadline"],
    group: "basic",
    kind: "integer",
    metavar: "SECONDS",
    min: 1,
    max: 86_400,
    default: 60,
    help: "give up when there is no connection after SECONDS",
  },
  fingerprint: {
    names: ["fingerprint"],
    group: "security",
    kind: "string",
    metavar: "SHA256",
    parse: readFingerprint,
    help:
      "fail unless the connection's certificate has this SHA-256; without it nothing tells who " +
      "the other end is but the words that both ends log",
  },
  ...LOG_OPTIONS,
} as const satisfies OptionTable;

export type PeerFlags = Values<typeof PEER_OPTIONS>;

function readIp(text: string): string {
  if (parseIp(text) !== null) return text;
  throw new TtunError("usage", `Cannot use ${JSON.stringify(text)}: write an IP address`);
}

function readFingerprint(text: string): Uint8Array {
  const digits = text.replaceAll(":", "");
  if (/^[0-9a-f]{64}$/i.test(digits)) return fromHex(digits.toLowerCase());
  throw new TtunError("usage", "Cannot use this: write 64 hexadecimal digits");
}
