import { parseRule } from "../../core/acl/rule.ts";
import { parseListenRule } from "../../core/acl/listen_rule.ts";
import {
  parseDynamicForward,
  parseLocalForward,
  parseRemoteForward,
  parseStdioForward,
} from "../../core/forward/parse.ts";
import { parseByteRate } from "../command/byte_rate.ts";
import type { OptionTable } from "../command/option_table.ts";
import { KEEP_OPTION, UDP_IDLE_OPTION } from "../command/session_options.ts";

const NO_TUN_OPTION = {
  names: ["no-tun"],
  group: "basic",
  kind: "boolean",
  default: false,
} as const;

/** Options of `ttun client` for forwards. */
export const FORWARD_CLIENT_OPTIONS = {
  local: {
    names: ["local-forward", "L"],
    group: "basic",
    kind: "list",
    metavar: "[BIND:]PORT:HOST:PORT",
    parse: parseLocalForward,
    help:
      "listen here and connect from the server to HOST:PORT, as ssh -L does; either may be the " +
      "path of a unix socket, or /udp stand behind it for datagrams; without --tun there is no device then; repeat for more",
  },
  remote: {
    names: ["remote-forward", "R"],
    group: "basic",
    kind: "list",
    metavar: "[BIND:]PORT[:HOST:PORT]",
    parse: parseRemoteForward,
    help:
      "have the server listen and connect from here to HOST:PORT, as ssh -R does; either may be " +
      "the path of a unix socket, or /udp stand behind it for datagrams; without HOST:PORT the server's port is a SOCKS and HTTP proxy " +
      "whose connections leave from here; the server needs --permit-listen; without --tun there " +
      "is no device then; repeat for more",
  },
  dynamic: {
    names: ["dynamic-forward", "D"],
    group: "basic",
    kind: "list",
    metavar: "[BIND:]PORT",
    parse: parseDynamicForward,
    help:
      "be a SOCKS and HTTP proxy here whose connections leave from the server, as ssh -D does; " +
      "without --tun there is no device then; repeat for more",
  },
  stdio: {
    names: ["stdio-forward", "W"],
    group: "basic",
    kind: "string",
    metavar: "HOST:PORT",
    parse: parseStdioForward,
    help:
      "connect standard input and output with HOST:PORT, or the path of a unix socket, from the " +
      "server, and end with it, as ssh -W does: for ssh's ProxyCommand; a failure's exit code is 255",
  },
  noTun: {
    ...NO_TUN_OPTION,
    names: ["no-tun", "N"],
    help: "make no device: forward alone, which needs no root",
  },
  tun: {
    names: ["tun"],
    group: "basic",
    kind: "boolean",
    default: false,
    help: "make the device as well as the forwards; --device, --route and the like say so too",
  },
  exitOnForwardFailure: {
    names: ["exit-on-forward-failure"],
    group: "basic",
    kind: "boolean",
    default: false,
    help: "end when a forward cannot listen here or at the server, instead of going on without it",
  },
  background: {
    names: ["background", "f"],
    group: "basic",
    kind: "boolean",
    default: false,
    conflicts: ["stdio"],
    help:
      "go to the background when the server is reached and all forwards are there, as ssh -f does; " +
      "until then ttun waits, and ends with the exit code of a failure (Linux)",
  },
  keepSession: KEEP_OPTION,
  udpIdle: UDP_IDLE_OPTION,
} as const satisfies OptionTable;

/** Options of `ttun server` for forwards. */
export const FORWARD_SERVER_OPTIONS = {
  noTun: {
    ...NO_TUN_OPTION,
    help: "make no device: serve clients that forward alone; needs no root",
  },
  allow: {
    names: ["permit-open", "allow"],
    group: "network",
    kind: "list",
    metavar: "CIDR|NAME[:PORTS]|unix:/PATH",
    parse: parseRule,
    help: "let forwards connect to this network, to this name as they ask for it, or " +
      "to this unix socket; rules as for ttun proxy server; repeat for more",
    defaultText: "all but private, local and reserved addresses, this machine's own, and port 25",
  },
  deny: {
    names: ["deny"],
    group: "network",
    kind: "list",
    metavar: "CIDR|NAME[:PORTS]",
    parse: parseRule,
    help: "let forwards not connect there; repeat for more",
  },
  permitListen: {
    names: ["permit-listen"],
    group: "network",
    kind: "list",
    metavar: "[ADDR:]PORT[-PORT]|unix:/PATH",
    parse: parseListenRule,
    help: "let clients have this server listen there for them (their -R): on 127.0.0.1 unless an " +
      "address is given, * for all; repeat for more",
    defaultText: "nowhere",
  },
  permitRelay: {
    names: ["permit-relay"],
    group: "network",
    kind: "boolean",
    default: false,
    help:
      "carry bytes between two clients that meet at this server (ttun peer --via) and find no " +
      "direct way to each other: for 16 pairs at a time, and encrypted from one to the other",
  },
  relayRate: {
    names: ["relay-rate"],
    group: "network",
    kind: "string",
    metavar: "RATE",
    parse: parseByteRate,
    defaultText: "4M",
    help: "of --permit-relay: carry so many bytes per second for each pair, as 500k or 4M",
  },
  keepSession: KEEP_OPTION,
  udpIdle: UDP_IDLE_OPTION,
} as const satisfies OptionTable;
