/** The words that a command line can have, for the completions of every shell. */
import { type Command, type Commands, isGroup } from "./command.ts";
import { TOPICS } from "./help.ts";
import type { Option } from "./option_table.ts";

/** Every command takes it, and no table has it: src/cli/command/args.ts. */
export const HELP_OPTION: Option = { names: ["help", "h"], kind: "boolean", help: "print help" };

/** Words in a command's place that are in no table: src/cli/run.ts. */
export const OTHER_WORDS: Readonly<Record<string, string>> = {
  help: "print help, or that of a command",
  version: "print the version",
};

/** The kind of an option's value; `words` lists all possible ones. */
export type Value =
  | { readonly kind: "none" }
  | { readonly kind: "words"; readonly words: readonly string[] }
  | { readonly kind: "file" | "user" | "command" | "free" };

/** The kind of an option's value, as far as a shell can complete it. */
export function valueOf(option: Option): Value {
  if (option.kind === "boolean") return { kind: "none" };
  if (option.kind === "choice") return { kind: "words", words: option.choices };
  if (/^(FILE|DIR|PATH)$/.test(option.metavar)) return { kind: "file" };
  if (option.metavar === "CMD") return { kind: "command" };
  return { kind: option.names.includes("user") ? "user" : "free" };
}

/** Every option of a command, the one that is in no table as well. */
export function optionsOf(command: Command): Option[] {
  return [...Object.values<Option>(command.options), HELP_OPTION];
}

/** A word behind which another command's word stands. */
export interface Group {
  readonly name: string;
  /** All words that stand for it. */
  readonly spelled: readonly string[];
  readonly commands: Commands;
}

/** The groups among the commands. */
export function groupsOf(commands: Commands): Group[] {
  return Object.entries(commands).flatMap(([name, found]) =>
    isGroup(found) ? [{ name, spelled: [name, ...found.aliases], commands: found.commands }] : []
  );
}

/** All words and options that are possible in a command's place. */
export function wordsOf(commands: Commands): string[] {
  return [...Object.keys(commands), ...Object.keys(OTHER_WORDS), "--help", "--version"];
}

/** All words that are possible behind `help`. */
export function helpWordsOf(commands: Commands): string[] {
  return [...Object.keys(commands), ...Object.keys(TOPICS)];
}

/** Names that a link to the program may have, and the group that it then is (program_name.ts). */
export function programsOf(commands: Commands): { program: string; group: string }[] {
  return Object.entries(commands).flatMap(([group, found]) =>
    isGroup(found) ? found.aliases.map((program) => ({ program, group })) : []
  );
}

/** Puts `by` spaces before each line. */
export function indent(lines: string, by: number): string {
  return lines.replace(/^/gm, " ".repeat(by));
}
