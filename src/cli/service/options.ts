import type { OptionTable, Values } from "../command/option_table.ts";
import { CONFIG_NAME_OPTIONS } from "../config/options.ts";
import { parseConfigName } from "../config/names.ts";
import { LOGS_OPTIONS } from "../up/options.ts";

/** Options of `ttun service install`. */
export const SERVICE_INSTALL_OPTIONS = {
  ...CONFIG_NAME_OPTIONS,
  program: {
    names: ["program"],
    group: "basic",
    kind: "string",
    metavar: "FILE",
    help: "the executable that the service runs, which nobody but root may be able to change",
    defaultText: "this one",
  },
} as const satisfies OptionTable;

export type ServiceInstallFlags = Values<typeof SERVICE_INSTALL_OPTIONS>;

/** Options of `ttun service uninstall`, `start`, `stop` and `status`. */
export const SERVICE_OPTIONS = {
  name: {
    names: ["name"],
    variable: null,
    group: "basic",
    kind: "string",
    metavar: "NAME",
    parse: parseConfigName,
    positional: true,
    help: "the configuration's name; --name may be left out right behind the command",
    defaultText: "the only one that is installed",
  },
} as const satisfies OptionTable;

export type ServiceFlags = Values<typeof SERVICE_OPTIONS>;

/** Options of `ttun service logs`. */
export const SERVICE_LOGS_OPTIONS = {
  ...SERVICE_OPTIONS,
  lines: LOGS_OPTIONS.lines,
  follow: LOGS_OPTIONS.follow,
} as const satisfies OptionTable;

export type ServiceLogsFlags = Values<typeof SERVICE_LOGS_OPTIONS>;
