import { parseCidr } from "../../base/addr.ts";
import { parseClientNetwork } from "../../core/ip/client_networks.ts";
import { DAEMON_OPTIONS } from "../background/options.ts";
import {
  BACKEND_OPTIONS,
  CIPHER_OPTION,
  KEY_FILE_OPTION,
  KEY_OPTION,
  LOG_OPTIONS,
  SERVER_KEY_FILE_OPTION,
  WIRE_OPTION,
} from "../command/common_options.ts";
import { FORWARD_CLIENT_OPTIONS, FORWARD_SERVER_OPTIONS } from "../forward/options.ts";
import { STATUS_OPTIONS } from "../status/options.ts";
import { LONGEST_REKEY } from "../command/session_options.ts";
import { isSharedLink } from "../../core/share/shared_link.ts";
import { isTicket } from "../../core/ticket/ticket_text.ts";
import { VIA_OPTIONS } from "../peer/via_options.ts";
import type { OptionTable, Values } from "../command/option_table.ts";
import {
  beginningsOf,
  DEFAULT_LISTEN,
  formsOf,
  parseListen,
  parseServer,
} from "../transport/endpoint.ts";
import { DEFAULT_PORT } from "../transport/table.ts";
import {
  parseAddress,
  parseClientName,
  parseDeviceName,
  parseDomain,
  parseExclude,
  parseNameServer,
  parseNetwork,
} from "./option_values.ts";

const KEY_OPTIONS = {
  key: KEY_OPTION,
  keyFile: KEY_FILE_OPTION,
  cipher: CIPHER_OPTION,
} as const satisfies OptionTable;

const REKEY_OPTION = {
  names: ["rekey"],
  group: "security",
  kind: "integer",
  metavar: "SECONDS",
  min: 1,
  max: LONGEST_REKEY,
  defaultText: String(LONGEST_REKEY),
  help: "under version 2, take new keys at the latest after so many seconds",
} as const;

/** Options of a device, and of what else an end does with it. */
export const DEVICE_OPTIONS = {
  mtu: {
    names: ["mtu"],
    group: "tuning",
    kind: "integer",
    metavar: "BYTES",
    // RFC 791 requires 68 bytes of every link; a frame of the wire format holds 65519.
    min: 68,
    max: 65519,
    default: 1280,
    help: "largest packet of the device",
  },
  device: {
    names: ["device"],
    group: "network",
    kind: "string",
    metavar: "NAME",
    parse: parseDeviceName,
    help: "name of the device",
    defaultText: "the first free one",
  },
  wintun: {
    names: ["wintun"],
    group: "network",
    kind: "string",
    metavar: "FILE",
    help: "Windows: the wintun.dll to use",
    defaultText: "beside the program",
  },
  peerAddress: {
    names: ["peer-address"],
    group: "network",
    kind: "list",
    metavar: "ADDRESS",
    parse: parseAddress,
    help: "make the device point to point with this address at the other end; one for IPv4 and " +
      "one for IPv6",
    defaultText: "a network, as --address says",
  },
  route: {
    names: ["route"],
    group: "network",
    kind: "list",
    metavar: "CIDR",
    parse: parseNetwork,
    help: "send this network through the tunnel; repeat for more",
  },
  mssClamp: {
    names: ["mss-clamp"],
    group: "tuning",
    kind: "boolean",
    default: false,
    help: "lower the segment size of TCP connections through the tunnel to what fits --mtu",
  },
  offload: {
    names: ["offload"],
    group: "tuning",
    kind: "choice",
    metavar: "WHETHER",
    choices: ["auto", "off"],
    defaultText: "auto",
    help: "carry the segments of a connection as one packet where both ends can (version 2); off " +
      "for trouble",
  },
  up: {
    names: ["up"],
    group: "network",
    kind: "string",
    metavar: "CMD",
    runs: true,
    help: "run CMD in a shell when the device is ready and its addresses are known: at a client " +
      "when a server has first answered, and again, after --down, when one gives other addresses; " +
      "with --user it runs once, as root",
  },
  down: {
    names: ["down"],
    group: "network",
    kind: "string",
    metavar: "CMD",
    runs: true,
    help: "run CMD in a shell at the end, when the device is closed, unless --up has not run",
  },
} as const satisfies OptionTable;

const PROCESS_OPTIONS = {
  ...DAEMON_OPTIONS,
  mptcp: {
    names: ["mptcp"],
    group: "tuning",
    kind: "boolean",
    help: "use Multipath TCP, with =false do not (Linux; elsewhere it does nothing)",
    defaultText: "as the system has it",
  },
  ...BACKEND_OPTIONS,
  user: {
    names: ["user"],
    group: "security",
    kind: "string",
    metavar: "NAME",
    help: "become this user once the device is ready, and a client's --up has run; it keeps the " +
      "right to mend the device",
  },
} as const satisfies OptionTable;

export const ADDRESS_OPTION = {
  names: ["address"],
  group: "network",
  kind: "list",
  metavar: "CIDR",
  parse: parseCidr,
  help: "this end's address on the device; repeat for more",
} as const;

const ACCEPT_OPTION = {
  names: ["accept-addresses"],
  group: "security",
  kind: "list",
  metavar: "CIDR",
  parse: parseCidr,
  help: "take whatever addresses in this network a server gives; repeat for more",
  defaultText: "one address of each family, in a network of its own of at most /16 or /48",
} as const;

const NAME_OPTION = {
  names: ["name"],
  group: "network",
  kind: "string",
  metavar: "NAME",
  parse: parseClientName,
  help: "the client's name at the server, for its log and --client-network; a client with a name " +
    "of its own is another one than others of this machine, and has other addresses",
  defaultText: "the host's name",
} as const;

export const SERVER_OPTIONS = {
  listen: {
    names: ["listen", "l"],
    group: "basic",
    kind: "list",
    metavar: "ADDR",
    parse: parseListen,
    beginnings: beginningsOf("listen"),
    help:
      `address and port to listen on, without an address on all, without a port on ${DEFAULT_PORT}; or ${
        formsOf("listen").join(" or ")
      }; repeat for more`,
    default: [DEFAULT_LISTEN],
    defaultText: `:${DEFAULT_PORT}`,
  },
  ...KEY_OPTIONS,
  ...VIA_OPTIONS,
  keyFile: SERVER_KEY_FILE_OPTION,
  wire: WIRE_OPTION,
  rekey: REKEY_OPTION,
  clients: {
    names: ["clients"],
    group: "basic",
    kind: "integer",
    metavar: "N",
    min: 1,
    max: 1024,
    help: "serve up to N clients, which get their addresses of --pool (version 2 only)",
    defaultText: "with --pool as many as it has addresses, up to 253; else one, with its own",
  },
  pool: {
    names: ["pool"],
    group: "network",
    kind: "list",
    metavar: "CIDR",
    parse: parseNetwork,
    help: "network that the addresses for --clients are of; one for IPv4 and one for IPv6",
  },
  clientNetwork: {
    names: ["client-network"],
    group: "network",
    kind: "list",
    metavar: "NAME=CIDR",
    parse: parseClientNetwork,
    help:
      "let this network behind the client of that name through, and send it there; repeat for " +
      "more (with --pool)",
  },
  address: {
    ...ADDRESS_OPTION,
    defaultText: "10.1.1.1/30 and fc11::1/126, or the first of --pool",
  },
  nat: {
    names: ["nat"],
    group: "network",
    kind: "string",
    metavar: "IFACE",
    parse: parseDeviceName,
    beginnings: ["auto"],
    help:
      "let clients reach what this machine reaches by this interface, under its address: switches " +
      "on forwarding, and takes all of it back at the end; auto is the one of the default route " +
      "(Linux)",
  },
  pushRoute: {
    names: ["push-route"],
    group: "network",
    kind: "list",
    metavar: "CIDR",
    parse: parseNetwork,
    help:
      "tell clients that this network is reached through the tunnel; those with --accept-routes " +
      "send it there (version 2 only); repeat for more",
  },
  pushDns: {
    names: ["push-dns"],
    group: "network",
    kind: "list",
    metavar: "ADDR",
    parse: parseNameServer,
    help:
      "tell clients of this name server; those with --accept-dns ask it (version 2 only); repeat " +
      "for more",
  },
  ...FORWARD_SERVER_OPTIONS,
  ...DEVICE_OPTIONS,
  ...PROCESS_OPTIONS,
  ...STATUS_OPTIONS,
  ...LOG_OPTIONS,
} as const satisfies OptionTable;

const CA_OPTION = {
  names: ["ca"],
  group: "security",
  kind: "string",
  metavar: "FILE",
  help: "trust the authorities of this PEM file for the server's certificate (quic:// and tls://)",
  defaultText: "what the URL names, else those that the system or Deno has",
} as const;

/** Linux only. */
const GATEWAY_OPTIONS = {
  defaultRoute: {
    names: ["default-route"],
    group: "network",
    kind: "boolean",
    default: false,
    help:
      "send all traffic of this machine through the tunnel, IPv4 and IPv6; local networks are " +
      "kept beside it (Linux). An ssh connection to this machine from elsewhere breaks off",
  },
  exclude: {
    names: ["exclude"],
    group: "network",
    kind: "list",
    metavar: "CIDR",
    parse: parseExclude,
    help:
      "with --default-route or --kill-switch, keep this network beside the tunnel; repeat for " +
      "more",
  },
  killSwitch: {
    names: ["kill-switch"],
    group: "security",
    kind: "boolean",
    default: false,
    help:
      "let nothing leave this machine outside the tunnel but what is for local networks, from " +
      "before the connection until ttun is ended on purpose; after kill -9 it stays, and ttun " +
      "doctor --repair takes it away (Linux). Who is connected by ssh from elsewhere is cut off, " +
      "without a way back but the console",
  },
} as const satisfies OptionTable;

export const CLIENT_OPTIONS = {
  server: {
    names: ["server", "s"],
    group: "basic",
    kind: "string",
    metavar: "HOST[:PORT]",
    parse: parseServer,
    isSecret: (text: string) => isSharedLink(text) || isTicket(text),
    beginnings: beginningsOf("server"),
    required: true,
    positional: true,
    help: `the server to connect to, also as ${
      formsOf("server").join(" or ")
    }; -s may be left out right behind the command`,
    defaultText: `port ${DEFAULT_PORT}`,
  },
  ...KEY_OPTIONS,
  ca: CA_OPTION,
  ...VIA_OPTIONS,
  ...FORWARD_CLIENT_OPTIONS,
  once: {
    names: ["once"],
    group: "basic",
    kind: "boolean",
    default: false,
    conflicts: ["retries"],
    help: "end with the first connection, instead of connecting again",
  },
  retries: {
    names: ["retries"],
    group: "basic",
    kind: "integer",
    metavar: "N",
    min: 0,
    max: 1e9,
    help: "give up after N failed attempts in a row",
    defaultText: "never; with peer: after an hour without the other end",
  },
  wire: WIRE_OPTION,
  rekey: REKEY_OPTION,
  address: {
    ...ADDRESS_OPTION,
    help: `${ADDRESS_OPTION.help}; a server with --pool is asked for it`,
    defaultText: "what the server gives, else 10.1.1.2/30 and fc11::2/126",
  },
  name: NAME_OPTION,
  acceptAddresses: ACCEPT_OPTION,
  acceptRoutes: {
    names: ["accept-routes"],
    group: "security",
    kind: "boolean",
    default: false,
    help:
      "send the networks that the server names through the tunnel while there is a session, but " +
      "for those of this machine and the server's own address (Linux)",
  },
  acceptDns: {
    names: ["accept-dns"],
    group: "security",
    kind: "boolean",
    default: false,
    help:
      "have this machine ask the name servers that the server names while there is a session (Linux)",
  },
  dns: {
    names: ["dns"],
    group: "network",
    kind: "list",
    metavar: "ADDR",
    parse: parseNameServer,
    help:
      "have this machine ask this name server, from the first session to the end; the former ones " +
      "are put back then (Linux); repeat for more",
  },
  dnsSearch: {
    names: ["dns-search"],
    group: "network",
    kind: "list",
    metavar: "NAME",
    parse: parseDomain,
    help: "with --dns or --accept-dns, look short names up in this domain; repeat for more",
  },
  ...GATEWAY_OPTIONS,
  ...DEVICE_OPTIONS,
  ...PROCESS_OPTIONS,
  ...STATUS_OPTIONS,
  ...LOG_OPTIONS,
} as const satisfies OptionTable;

export type TunServerFlags = Values<typeof SERVER_OPTIONS>;
export type TunClientFlags = Values<typeof CLIENT_OPTIONS>;
/** The parsed command line of either end; `"server" in options` identifies a client's. */
export type TunFlags = TunServerFlags | TunClientFlags;
