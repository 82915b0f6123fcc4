import { CONFIG_NAME_OPTIONS } from "../config/options.ts";
import type { OptionTable, Values } from "../command/option_table.ts";

/** Options of `ttun down` and `ttun reload`. */
export const RUN_OPTIONS = CONFIG_NAME_OPTIONS;

export type RunFlags = Values<typeof RUN_OPTIONS>;

/** Options of `ttun up`. */
export const UP_OPTIONS = {
  ...CONFIG_NAME_OPTIONS,
  foreground: {
    names: ["foreground"],
    group: "basic",
    kind: "boolean",
    default: false,
    help:
      "stay, with the log on standard error, and end all when one of them ends or ttun is told to",
  },
} as const satisfies OptionTable;

export type UpFlags = Values<typeof UP_OPTIONS>;

/** Options of `ttun logs`. */
export const LOGS_OPTIONS = {
  ...CONFIG_NAME_OPTIONS,
  lines: {
    names: ["lines", "n"],
    group: "basic",
    kind: "integer",
    metavar: "N",
    min: 0,
    max: 1_000_000,
    default: 100,
    help: "print so many lines of each log, the last ones",
  },
  follow: {
    names: ["follow", "f"],
    group: "basic",
    kind: "boolean",
    default: false,
    help: "go on with lines as they come, until Ctrl-C",
  },
} as const satisfies OptionTable;

export type LogsFlags = Values<typeof LOGS_OPTIONS>;
