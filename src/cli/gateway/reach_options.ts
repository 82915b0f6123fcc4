import type { HostPort } from "../../base/addr.ts";
import { parseDynamicForward } from "../../core/forward/parse.ts";
import { readApex, readLabel } from "../../core/gateway/label.ts";
import { DAEMON_OPTIONS } from "../background/options.ts";
import { STATUS_OPTIONS } from "../status/options.ts";
import { readAddress } from "../command/address_args.ts";
import { LOG_OPTIONS } from "../command/common_options.ts";
import type { OptionTable, Values } from "../command/option_table.ts";
import { GATEWAY_PORT } from "../mesh/options.ts";
import { AGENT_DATA } from "./agent_data_option.ts";

export const ACCESS_OPTIONS = {
  words: {
    names: ["do"],
    group: "basic",
    kind: "list",
    metavar: "NAME add|revoke LABEL|list",
    positional: true,
    required: true,
    variable: null,
    help:
      "a published name, and what is to be done: add LABEL makes an access key and prints it, once; " +
      "revoke LABEL takes it back, and ends what goes on under it; list prints the labels; --do may " +
      "be left out right behind the command",
  },
  out: {
    names: ["out"],
    group: "basic",
    kind: "string",
    metavar: "FILE",
    variable: null,
    help: "of add: write the key to FILE, which is new and its owner's alone, and do not print it",
  },
  data: AGENT_DATA,
} as const satisfies OptionTable;

/** Options of those who reach a service that is published as it is. */
const REACH = {
  name: {
    names: ["name"],
    group: "basic",
    kind: "string",
    metavar: "NAME[.DOMAIN[:PORT]]",
    positional: true,
    required: true,
    variable: null,
    parse: readReached,
    help:
      "the service's name, as db.example.net; without the domain it is one of this machine's agent; " +
      "--name may be left out right behind the command",
  },
  accessFile: {
    names: ["access-file"],
    group: "basic",
    kind: "string",
    metavar: "FILE",
    help:
      "read the access key from FILE, which only its owner may read (- is standard input, or asks); " +
      "else TTUN_ACCESS has it; without a key the service must be a public one",
  },
  at: {
    names: ["at"],
    group: "network",
    kind: "list",
    metavar: "HOST[:PORT]",
    variable: null,
    parse: (text: string): HostPort => readAddress(text, { port: GATEWAY_PORT }),
    defaultText: "the domain itself",
    help: "connect to a gateway there; repeat for more, which are tried in turn",
  },
  ca: {
    names: ["ca"],
    group: "security",
    kind: "string",
    metavar: "FILE",
    variable: null,
    defaultText: "those of this machine's agent of the domain, or the system's",
    help: "trust these authorities (PEM) for the gateway's certificate",
  },
} as const satisfies OptionTable;

export const REACH_CONNECT_OPTIONS = { ...REACH, ...LOG_OPTIONS } as const satisfies OptionTable;

export const REACH_LISTEN_OPTIONS = {
  ...REACH,
  listen: {
    names: ["listen", "l"],
    group: "basic",
    kind: "list",
    metavar: "[BIND:]PORT",
    required: true,
    variable: null,
    parse: (text: string) => parseDynamicForward(text).listen,
    help:
      "listen there, on loopback unless an address is given, and carry each connection to the " +
      "service; a unix socket's path will do; repeat for more",
  },
  udp: {
    names: ["udp"],
    group: "basic",
    kind: "boolean",
    default: false,
    help: "carry datagrams in place of connections",
  },
  daemon: {
    ...DAEMON_OPTIONS.daemon,
    conflicts: [],
    help:
      "go to the background when the service is reached; until then ttun waits, and ends with " +
      "the exit code of a failure (Linux)",
  },
  pid: DAEMON_OPTIONS.pid,
  logFile: DAEMON_OPTIONS.logFile,
  statusName: STATUS_OPTIONS.statusName,
  noStatus: STATUS_OPTIONS.noStatus,
  metrics: STATUS_OPTIONS.metrics,
  ...LOG_OPTIONS,
} as const satisfies OptionTable;

export type AccessFlags = Values<typeof ACCESS_OPTIONS>;
export type ReachConnectFlags = Values<typeof REACH_CONNECT_OPTIONS>;
export type ReachListenFlags = Values<typeof REACH_LISTEN_OPTIONS>;

/** `apex`: null = that of this machine's agent. @throws {TtunError} usage */
function readReached(text: string): { name: string; apex: string | null; port: number } {
  const { host, port } = readAddress(text, { port: GATEWAY_PORT });
  const [label = "", ...domain] = host.split(".");
  const apex = domain.length === 0 ? null : readApex(domain.join("."));
  return { name: readLabel(label), apex, port };
}
