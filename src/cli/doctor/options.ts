import { isSharedLink } from "../../core/share/shared_link.ts";
import { readAddress } from "../command/address_args.ts";
import { KEY_FILE_OPTION, KEY_OPTION } from "../command/common_options.ts";
import type { OptionTable, Values } from "../command/option_table.ts";
import { parseServer } from "../transport/endpoint.ts";
import { DEFAULT_PORT } from "../transport/table.ts";

export const DOCTOR_OPTIONS = {
  server: {
    names: ["server", "s"],
    group: "basic",
    kind: "string",
    metavar: "SERVER",
    parse: parseServer,
    positional: true,
    help:
      "look at the way to this server too: HOST[:PORT], hop://HOST[?range=FIRST-LAST], a link " +
      "or link:FILE; --server may be left out right behind the command",
    isSecret: isSharedLink,
  },
  key: KEY_OPTION,
  keyFile: KEY_FILE_OPTION,
  listen: {
    names: ["listen", "l"],
    group: "basic",
    kind: "string",
    metavar: "[ADDRESS:]PORT",
    parse: (text: string) => readAddress(text, { host: "", port: DEFAULT_PORT }),
    // In other commands it says where to listen, and what it gives is another thing.
    variable: null,
    help: "tell who listens on this port here, which a server is to have",
  },
  json: {
    names: ["json"],
    group: "basic",
    kind: "boolean",
    default: false,
    help: "print one object of JSON; docs/troubleshooting.md has its shape",
  },
  report: {
    names: ["report"],
    group: "basic",
    kind: "boolean",
    default: false,
    conflicts: ["json"],
    help: "print it for others to read: without public addresses and the server's name",
  },
  repair: {
    names: ["repair"],
    group: "basic",
    kind: "boolean",
    default: false,
    help: "take away what killed ttuns have left on this machine, a kill switch too (as root)",
  },
} as const satisfies OptionTable;

export type DoctorFlags = Values<typeof DOCTOR_OPTIONS>;
