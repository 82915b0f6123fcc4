import { parseArgs, type SecretSpot, usageOf } from "./args.ts";
import type { RunContext } from "./context.ts";
import type { LogSettings } from "./log_writer.ts";
import type { Option, OptionTable, Values } from "./option_table.ts";

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
      const parsed = parseArgs(spec.options, args);
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

/** `ttun client -s HOST:PORT [options]` */
export function usageLine(name: string, options: OptionTable): string {
  const all: readonly Option[] = Object.values(options);
  const required = all.filter((option) => option.required === true).map(usageOf);
  return ["ttun", name, ...required, ...(all.length > 0 ? ["[options]"] : [])].join(" ");
}
