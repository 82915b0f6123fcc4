import { readAddress } from "../command/address_args.ts";
import { DEFAULT_PORT } from "../transport/table.ts";
import type { OptionTable, Values } from "../command/option_table.ts";

export const DOCTOR_OPTIONS = {
  server: {
    names: ["server", "s"],
    group: "basic",
    kind: "string",
    metavar: "HOST[:PORT]",
    parse: (text: string) => readAddress(text, { port: DEFAULT_PORT }),
    positional: true,
    help: "look at the way to this server too; --server may be left out right behind the command",
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
