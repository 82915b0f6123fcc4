import { TtunError } from "../../base/errors.ts";
import { readAddress } from "../command/address_args.ts";
import type { OptionTable, Values } from "../command/option_table.ts";

const DEFAULT_METRICS = { host: "127.0.0.1", port: 9203 };

/** Options of the programs that have a status socket. */
export const STATUS_OPTIONS = {
  statusName: {
    names: ["status-name"],
    group: "logging",
    kind: "string",
    metavar: "NAME",
    parse: parseStatusName,
    conflicts: ["noStatus"],
    help: "the name by which ttun status finds this ttun, on its own machine alone (Linux)",
    defaultText: "the command and the process's number, as client-4711",
  },
  noStatus: {
    names: ["no-status"],
    group: "logging",
    kind: "boolean",
    default: false,
    help: "open no socket for ttun status",
  },
  noLive: {
    names: ["no-live"],
    group: "logging",
    kind: "boolean",
    default: false,
    help: "show no live line with rates below the log, which a terminal has otherwise",
  },
  metrics: {
    names: ["metrics"],
    group: "logging",
    kind: "string",
    metavar: "ADDR",
    parse: (text: string) => readAddress(text, DEFAULT_METRICS),
    help: "serve metrics for Prometheus at http://ADDR/metrics, and /healthz and /readyz; a port " +
      "alone is on this machine only",
  },
} as const satisfies OptionTable;

export type StatusFlags = Values<typeof STATUS_OPTIONS>;

/** Options of `ttun status`. */
export const STATUS_COMMAND_OPTIONS = {
  name: {
    names: ["name"],
    variable: null,
    group: "basic",
    kind: "string",
    metavar: "NAME",
    parse: parseStatusName,
    positional: true,
    help: "whose status; --name may be left out right behind the command",
    defaultText: "the only one that runs; of several a line each",
  },
  json: {
    names: ["json"],
    group: "basic",
    kind: "boolean",
    default: false,
    help: "print an object of JSON a line; docs/operate.md has its shape",
  },
  dump: {
    names: ["dump"],
    group: "basic",
    kind: "boolean",
    default: false,
    conflicts: ["json", "streams"],
    help: "print lines of fields separated by tabs, for scripts; docs/operate.md names them",
  },
  streams: {
    names: ["streams"],
    group: "basic",
    kind: "boolean",
    default: false,
    help: "list the streams of sessions one by one, up to 1000 that carried something last",
  },
  watch: {
    names: ["watch", "w"],
    group: "basic",
    kind: "boolean",
    default: false,
    help: "print it again every two seconds, until Ctrl-C",
  },
} as const satisfies OptionTable;

export type StatusCommandFlags = Values<typeof STATUS_COMMAND_OPTIONS>;

export function isStatusName(text: string): boolean {
  return /^[A-Za-z0-9._-]{1,64}$/.test(text);
}

function parseStatusName(text: string): string {
  if (isStatusName(text)) return text;
  throw new TtunError(
    "usage",
    `Cannot use ${JSON.stringify(text)} as a name: give up to 64 letters, digits, dots, dashes ` +
      "and underscores, as office",
  );
}
