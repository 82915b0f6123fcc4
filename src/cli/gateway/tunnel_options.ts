import { parseCidr } from "../../base/addr.ts";
import { readHeaderRule } from "../../core/gateway/header_rules.ts";
import { readHostName, readLabel, readPublicName } from "../../core/gateway/label.ts";
import { type PublishTarget, readPublishTarget } from "../../core/gateway/publish_target.ts";
import type { OptionTable, Values } from "../command/option_table.ts";
import { PASSTHROUGH_OPTIONS } from "./passthrough.ts";

/** Requests, or requests per second; more is no limit. */
const MOST_RATE = 1_000_000;

/** Options of what is published, which tables of a file may have each for itself. */
export const TUNNEL_OPTIONS = {
  target: {
    names: ["target"],
    group: "basic",
    kind: "list",
    metavar: "[NAME=]TARGET",
    positional: true,
    variable: null,
    parse: readTunnel,
    help: "where requests go: 8080 (of this machine), HOST:PORT, unix:PATH, http://, https:// or " +
      "h2c:// (HTTP/2 alone, as gRPC) with HOST:PORT, or ./FOLDER of files; or, for those with an access key of ttun mesh access, " +
      "tcp://HOST:PORT, tcp://unix:/PATH or udp://HOST:PORT; ?host=NAME is the host that the service gets, " +
      "?ca=FILE, ?name=NAME and ?verify=no are about the certificate of https, and ?proxy=v1 or v2 has " +
      "each connection begin with a PROXY header; there may be several " +
      "with a name each; --target may be left out right behind the command",
  },
  name: {
    names: ["name"],
    group: "basic",
    kind: "string",
    metavar: "NAME",
    variable: null,
    parse: readLabel,
    defaultText: "three words, which stay the target's",
    help:
      "the service is at https://NAME.DOMAIN; the name stays this agent's, also while it is off",
  },
  hostname: {
    names: ["hostname"],
    group: "basic",
    kind: "list",
    metavar: "HOST",
    variable: null,
    parse: readHostName,
    help:
      "the service is at https://HOST as well, a domain of yours as www.example.org; its owner says so " +
      "by a record in DNS, which publish tells",
  },
  basicAuth: {
    names: ["basic-auth"],
    group: "security",
    kind: "string",
    metavar: "FILE",
    help:
      "ask visitors for a name and a password, which FILE has in lines of NAME:PASSWORD, better as " +
      "ttun mesh password writes them; only its owner may read it; without this, TTUN_MESH_LOGINS",
  },
  bearerFile: {
    names: ["bearer-file"],
    group: "security",
    kind: "string",
    metavar: "FILE",
    help:
      "let in visitors whose requests have the token of FILE (Authorization: Bearer); only its owner " +
      "may read it",
  },
  allow: {
    names: ["allow"],
    group: "security",
    kind: "list",
    metavar: "CIDR",
    variable: null,
    parse: parseCidr,
    help: "let in visitors from these networks alone",
  },
  list: {
    names: ["list"],
    group: "basic",
    kind: "boolean",
    default: false,
    help: "of a folder: where there is no index.html, show the names of its files",
  },
  public: {
    names: ["public"],
    group: "security",
    kind: "boolean",
    default: false,
    help: "of tcp:// and udp://: let everybody in, without an access key",
  },
  udp: {
    names: ["udp"],
    group: "basic",
    kind: "boolean",
    default: false,
    help: "of tcp://: carry datagrams to that host and port as well",
  },
  rate: {
    names: ["rate"],
    group: "security",
    kind: "integer",
    metavar: "N",
    min: 1,
    max: MOST_RATE,
    variable: null,
    defaultText: "no limit",
    help: "requests per second of all visitors; as many as of five seconds may come at once",
  },
  visitorRate: {
    names: ["visitor-rate"],
    group: "security",
    kind: "integer",
    metavar: "N",
    min: 1,
    max: MOST_RATE,
    defaultText: "no limit",
    help: "the same of one visitor: an IPv4 address, or an IPv6 /64",
  },
  concurrent: {
    names: ["concurrent"],
    group: "security",
    kind: "integer",
    metavar: "N",
    min: 1,
    max: MOST_RATE,
    defaultText: "no limit",
    help: "requests of all visitors that are under way at a time",
  },
  visitorConcurrent: {
    names: ["visitor-concurrent"],
    group: "security",
    kind: "integer",
    metavar: "N",
    min: 1,
    max: MOST_RATE,
    defaultText: "no limit",
    help: "the same of one visitor",
  },
  requestHeader: {
    names: ["request-header"],
    group: "basic",
    kind: "list",
    metavar: "RULE",
    parse: readHeaderRule,
    help: "change a header field of requests: NAME: VALUE sets it, +NAME: VALUE adds one, -NAME " +
      "removes it",
  },
  responseHeader: {
    names: ["response-header"],
    group: "basic",
    kind: "list",
    metavar: "RULE",
    parse: readHeaderRule,
    help: "the same of responses",
  },
  ...PASSTHROUGH_OPTIONS,
} as const satisfies OptionTable;

export type TunnelFlags = Values<typeof TUNNEL_OPTIONS>;

/** @throws {TtunError} usage */
function readTunnel(text: string): { name: string | null; target: PublishTarget } {
  const [, name, target] = /^([^=:/]+)=(.*)$/s.exec(text) ?? [];
  if (name === undefined) return { name: null, target: readPublishTarget(text) };
  return { name: readPublicName(name), target: readPublishTarget(target!) };
}
