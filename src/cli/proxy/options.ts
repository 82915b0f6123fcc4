import { formatIp, parseIp, readIpv6 } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { DEFAULT_LIMITS } from "../../app/net/connection_limits.ts";
import { BypassRules } from "../../core/proxy/bypass_rules.ts";
import { parseRule } from "../../core/acl/rule.ts";
import { DEFAULT_PORT_RANGE, formatPortRange, parsePortRange } from "../../core/hop/port_range.ts";
import { MAX_TEXT } from "../../core/tt/frame_sizes.ts";
import { readAddress, refuseForeign } from "../command/address_args.ts";
import {
  BACKEND_OPTIONS,
  CIPHER_OPTION,
  KEY_FILE_OPTION,
  KEY_OPTION,
  LOG_OPTIONS,
  SERVER_KEY_FILE_OPTION,
  WIRE_OPTION,
} from "../command/common_options.ts";
import { DAEMON_OPTIONS } from "../background/options.ts";
import { PROXY_CLIENT_HABITS, PROXY_SERVER_HABITS } from "../command/habits.ts";
import { STATUS_OPTIONS } from "../status/options.ts";
import type { OptionTable, Refusals, Values } from "../command/option_table.ts";
import { DEFAULT_KEEP, KEEP_OPTION } from "../command/session_options.ts";

/** The limit of the program `tt`, although its own frames hold less. */
const LARGEST_MTU = 65_536;

/** Seconds at most: timers count milliseconds in 31 bits. */
const LONGEST_IDLE = 2_000_000;

const DEFAULT_LISTEN = { host: "127.0.0.1", port: 1080 };

const WIRE_OPTIONS = {
  wire: {
    ...WIRE_OPTION,
    help: "wire format between the two ends: auto finds out whether the other end speaks version " +
      "2, which carries all connections over one that outlives a change of port or network; v2 " +
      "refuses version 1, which is that of the program tt; v1 speaks it alone",
  },
  keepSession: {
    ...KEEP_OPTION,
    help: "under version 2, keep connections for so long while the two ends have none",
  },
  cipher: { ...CIPHER_OPTION, names: ["cipher", "methods", "m"] },
  portRange: {
    names: ["port-range", "r"],
    group: "basic",
    kind: "string",
    metavar: "A-B",
    parse: parsePortRange,
    default: DEFAULT_PORT_RANGE,
    defaultText: formatPortRange(DEFAULT_PORT_RANGE),
    help: "the server's ports, of which key and time choose one each minute; the same on both ends",
  },
  mtu: {
    names: ["mtu"],
    group: "tuning",
    kind: "integer",
    metavar: "BYTES",
    min: 1,
    max: LARGEST_MTU,
    help: "under version 1, longest text of a frame that is sent",
    defaultText: "as long as the other end takes",
  },
} as const satisfies OptionTable;

const LIMIT_OPTIONS = {
  connections: {
    names: ["connections"],
    group: "tuning",
    kind: "integer",
    metavar: "N",
    min: 1,
    max: 1_000_000,
    default: DEFAULT_LIMITS.total,
    help: "serve so many connections at once",
  },
  perAddress: {
    names: ["per-address"],
    group: "tuning",
    kind: "integer",
    metavar: "N",
    min: 1,
    max: 1_000_000,
    default: DEFAULT_LIMITS.perAddress,
    help: "serve so many at once from one IPv4 address or one IPv6 /64",
  },
  idle: {
    names: ["idle"],
    group: "tuning",
    kind: "integer",
    metavar: "SECONDS",
    min: 0,
    max: LONGEST_IDLE,
    default: DEFAULT_LIMITS.idleMs / 1000,
    help: "close a connection that was silent both ways for so long; 0 = never",
  },
  halfClosed: {
    names: ["half-closed"],
    group: "tuning",
    kind: "integer",
    metavar: "SECONDS",
    min: 0,
    max: LONGEST_IDLE,
    default: DEFAULT_LIMITS.halfClosedMs / 1000,
    help: "the same for a connection of which one way has ended; 0 = as --idle",
  },
  connectTimeout: {
    names: ["connect-timeout"],
    group: "tuning",
    kind: "integer",
    metavar: "SECONDS",
    min: 1,
    max: 3600,
    default: DEFAULT_LIMITS.connectMs / 1000,
    help: "how long a target may take to answer",
  },
} as const satisfies OptionTable;

const PROCESS_OPTIONS = {
  ...BACKEND_OPTIONS,
  user: {
    names: ["user"],
    group: "security",
    kind: "string",
    metavar: "NAME",
    help: "become this user once everything is open (Linux)",
  },
  ...DAEMON_OPTIONS,
  ...STATUS_OPTIONS,
  ...LOG_OPTIONS,
} as const satisfies OptionTable;

export const PROXY_SERVER_OPTIONS = {
  listen: {
    names: ["listen", "l"],
    group: "basic",
    kind: "string",
    metavar: "HOST",
    parse: parseListenHost,
    default: "",
    defaultText: "0.0.0.0, which is all addresses, IPv6 too",
    help: "address to open the ports on; without a port, for that changes each minute",
  },
  key: KEY_OPTION,
  keyFile: SERVER_KEY_FILE_OPTION,
  ...WIRE_OPTIONS,
  allow: {
    names: ["permit-open", "allow"],
    group: "network",
    kind: "list",
    metavar: "CIDR|NAME[:PORTS]",
    parse: parseRule,
    help:
      "let clients connect to this network, or to this name as they ask for it ('*.NAME': what " +
      "is below it), or to a port or FROM-TO of either; repeat for more; the longest prefix and " +
      "the most specific name count; what is private or local takes a network, not a name; '*:25' " +
      "is port 25 everywhere, which only a rule for it alone opens",
    defaultText: "all but private, local and reserved addresses, this machine's own, and port 25",
  },
  deny: {
    names: ["deny"],
    group: "network",
    kind: "list",
    metavar: "CIDR|NAME[:PORTS]",
    parse: parseRule,
    help:
      "do not let clients connect to this network or name, or to some ports of it; repeat for " +
      "more; of equal rules it counts",
  },
  ...LIMIT_OPTIONS,
  ...PROCESS_OPTIONS,
} as const satisfies OptionTable;

export const PROXY_CLIENT_OPTIONS = {
  server: {
    names: ["server", "s"],
    group: "basic",
    kind: "string",
    metavar: "HOST",
    parse: parseServerHost,
    required: true,
    positional: true,
    help:
      "the server; without a port, for that follows from key and time (-s of ttun client, the " +
      "tunnel, has one); -s may be left out right behind the command",
  },
  listen: {
    names: ["listen", "l"],
    group: "basic",
    kind: "string",
    metavar: "ADDR",
    parse: parseListenAddress,
    default: DEFAULT_LISTEN,
    defaultText: "127.0.0.1:1080",
    help:
      "address and port where programs find the proxy (SOCKS5, SOCKS4 and HTTP on one port); a " +
      "port alone is on this machine only, 0.0.0.0:PORT on all addresses",
  },
  key: KEY_OPTION,
  keyFile: KEY_FILE_OPTION,
  ...WIRE_OPTIONS,
  direct: {
    names: ["direct"],
    group: "network",
    kind: "list",
    metavar: "CIDR|DOMAIN",
    parse: parseDirect,
    help: "connect to this network, or to this domain and what is below it, from here, past the " +
      "server; repeat for more",
  },
  directFile: {
    names: ["direct-file"],
    group: "network",
    kind: "string",
    metavar: "FILE",
    help: "read more of --direct from FILE, one a line; # begins a comment",
  },
  eager: {
    names: ["eager"],
    group: "tuning",
    kind: "boolean",
    default: false,
    help: "tell SOCKS programs that they are connected before that is so: a round trip less; a " +
      "target that cannot be reached then hangs up on them",
  },
  auth: {
    names: ["auth"],
    group: "security",
    kind: "string",
    metavar: "USER:PASSWORD",
    secret: true,
    variable: "TTUN_PROXY_AUTH",
    conflicts: ["authFile"],
    help: "who may use the proxy; process lists can show it, so better use --auth-file",
    defaultText: "whoever reaches it",
  },
  authFile: {
    names: ["auth-file"],
    group: "security",
    kind: "string",
    metavar: "FILE",
    help: "read USER:PASSWORD from FILE, which only its owner may read; without both, " +
      "TTUN_PROXY_AUTH",
  },
  systemProxy: {
    names: ["system-proxy"],
    group: "network",
    kind: "boolean",
    default: false,
    conflicts: ["user"],
    help:
      "have this user's desktop (GNOME, KDE; macOS and Windows, not yet tried) use the proxy by " +
      "its /proxy.pac, and put the former setting back at the end; after a kill, ttun doctor " +
      "--repair does that",
  },
  ...LIMIT_OPTIONS,
  ...PROCESS_OPTIONS,
} as const satisfies OptionTable;

const NO_TUN = "TUN mode over tt is not there yet; for a network device between the two ends use " +
  "ttun server and ttun client";

/** Advice for options of the program `tt` that have no counterpart. */
const TT_REFUSALS: Refusals = {
  "no-proxy": NO_TUN,
  "tun-ip": NO_TUN,
  "no-port-jump-on-tun-mode": NO_TUN,
};

export const PROXY_SERVER_REFUSALS: Refusals = { ...PROXY_SERVER_HABITS, ...TT_REFUSALS };
export const PROXY_CLIENT_REFUSALS: Refusals = { ...PROXY_CLIENT_HABITS, ...TT_REFUSALS };

export type ProxyServerFlags = Values<typeof PROXY_SERVER_OPTIONS>;
export type ProxyClientFlags = Values<typeof PROXY_CLIENT_OPTIONS>;
/** The parsed command line of either end; `"server" in options` identifies a client's. */
export type ProxyFlags = ProxyServerFlags | ProxyClientFlags;

export type WireSettings = ReturnType<typeof wireOf>;

export function wireOf({ wire, keepSession, cipher, portRange, mtu }: ProxyFlags) {
  const mostText = mtu === undefined ? undefined : Math.min(mtu, MAX_TEXT);
  const keepMs = (keepSession ?? DEFAULT_KEEP) * 1000;
  return { mode: wire, cipher, range: portRange, mostText, keepMs };
}

function parseListenHost(text: string): string {
  const host = parseHost(text === "*" ? "0.0.0.0" : text, {
    port: "the ports follow from the key and the time; --port-range says out of which they are",
  });
  return host === "0.0.0.0" || host === "::" ? "" : host;
}

function parseServerHost(text: string): string {
  return parseHost(text, {
    port: "it follows from the key and the time; -s takes a port in ttun client, the tunnel, only",
  });
}

/** Reads an IP address, with or without brackets, or a name. `why.port`: why it has no port. */
function parseHost(text: string, why: { readonly port: string }): string {
  refuseForeign(text);
  const bare = /^\[(.*)\]$/.exec(text)?.[1] ?? text;
  const zoned = bare.includes("%") || bare.includes(":") ? readIpv6(text, bare) : null;
  if (zoned?.includes("%") === true) return zoned;
  const ip = parseIp(bare);
  if (ip !== null) return formatIp(ip);
  // A resolver takes a lone number for an IPv4 address: 1080 is 0.0.4.56.
  if (/^:?\d+$/.test(text) || /^(\[.*\]|[^:]*):\w*$/.test(text)) {
    throw new TtunError(
      "usage",
      `Cannot use ${JSON.stringify(text)}: write a host without a port; ${why.port}`,
    );
  }
  if (/^[^\s:/@[\]]+$/.test(text)) return text;
  throw new TtunError(
    "usage",
    `Cannot read host ${JSON.stringify(text)}: write a name or an IP address`,
  );
}

/** Reads an address; a port alone is for this machine's programs only. */
function parseListenAddress(text: string) {
  return readAddress(text, DEFAULT_LISTEN);
}

/** Returns the text, to be parsed again where an error can name the option. */
function parseDirect(text: string): string {
  new BypassRules([text]);
  return text;
}
