import { parseCidr } from "../../base/addr.ts";
import type { OptionTable } from "../command/option_table.ts";

/** Proxies in front of a gateway. */
export const FRONT_OPTIONS = {
  proxyProtocolFrom: {
    names: ["proxy-protocol-from"],
    group: "network",
    kind: "list",
    metavar: "CIDR",
    variable: null,
    parse: parseCidr,
    help:
      "connections from these networks begin with a PROXY header (version 1 or 2), as HAProxy and " +
      "load balancers send it: the address in it is the visitor's for all that follows",
  },
  forwardedFrom: {
    names: ["forwarded-from"],
    group: "network",
    kind: "list",
    metavar: "CIDR",
    variable: null,
    parse: parseCidr,
    help: "visitors of these networks are web proxies: what they say of their own visitors " +
      "(X-Forwarded-For, -Proto, -Host, Forwarded) goes on to services; --allow does not heed it",
  },
  connectPlain: {
    names: ["connect-plain"],
    group: "network",
    kind: "boolean",
    default: false,
    help:
      "let visitors at --redirect reach services that are published with --public by CONNECT, as " +
      "programs do that know HTTP proxies alone; nothing else is reached, and nothing is encrypted",
  },
} as const satisfies OptionTable;
