import { type HostPort, parseHostPort } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { readApex } from "../../core/gateway/label.ts";
import { areAgentNames } from "../../core/gateway/agent_names.ts";
import {
  readServiceKinds,
  SERVICE_KINDS,
  type ServiceKind,
} from "../../core/gateway/service_kinds.ts";
import { readAddress } from "../command/address_args.ts";
import { DAEMON_OPTIONS } from "../background/options.ts";
import { FRONT_OPTIONS } from "../gateway/front_options.ts";
import { LOG_OPTIONS } from "../command/common_options.ts";
import type { OptionTable, Values } from "../command/option_table.ts";
import { ACME_OPTIONS } from "./acme_options.ts";
import { DNS_OPTIONS } from "./dns_options.ts";
import { STATUS_OPTIONS } from "../status/options.ts";

/** TCP and UDP port of links between nodes. */
export const MESH_PORT = 20204;

/** TCP port for nodes that join. */
export const JOIN_PORT = 20205;

const ROLES = ["node", "core", "gateway"] as const;
type RoleName = typeof ROLES[number];

const DATA = {
  names: ["data"],
  group: "basic",
  kind: "string",
  metavar: "DIR",
  variable: "TTUN_MESH_DATA",
  defaultText: "mesh in the state directory",
  help: "the node's folder: its key, certificate, records",
} as const;

const HOST = {
  names: ["host"],
  group: "basic",
  kind: "string",
  metavar: "NAME",
  variable: "TTUN_MESH_HOST",
  defaultText: "this machine's name",
  help: "the machine: copies of a record go to nodes of different hosts",
} as const;

const ZONE = {
  names: ["zone"],
  group: "basic",
  kind: "string",
  metavar: "NAME",
  variable: "TTUN_MESH_ZONE",
  help: "the place that the host is in, such as a region",
} as const;

const ADVERTISE = {
  names: ["advertise"],
  group: "network",
  kind: "string",
  metavar: "HOST[:PORT]",
  variable: "TTUN_MESH_ADVERTISE",
  parse: (text: string): HostPort => readAddress(text, { port: MESH_PORT }),
  defaultText: "an address of this machine",
  help: "where other nodes reach this one",
} as const;

const JOIN_AT = {
  names: ["join-at"],
  group: "network",
  kind: "string",
  metavar: "HOST[:PORT]",
  variable: "TTUN_MESH_JOIN_AT",
  parse: (text: string): HostPort => readAddress(text, { port: JOIN_PORT }),
  defaultText: `the host of --advertise, port ${JOIN_PORT}`,
  help: "where machines that join reach this node",
} as const;

/** Options of commands that ask a running node. */
const ASK_OPTIONS = {
  data: DATA,
  api: {
    names: ["api"],
    group: "network",
    kind: "string",
    metavar: "ADDR:PORT",
    variable: "TTUN_MESH_API",
    parse: (text: string) => parseHostPort(text),
    defaultText: "the socket in the node's folder",
    help: "ask the node whose API is at this address of this machine, with a token",
  },
  tokenFile: {
    names: ["token-file"],
    group: "security",
    kind: "string",
    metavar: "FILE",
    help: "read the token for --api from FILE, which only its owner may read (- is standard " +
      "input); without this, TTUN_MESH_TOKEN",
  },
} as const satisfies OptionTable;

const JSON_OPTION = {
  names: ["json"],
  group: "basic",
  kind: "boolean",
  default: false,
  help: "print JSON",
} as const;

export const MESH_INIT_OPTIONS = {
  data: DATA,
  host: HOST,
  zone: ZONE,
  advertise: ADVERTISE,
  joinAt: JOIN_AT,
} as const satisfies OptionTable;

export const MESH_JOIN_OPTIONS = {
  invite: {
    names: ["invite"],
    group: "basic",
    kind: "string",
    metavar: "INVITE",
    positional: true,
    secret: true,
    isSecret: () => true,
    conflicts: ["inviteFile"],
    variable: "TTUN_INVITE",
    help:
      "the invite that ttun mesh invite has printed; process lists can show it, so better use " +
      "--invite-file or TTUN_INVITE; without any of these it is asked for",
  },
  inviteFile: {
    names: ["invite-file"],
    group: "basic",
    kind: "string",
    metavar: "FILE",
    help: "read the invite from FILE, which only its owner may read (- is standard input)",
  },
  data: DATA,
  host: HOST,
  zone: ZONE,
  advertise: ADVERTISE,
  joinAt: JOIN_AT,
  roles: {
    names: ["roles"],
    group: "basic",
    kind: "string",
    metavar: "ROLE,...",
    variable: "TTUN_MESH_ROLES",
    parse: readMemberRoles,
    default: ["node", "gateway"] as readonly RoleName[],
    defaultText: "node,gateway",
    help:
      "the node's work: node keeps records, gateway takes visitors, core holds names and leases",
  },
} as const satisfies OptionTable;

export const MESH_INVITE_OPTIONS = {
  ...ASK_OPTIONS,
  roles: {
    names: ["roles"],
    group: "security",
    kind: "string",
    metavar: "ROLE,...",
    variable: null,
    parse: readMemberRoles,
    default: ["node", "gateway"] as readonly RoleName[],
    defaultText: "node,gateway",
    help: "roles that the new node may have",
  },
  host: {
    names: ["host"],
    group: "security",
    kind: "string",
    metavar: "NAME",
    variable: null,
    defaultText: "any",
    help: "the host that the new node must have",
  },
  hours: {
    names: ["hours"],
    group: "security",
    kind: "integer",
    metavar: "HOURS",
    min: 1,
    max: 720,
    default: 1,
    help: "how long the invite holds",
  },
  uses: {
    names: ["uses"],
    group: "security",
    kind: "integer",
    metavar: "COUNT",
    min: 1,
    max: 1000,
    default: 1,
    help: "how many machines may join by it",
  },
  names: {
    names: ["names"],
    group: "security",
    kind: "string",
    metavar: "NAME,...",
    variable: null,
    parse: readNames,
    conflicts: ["roles", "host"],
    help:
      "the invite is for agents (ttun mesh enroll), which may publish these names and no others; " +
      "* = any that is free",
  },
  kinds: {
    names: ["kinds"],
    group: "security",
    kind: "string",
    metavar: "KIND,...",
    variable: null,
    parse: readKinds,
    defaultText: "all",
    help: "what these agents may publish: http, tls (--passthrough), tcp (tcp:// and udp:// with " +
      "--public) and link (those with access keys, and -l mesh://)",
  },
  quota: {
    names: ["quota"],
    group: "security",
    kind: "integer",
    metavar: "COUNT",
    variable: null,
    min: 1,
    max: 1000,
    default: 10,
    help: "how many names each of these agents may have",
  },
} as const satisfies OptionTable;

/** Port of visitors and agents. */
export const GATEWAY_PORT = 443;

/** A gateway, by which agents publish services. */
const GATEWAY_OPTIONS = {
  gateway: {
    names: ["gateway"],
    group: "network",
    kind: "string",
    metavar: "[ADDR:]PORT",
    variable: "TTUN_MESH_GATEWAY",
    parse: (text: string) => readAddress(text, { host: "", port: GATEWAY_PORT }),
    help:
      "take visitors and agents there, by TLS: services that ttun mesh publish has published are " +
      "names below --apex",
  },
  open: {
    names: ["open"],
    group: "security",
    kind: "boolean",
    default: false,
    variable: "TTUN_MESH_OPEN",
    help:
      "let anybody enroll an agent without an invite, for some work of its processor (ttun mesh " +
      "enroll --open); the node with the authority's key needs it too",
  },
  apex: {
    names: ["apex"],
    group: "basic",
    kind: "string",
    metavar: "DOMAIN",
    variable: "TTUN_MESH_APEX",
    parse: readApex,
    help:
      "the domain of published services, as example.net: it and all names below it lead to the " +
      "gateways",
  },
  gatewayCert: {
    names: ["gateway-cert"],
    group: "security",
    kind: "string",
    metavar: "FILE",
    variable: "TTUN_MESH_GATEWAY_CERT",
    defaultText: "one by the cluster's own authority, ca.crt",
    help:
      "the certificate of the apex and of all names below it, with those behind it (PEM); it is read " +
      "again when it has changed",
  },
  gatewayKey: {
    names: ["gateway-key"],
    group: "security",
    kind: "string",
    metavar: "FILE",
    variable: "TTUN_MESH_GATEWAY_KEY",
    help: "the key of --gateway-cert (PEM)",
  },
  noHttp3: {
    names: ["no-http3"],
    group: "network",
    kind: "boolean",
    default: false,
    help: "do not take visitors by HTTP/3, on the UDP port of the same number as --gateway",
  },
  redirect: {
    names: ["redirect"],
    group: "network",
    kind: "string",
    metavar: "[ADDR:]PORT",
    variable: "TTUN_MESH_REDIRECT",
    parse: (text: string) => readAddress(text, { host: "", port: 80 }),
    help: "lead visitors of plain HTTP there to HTTPS, as on port 80",
  },
  fallback: {
    names: ["fallback"],
    group: "network",
    kind: "string",
    metavar: "HOST:PORT",
    variable: "TTUN_MESH_FALLBACK",
    parse: (text: string): HostPort => parseHostPort(text),
    help:
      "TLS for other names than the apex's goes there untouched: so another web server has the same port",
  },
  gatewayAt: {
    names: ["gateway-at"],
    group: "network",
    kind: "string",
    metavar: "HOST[:PORT]",
    variable: "TTUN_MESH_GATEWAY_AT",
    parse: (text: string): HostPort => readAddress(text, { port: GATEWAY_PORT }),
    defaultText: "the node's own address, the port of --gateway",
    help: "where agents reach this gateway: they keep links to three gateways, of which one tells",
  },
  accessLog: {
    names: ["access-log"],
    group: "logging",
    kind: "choice",
    metavar: "HOW",
    choices: ["off", "text", "json"],
    default: "off",
    help:
      "print a line for each request to standard output: text is what web servers call combined",
  },
} as const satisfies OptionTable;

/** An etcd cluster that has the core. */
const STORE_OPTIONS = {
  store: {
    names: ["store"],
    group: "network",
    kind: "string",
    metavar: "URL",
    variable: "TTUN_MESH_STORE",
    help:
      "the core is in an etcd cluster: etcd://HOST:PORT, or with TLS etcds://HOST:PORT; several " +
      "members with commas between; /PREFIX behind them begins all keys there",
  },
  storeUser: {
    names: ["store-user"],
    group: "security",
    kind: "string",
    metavar: "NAME",
    help: "log in at etcd with this name",
  },
  storePasswordFile: {
    names: ["store-password-file"],
    group: "security",
    kind: "string",
    metavar: "FILE",
    help: "read the password for --store-user from FILE, which only its owner may read",
  },
  storeCa: {
    names: ["store-ca"],
    group: "security",
    kind: "string",
    metavar: "FILE",
    defaultText: "the system's authorities",
    help: "trust these authorities for etcds:// (PEM)",
  },
} as const satisfies OptionTable;

const PASSPHRASE_FILE = {
  names: ["passphrase-file"],
  group: "security",
  kind: "string",
  metavar: "FILE",
  variable: "TTUN_MESH_PASSPHRASE_FILE",
} as const;

export const MESH_NODE_OPTIONS = {
  data: DATA,
  invites: {
    names: ["invites"],
    group: "security",
    kind: "choice",
    metavar: "WHICH",
    variable: "TTUN_MESH_INVITES",
    choices: ["any", "core"],
    default: "any",
    help:
      "nodes that may invite, at the node with the authority's key: any, or those with the role " +
      "core alone",
  },
  roles: {
    names: ["roles"],
    group: "basic",
    kind: "string",
    metavar: "ROLE,...",
    variable: "TTUN_MESH_ROLES",
    parse: readMemberRoles,
    defaultText: "all that its certificate has",
    help:
      "the node's work, of what its certificate lets it do: node keeps records, as every node " +
      "does, gateway takes visitors, core may have names and leases",
  },
  listen: {
    names: ["listen", "l"],
    group: "network",
    kind: "string",
    metavar: "[ADDR:]PORT",
    variable: "TTUN_MESH_LISTEN",
    parse: (text: string) => readAddress(text, { host: "", port: MESH_PORT }),
    default: { host: "", port: MESH_PORT },
    defaultText: `all addresses, port ${MESH_PORT}`,
    help: "listen there for other nodes",
  },
  transport: {
    names: ["transport"],
    group: "network",
    kind: "choice",
    metavar: "NAME",
    variable: "TTUN_MESH_TRANSPORT",
    choices: ["auto", "tcp", "quic"],
    default: "auto",
    help: "links between nodes: auto is TCP, and QUIC where TCP fails or is late",
  },
  joinListen: {
    names: ["join-listen"],
    group: "network",
    kind: "string",
    metavar: "[ADDR:]PORT",
    parse: (text: string) => readAddress(text, { host: "", port: JOIN_PORT }),
    default: { host: "", port: JOIN_PORT },
    defaultText: `all addresses, port ${JOIN_PORT}`,
    help: "listen there for machines that join; the node passes on to the one with the " +
      "authority's key what they ask",
  },
  api: {
    names: ["api"],
    group: "network",
    kind: "string",
    metavar: "ADDR:PORT",
    variable: "TTUN_MESH_API",
    parse: readLoopback,
    defaultText: "only the socket in the node's folder",
    help: "serve the HTTP API there too, for programs with a token (ttun mesh token); an address " +
      "of this machine alone",
  },
  backupEvery: {
    names: ["backup-every"],
    group: "basic",
    kind: "integer",
    metavar: "MINUTES",
    min: 1,
    max: 10_080,
    default: 60,
    help:
      "where this node has the core: keep a sealed copy of it at two other nodes so often, and " +
      "after each change of names",
  },
  ...GATEWAY_OPTIONS,
  ...FRONT_OPTIONS,
  ...DNS_OPTIONS,
  ...ACME_OPTIONS,
  ...STORE_OPTIONS,
  passphraseFile: {
    ...PASSPHRASE_FILE,
    help:
      "with --store: read the passphrase under which etcd keeps the authority's key from FILE, " +
      "which only its owner may read (- is standard input); without this, TTUN_MESH_PASSPHRASE; " +
      "nodes without it pass on to others what needs the key",
  },
  daemon: {
    ...DAEMON_OPTIONS.daemon,
    conflicts: [],
    help: "go to the background when the node serves; until then ttun waits, and ends with the " +
      "exit code of a failure (Linux)",
  },
  pid: DAEMON_OPTIONS.pid,
  logFile: DAEMON_OPTIONS.logFile,
  statusName: STATUS_OPTIONS.statusName,
  noStatus: STATUS_OPTIONS.noStatus,
  ...LOG_OPTIONS,
} as const satisfies OptionTable;

export const MESH_STATUS_OPTIONS = {
  json: JSON_OPTION,
  dot: {
    names: ["dot"],
    group: "basic",
    kind: "boolean",
    default: false,
    conflicts: ["json"],
    help: "print the ring for Graphviz: ttun mesh status --dot | dot -Tsvg",
  },
  ...ASK_OPTIONS,
} as const satisfies OptionTable;

export const MESH_LEAVE_OPTIONS = ASK_OPTIONS;

export type MeshLeaveFlags = Values<typeof MESH_LEAVE_OPTIONS>;

export const MESH_KV_OPTIONS = {
  words: {
    names: ["do"],
    group: "basic",
    kind: "list",
    metavar: "get|put|del|list|watch KEY [VALUE]",
    positional: true,
    required: true,
    variable: null,
    beginnings: ["get", "put", "del", "list", "watch"],
    help:
      "get KEY prints the value; put KEY VALUE writes it (without VALUE, standard input); del " +
      "KEY deletes it; list PREFIX prints keys; watch PREFIX prints changes as they come; --do may " +
      "be left out right behind the command",
  },
  ttl: {
    names: ["ttl"],
    group: "basic",
    kind: "string",
    metavar: "DURATION",
    variable: null,
    help: "put: the key vanishes after so long, as 30s",
  },
  ifVersion: {
    names: ["if-version"],
    group: "basic",
    kind: "string",
    metavar: "VERSION",
    variable: null,
    help: "put and del: only if the key has this version; absent = only if there is none",
  },
  json: JSON_OPTION,
  ...ASK_OPTIONS,
} as const satisfies OptionTable;

export const MESH_TOKEN_OPTIONS = {
  words: {
    names: ["do"],
    group: "basic",
    kind: "list",
    metavar: "add|list|revoke [ID]",
    positional: true,
    required: true,
    variable: null,
    beginnings: ["add", "list", "revoke"],
    help:
      "add prints a new token, list tells which there are, revoke ID takes one away; --do may " +
      "be left out right behind the command",
  },
  verbs: {
    names: ["verbs"],
    group: "security",
    kind: "string",
    metavar: "VERB,...",
    variable: null,
    default: "get,put,delete,list,watch",
    help: "what a new token may do: get, put, delete, list, watch, lease, status, admin",
  },
  prefix: {
    names: ["prefix"],
    group: "security",
    kind: "string",
    metavar: "PREFIX",
    variable: null,
    default: "kv/",
    help: "beginning of the keys that a new token is for",
  },
  data: DATA,
} as const satisfies OptionTable;

export const MESH_REVOKE_OPTIONS = {
  node: {
    names: ["node"],
    group: "basic",
    kind: "string",
    metavar: "NODE",
    positional: true,
    required: true,
    variable: null,
    help:
      "the beginning of the node's id, 12 digits at least, as ttun mesh status prints it; --node " +
      "may be left out right behind the command",
  },
  invited: {
    names: ["invited"],
    group: "basic",
    kind: "boolean",
    variable: null,
    help: "shut out also the nodes and agents that have come by its invites",
  },
  ...ASK_OPTIONS,
} as const satisfies OptionTable;

export const MESH_ROTATE_OPTIONS = {
  step: {
    names: ["step"],
    group: "basic",
    kind: "choice",
    metavar: "STEP",
    choices: ["status", "add", "use", "remove"],
    default: "status",
    positional: true,
    variable: null,
    help:
      "add has all nodes accept a new authority and secret beside the old ones, use has the new " +
      "ones used, remove ends the old ones; status tells how many nodes have the last step",
  },
  ...ASK_OPTIONS,
} as const satisfies OptionTable;

export const MESH_CORE_OPTIONS = {
  words: {
    names: ["do"],
    group: "basic",
    kind: "list",
    metavar: "export|import|restore|move [FILE|NODE]",
    positional: true,
    required: true,
    variable: null,
    beginnings: ["export", "import", "restore", "move"],
    help:
      "export prints the core, or writes it to FILE; import FILE makes the core of this node, or " +
      "fills an empty etcd (--store), from an export; restore FILE does so from a sealed backup; " +
      "move NODE hands the core of the running node to another one, while both run; " +
      "--do may be left out right behind the command",
  },
  ...STORE_OPTIONS,
  passphraseFile: {
    ...PASSPHRASE_FILE,
    help:
      "import and restore at a node, of what was in etcd: read the passphrase of the authority's " +
      "key from FILE (- is standard input); without this, TTUN_MESH_PASSPHRASE, then a prompt",
  },
  ...ASK_OPTIONS,
} as const satisfies OptionTable;

export type MeshCoreFlags = Values<typeof MESH_CORE_OPTIONS>;
export type MeshRotateFlags = Values<typeof MESH_ROTATE_OPTIONS>;
export type MeshInitFlags = Values<typeof MESH_INIT_OPTIONS>;
export type MeshJoinFlags = Values<typeof MESH_JOIN_OPTIONS>;
export type MeshInviteFlags = Values<typeof MESH_INVITE_OPTIONS>;
export type MeshNodeFlags = Values<typeof MESH_NODE_OPTIONS>;
export type MeshStatusFlags = Values<typeof MESH_STATUS_OPTIONS>;
export type MeshKvFlags = Values<typeof MESH_KV_OPTIONS>;
export type MeshTokenFlags = Values<typeof MESH_TOKEN_OPTIONS>;
export type MeshRevokeFlags = Values<typeof MESH_REVOKE_OPTIONS>;
export type AskFlags = Values<typeof ASK_OPTIONS>;

function readRoles(text: string): readonly RoleName[] {
  const words = text.split(",").map((word) => word.trim());
  if (words.every((word) => ROLES.some((role) => role === word))) {
    return ROLES.filter((role) => words.includes(role));
  }
  throw new TtunError("usage", `Cannot use this: write ${ROLES.join(", ")}, with commas between`);
}

function readMemberRoles(text: string): readonly RoleName[] {
  const roles = readRoles(text);
  if (roles.includes("node")) return roles;
  throw new TtunError("usage", "Cannot leave out node: every node keeps records");
}

/** @throws {TtunError} usage */
function readKinds(text: string): readonly ServiceKind[] {
  const kinds = readServiceKinds(text.split(","));
  if (kinds !== null) return kinds;
  throw new TtunError(
    "usage",
    `Cannot use these kinds: write ${SERVICE_KINDS.join(", ")}, with commas between`,
  );
}

function readNames(text: string): readonly string[] {
  const names = text.split(",").map((name) => name.trim().toLowerCase());
  if (areAgentNames(names)) return names;
  throw new TtunError(
    "usage",
    "Cannot use this: write at most 32 names of letters, digits and hyphens, or hosts as " +
      "www.example.org, with commas between, or * for any",
  );
}

function readLoopback(text: string): HostPort {
  const at = parseHostPort(text);
  if (/^127\.|^::1$/.test(at.host)) return at;
  throw new TtunError(
    "usage",
    `Cannot serve the API on ${JSON.stringify(text)}: give an address of this machine alone, as ` +
      "127.0.0.1:20206",
  );
}
