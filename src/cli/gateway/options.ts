import { type HostPort, parseCidr } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { isLoopback } from "../../base/loopback.ts";
import { readApex, readLabel } from "../../core/gateway/label.ts";
import { type PublishTarget, readPublishTarget } from "../../core/gateway/publish_target.ts";
import { readAddress } from "../command/address_args.ts";
import { LOG_OPTIONS } from "../command/common_options.ts";
import type { OptionTable, Values } from "../command/option_table.ts";
import { GATEWAY_PORT } from "../mesh/options.ts";

/** Port of the page with an agent's requests, as others of its kind have it. */
const INSPECT_PORT = 4040;

const AGENT_DATA = {
  names: ["data"],
  group: "basic",
  kind: "string",
  metavar: "DIR",
  variable: "TTUN_AGENT_DATA",
  defaultText: "agent in the state directory",
  help: "the agent's folder: its key and certificate",
} as const;

export const ENROLL_OPTIONS = {
  apex: {
    names: ["apex"],
    group: "basic",
    kind: "string",
    metavar: "DOMAIN[:PORT]",
    positional: true,
    required: true,
    variable: null,
    parse: readGateway,
    help:
      "the domain whose gateways this machine goes to, as example.net; --apex may be left out right " +
      "behind the command",
  },
  invite: {
    names: ["invite"],
    group: "basic",
    kind: "string",
    metavar: "INVITE",
    secret: true,
    isSecret: () => true,
    conflicts: ["inviteFile"],
    variable: "TTUN_INVITE",
    help:
      "the invite that ttun mesh invite --names has printed; process lists can show it, so better " +
      "use --invite-file or TTUN_INVITE; without any of these it is asked for",
  },
  inviteFile: {
    names: ["invite-file"],
    group: "basic",
    kind: "string",
    metavar: "FILE",
    help: "read the invite from FILE, which only its owner may read (- is standard input)",
  },
  at: {
    names: ["at"],
    group: "network",
    kind: "string",
    metavar: "HOST[:PORT]",
    variable: null,
    parse: (text: string): HostPort => readAddress(text, { port: GATEWAY_PORT }),
    defaultText: "the domain itself",
    help: "connect to a gateway there, whose certificate must be for the domain all the same",
  },
  ca: {
    names: ["ca"],
    group: "security",
    kind: "string",
    metavar: "FILE",
    variable: null,
    defaultText: "the cluster's own authority, or the system's",
    help: "trust these authorities (PEM) for the gateway's certificate",
  },
  data: AGENT_DATA,
} as const satisfies OptionTable;

export const PUBLISH_OPTIONS = {
  target: {
    names: ["target"],
    group: "basic",
    kind: "list",
    metavar: "[NAME=]TARGET",
    positional: true,
    required: true,
    variable: null,
    parse: readTunnel,
    help: "where requests go: 8080 (of this machine), HOST:PORT, unix:PATH, http://, https:// or " +
      "h2c:// (HTTP/2 alone, as gRPC) with HOST:PORT, or ./FOLDER of files; ?host=NAME is the host that the service gets, " +
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
  basicAuth: {
    names: ["basic-auth"],
    group: "security",
    kind: "string",
    metavar: "FILE",
    help:
      "ask visitors for a name and a password, which FILE has in lines of NAME:PASSWORD; only its " +
      "owner may read it",
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
  inspect: {
    names: ["inspect"],
    group: "basic",
    kind: "string",
    metavar: "[ADDR:]PORT",
    parse: readInspect,
    help:
      "show the requests on a page of this machine, as 4040 for http://127.0.0.1:4040; the address " +
      "is printed with a token that lets one browser in",
  },
  data: AGENT_DATA,
  ...LOG_OPTIONS,
} as const satisfies OptionTable;

export const NAMES_OPTIONS = {
  words: {
    names: ["do"],
    group: "basic",
    kind: "list",
    metavar: "list|release NAME",
    positional: true,
    required: true,
    variable: null,
    beginnings: ["list", "release"],
    help:
      "list prints the names of this machine's agent; release NAME gives one back, so that others " +
      "may have it; --do may be left out right behind the command",
  },
  data: AGENT_DATA,
} as const satisfies OptionTable;

export type EnrollFlags = Values<typeof ENROLL_OPTIONS>;
export type PublishFlags = Values<typeof PUBLISH_OPTIONS>;
export type NamesFlags = Values<typeof NAMES_OPTIONS>;

/** @throws {TtunError} usage */
function readInspect(text: string): HostPort {
  const at = readAddress(text, { host: "127.0.0.1", port: INSPECT_PORT });
  if (isLoopback(at.host)) return at;
  throw new TtunError(
    "usage",
    "Cannot show requests there: they may hold secrets, so the address is one of this machine " +
      "alone, as 127.0.0.1:4040",
  );
}

function readTunnel(text: string): { name: string | null; target: PublishTarget } {
  const [, name, target] = /^([^=:/]+)=(.*)$/s.exec(text) ?? [];
  if (name === undefined) return { name: null, target: readPublishTarget(text) };
  return { name: readLabel(name), target: readPublishTarget(target!) };
}

function readGateway(text: string): HostPort {
  const { host, port } = readAddress(text, { port: GATEWAY_PORT });
  if (host === "") throw new TtunError("usage", "There is no domain");
  return { host: readApex(host), port };
}
