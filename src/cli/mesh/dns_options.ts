import { formatIp, type HostPort, parseIp } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { readAddress } from "../command/address_args.ts";
import type { OptionTable } from "../command/option_table.ts";

export const DNS_PORT = 53;

/** Options of a node that answers for the apex in DNS. */
export const DNS_OPTIONS = {
  dns: {
    names: ["dns"],
    group: "network",
    kind: "list",
    metavar: "[ADDR:]PORT",
    variable: null,
    parse: (text: string): HostPort => readAddress(text, { host: "", port: DNS_PORT }),
    help:
      "answer for --apex in DNS there (UDP and TCP), as on port 53: the domain is delegated to this " +
      "node; there may be several, as one for each address of the machine",
  },
  dnsAddress: {
    names: ["dns-address"],
    group: "network",
    kind: "list",
    metavar: "IP",
    variable: null,
    parse: readIp,
    defaultText: "that of --advertise of init and join, if it is one",
    help: "visitors reach this node there: what DNS tells of the apex and the names below it",
  },
} as const satisfies OptionTable;

function readIp(text: string): string {
  const ip = parseIp(text);
  if (ip !== null) return formatIp(ip);
  throw new TtunError("usage", `Cannot use ${JSON.stringify(text)}: it is no IP address`);
}
