import { allCommands, type Commands } from "../src/cli/command.ts";
import type { Option } from "../src/cli/option_table.ts";

/** Every command takes it, and no table has it: src/cli/args.ts. */
export const HELP_OPTION: Option = { names: ["help", "h"], kind: "boolean", help: "print help" };

/** What stands in a command's place: src/cli/run.ts. */
export const OTHER_WORDS: Readonly<Record<string, string>> = {
  help: "print help, or that of a command",
  version: "print the version",
};

/** Options that the same commands have. */
export interface OptionGroup {
  /** By all their words. */
  readonly commands: readonly string[];
  readonly options: readonly Option[];
}

/**
 * The options of all commands, each once: those that are one and the same object in several
 * tables belong to all of these commands.
 */
export function optionGroups(commands: Commands): OptionGroup[] {
  const owners = new Map<Option, string[]>();
  for (const [name, { options }] of Object.entries(allCommands(commands))) {
    for (const option of Object.values<Option>(options)) {
      owners.set(option, [...(owners.get(option) ?? []), name]);
    }
  }
  const groups = new Map<string, { commands: string[]; options: Option[] }>();
  for (const [option, names] of owners) {
    const key = names.join(" ");
    if (!groups.has(key)) groups.set(key, { commands: names, options: [] });
    groups.get(key)!.options.push(option);
  }
  return [...groups.values()];
}
