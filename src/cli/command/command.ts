import { parseArgs, type SecretSpot, usageOf } from "./args.ts";
import type { RunContext } from "./context.ts";
import type { LogSettings } from "../output/log_writer.ts";
import type { Option, OptionTable, Refusals, Values } from "./option_table.ts";

/** One line of the table of commands. */
export interface Command {
  /** A few words for the list of commands. */
  readonly summary: string;
  /** A command line that works, for help. */
  readonly example: string;
  readonly options: OptionTable;
  /** @throws {TtunError} usage */
  prepare(args: readonly string[]): Prepared;
}

/** Commands that stand behind one word: `ttun proxy server`. */
export interface CommandGroup {
  /** A few words for the list of commands. */
  readonly summary: string;
  /** A sentence for the group's page. */
  readonly about: string;
  /** Other words for it; a program with such a name behaves as the group (program_name.ts). */
  readonly aliases: readonly string[];
  /** Where it is there, lists have one line for the group, with this example of all its commands. */
  readonly example?: string;
  readonly commands: Readonly<Record<string, Command>>;
}

/** By the word that stands for it. */
export type Commands = Readonly<Record<string, Command | CommandGroup>>;

export function isGroup(found: Command | CommandGroup): found is CommandGroup {
  return "commands" in found;
}

/** The commands by all their words, `proxy server`, in the order that help lists them. */
export function allCommands(commands: Commands): Record<string, Command> {
  return Object.fromEntries(
    Object.entries(commands).flatMap(([word, found]) =>
      isGroup(found)
        ? Object.entries(found.commands).map(([name, command]) => [`${word} ${name}`, command])
        : [[word, found]]
    ),
  );
}

/** A command with its options read: either help is asked for, or it is ready to run. */
export type Prepared =
  | { readonly help: true }
  | {
    readonly help: false;
    readonly secrets: readonly SecretSpot[];
    /** Undefined where a command has nothing to log; its errors are then plain lines. */
    readonly logging: LogSettings | undefined;
    /** Resolves to the exit code. */
    run(context: RunContext): Promise<number>;
  };

interface CommandSpec<T extends OptionTable> {
  readonly summary: string;
  readonly example: string;
  readonly options: T;
  readonly refusals?: Refusals;
  readonly logging?: (values: Values<T>) => LogSettings;
  readonly run: (values: Values<T>, context: RunContext) => Promise<number>;
}

/** Ties a table of options to what runs with its values, and then hides their type. */
export function defineCommand<T extends OptionTable>(spec: CommandSpec<T>): Command {
  return {
    summary: spec.summary,
    example: spec.example,
    options: spec.options,
    prepare(args) {
      const parsed = parseArgs(spec.options, args, spec.refusals);
      if (parsed.help) return parsed;
      return {
        help: false,
        secrets: parsed.secrets,
        logging: spec.logging?.(parsed.values),
        run: (context) => spec.run(parsed.values, context),
      };
    },
  };
}

/** `ttun client -s HOST:PORT [options]`; `name` has all words of the command. */
export function usageLine(name: string, options: OptionTable): string {
  const all: readonly Option[] = Object.values(options);
  const required = all.filter((option) => option.required === true).map(usageOf);
  return ["ttun", name, ...required, ...(all.length > 0 ? ["[options]"] : [])].join(" ");
}
