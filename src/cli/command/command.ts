import { CONFIG_OPTIONS, type ConfigSource } from "../config/options.ts";
import { completeArgs, readArgs, type SecretSpot, usageOf } from "./args.ts";
import type { RunContext } from "./context.ts";
import type { Layer } from "./layers.ts";
import type { LogSettings } from "../output/log_writer.ts";
import type { Option, OptionTable, Refusals, Values } from "./option_table.ts";

export interface Command {
  readonly summary: string;
  /** A complete command line, for help. */
  readonly example: string;
  readonly options: OptionTable;
  /** A program of such a name behaves like the command (program_name.ts). */
  readonly aliases: readonly string[];
  /** A configuration file may have tables for it. */
  readonly isConfigurable: boolean;
  /** Commands behind its own word, such as `ttun peer listen`. */
  readonly further: Readonly<Record<string, Command>>;
  /** Reads a command line. @throws {TtunError} usage */
  prepare(args: readonly string[]): Prepared;
}

/** Commands behind a common word, such as `ttun proxy server`. */
export interface CommandGroup {
  readonly summary: string;
  readonly about: string;
  /** A program of such a name behaves like the group (program_name.ts). */
  readonly aliases: readonly string[];
  /** A command line that stands in lists for the whole group; absent = a line for each command. */
  readonly example?: string;
  readonly commands: Readonly<Record<string, Command>>;
}

export type Commands = Readonly<Record<string, Command | CommandGroup>>;

export function isGroup(found: Command | CommandGroup): found is CommandGroup {
  return "commands" in found;
}

/** Returns the commands by all their words, such as `proxy server`, in the order of help. */
export function allCommands(commands: Commands): Record<string, Command> {
  return Object.fromEntries(
    Object.entries(commands).flatMap(([word, found]) =>
      isGroup(found)
        ? Object.entries(found.commands).map(behind(word))
        : [[word, found], ...Object.entries(found.further).map(behind(word))]
    ),
  );
}

function behind(word: string): (entry: [string, Command]) => [string, Command] {
  return ([name, command]) => [`${word} ${name}`, command];
}

export type Prepared =
  | { readonly help: true }
  | {
    readonly help: false;
    readonly secrets: readonly SecretSpot[];
    /** Returns the file that more options come from; null = none. @throws {TtunError} usage */
    source(layers: readonly Layer[]): ConfigSource | null;
    /** `layers`: where options come from that the command line has not, the first one first. */
    complete(layers: readonly Layer[]): Runnable;
  };

export interface Runnable {
  /** Undefined means a command without a log, whose errors are plain lines. */
  readonly logging: LogSettings | undefined;
  /** Names of given options by which the user has a command run: --up, or a server with exec:. */
  readonly running: readonly string[];
  /** It becomes another user: no thread is to gain a privilege any more. */
  readonly leavesRoot: boolean;
  /** Resolves to the exit code. */
  run(context: RunContext): Promise<number>;
  /** Returns the options that there are with other layers. @throws {TtunError} usage */
  withLayers(layers: readonly Layer[]): Readonly<Record<string, unknown>>;
}

interface CommandSpec<T extends OptionTable> {
  readonly summary: string;
  readonly example: string;
  readonly options: T;
  readonly aliases?: readonly string[];
  readonly further?: Readonly<Record<string, Command>>;
  readonly refusals?: Refusals;
  /** True for a command about configurations, which none has a table for. */
  readonly notInFiles?: true;
  readonly logging?: (values: Values<T>) => LogSettings;
  /** Absent = it never becomes another user. */
  readonly leavesRoot?: (values: Values<T>) => boolean;
  readonly run: (values: Values<T>, context: RunContext) => Promise<number>;
}

export function defineCommand<T extends OptionTable>(spec: CommandSpec<T>): Command {
  const isConfigurable = spec.notInFiles !== true && Object.keys(spec.options).length > 0;
  const options: OptionTable = isConfigurable
    ? { ...spec.options, ...CONFIG_OPTIONS }
    : spec.options;
  return {
    summary: spec.summary,
    example: spec.example,
    aliases: spec.aliases ?? [],
    further: spec.further ?? {},
    options,
    isConfigurable,
    prepare(args) {
      const read = readArgs(options, args, spec.refusals);
      if (read.help) return read;
      return {
        help: false,
        secrets: read.secrets,
        source(layers) {
          if (!isConfigurable) return null;
          const { config, configEntry } = completeArgs(CONFIG_OPTIONS, read.given, layers);
          return config === undefined ? null : { config, entry: configEntry };
        },
        complete(layers) {
          const values = completeArgs(spec.options, read.given, layers);
          return {
            logging: spec.logging?.(values),
            running: runningOptions(spec.options, values),
            leavesRoot: spec.leavesRoot?.(values) ?? false,
            run: (context) => spec.run(values, context),
            withLayers: (layers) => completeArgs(spec.options, read.given, layers),
          };
        },
      };
    },
  };
}

function runningOptions(table: OptionTable, values: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(table).flatMap(([key, { names, runs }]) => {
    const value = values[key];
    const isCommand = typeof value === "object" && value !== null && "scheme" in value &&
      value.scheme === "exec";
    return (runs === true && value !== undefined) || isCommand ? [names[0]] : [];
  });
}

/** Returns the commands that a configuration file may have tables for, by all their words. */
export function fileCommands(commands: Commands): Record<string, Command> {
  const all = Object.entries(allCommands(commands));
  return Object.fromEntries(all.filter(([, { isConfigurable }]) => isConfigurable));
}

/**
 * Returns `ttun client -s HOST:PORT [options]`, `ttun up NAME [options]`, `ttun tox ssh [options] NAME`;
 * `name` has all words of the command.
 */
export function usageLine(name: string, table: OptionTable): string {
  const all: readonly Option[] = Object.values(table);
  const required = all.filter((option) => option.required === true).map((option) => {
    const hasLetter = option.names.some((name) => name.length === 1);
    return option.positional === true && !hasLetter && "metavar" in option
      ? option.metavar
      : usageOf(option);
  });
  const options = all.length > 0 ? ["[options]"] : [];
  const takesRest = all.some((option) => option.kind === "list" && option.takesRest === true);
  return ["ttun", name, ...(takesRest ? [...options, ...required] : [...required, ...options])]
    .join(" ");
}
