import type { OptionTable, Values } from "../command/option_table.ts";
import { parseConfigName } from "./names.ts";

/** Options of every command that a configuration file may have a table for. */
export const CONFIG_OPTIONS = {
  config: {
    names: ["config"],
    group: "basic",
    kind: "string",
    metavar: "NAME|FILE",
    notInFiles: true,
    parse: parseConfigName,
    help:
      "take options that neither the command line nor the environment has from this TOML file, " +
      "or from NAME.toml in /etc/ttun or ~/.config/ttun",
  },
  configEntry: {
    names: ["config-entry"],
    group: "basic",
    kind: "integer",
    metavar: "N",
    notInFiles: true,
    min: 1,
    max: 10_000,
    help: "which of the file's tables for this command",
    defaultText: "the only one",
  },
} as const satisfies OptionTable;

export interface ConfigSource {
  readonly config: string;
  /** Which table, from 1; undefined = the only one. */
  readonly entry: number | undefined;
}

const NAME_OPTION = {
  names: ["name"],
  variable: null,
  group: "basic",
  kind: "string",
  metavar: "NAME|FILE",
  parse: parseConfigName,
  required: true,
  positional: true,
  help:
    "the configuration: a file, or NAME.toml in /etc/ttun or ~/.config/ttun; --name may be left " +
    "out right behind the command",
} as const;

/** Options of `ttun config check` and `ttun config show`. */
export const CONFIG_NAME_OPTIONS = { name: NAME_OPTION } as const satisfies OptionTable;

export type ConfigNameFlags = Values<typeof CONFIG_NAME_OPTIONS>;

/** Options of `ttun config example`. */
export const CONFIG_EXAMPLE_OPTIONS = {
  command: {
    names: ["command"],
    group: "basic",
    kind: "string",
    metavar: "COMMAND",
    positional: true,
    help: "of this command alone, as proxy.client; --command may be left out right behind the " +
      "command",
    defaultText: "of all",
  },
} as const satisfies OptionTable;

export type ConfigExampleFlags = Values<typeof CONFIG_EXAMPLE_OPTIONS>;
