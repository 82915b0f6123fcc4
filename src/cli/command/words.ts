import { type Command, type Commands, isGroup } from "./command.ts";
import { TOPICS } from "./help.ts";
import type { Option } from "./option_table.ts";

/** Every command takes it, and no table has it (args.ts). */
const HELP_OPTION: Option = { names: ["help", "h"], kind: "boolean", help: "print help" };

/** Words in a command's place that are in no table (src/cli/run.ts). */
export const OTHER_WORDS: Readonly<Record<string, string>> = {
  help: "print help, or that of a command",
  version: "print the version",
};

export type Value =
  | { readonly kind: "none" }
  /** `beginnings` are words that the user has to complete. */
  | { readonly kind: "words" | "beginnings"; readonly words: readonly string[] }
  | { readonly kind: "file" | "user" | "command" | "free" };

export function valueOf(option: Option): Value {
  if (option.kind === "boolean") return { kind: "none" };
  if (option.kind === "choice") return { kind: "words", words: option.choices };
  if ("beginnings" in option && option.beginnings !== undefined) {
    return { kind: "beginnings", words: option.beginnings };
  }
  if (/^(FILE|DIR|PATH|NAME\|FILE|FILE\|DIR)$/.test(option.metavar)) return { kind: "file" };
  if (option.metavar === "CMD") return { kind: "command" };
  return { kind: option.names.includes("user") ? "user" : "free" };
}

export function optionsOf(command: Command): Option[] {
  return [...Object.values<Option>(command.options), HELP_OPTION];
}

export interface Group {
  readonly name: string;
  readonly spelled: readonly string[];
  readonly commands: Commands;
}

export function groupsOf(commands: Commands): Group[] {
  return Object.entries(commands).flatMap(([name, found]) =>
    isGroup(found) ? [{ name, spelled: [name, ...found.aliases], commands: found.commands }] : []
  );
}

/** Returns the commands that have further ones behind their word. */
export function furtherOf(commands: Commands): Group[] {
  return Object.entries(commands).flatMap(([name, found]) =>
    isGroup(found) || Object.keys(found.further).length === 0
      ? []
      : [{ name, spelled: [name, ...found.aliases], commands: found.further }]
  );
}

export function wordsOf(commands: Commands): string[] {
  return [...Object.keys(commands), ...Object.keys(OTHER_WORDS), "--help", "--version"];
}

export function helpWordsOf(commands: Commands): string[] {
  return [...Object.keys(commands), ...Object.keys(TOPICS)];
}

/** Returns program names that stand for a group or a command (program_name.ts). */
export function programsOf(commands: Commands): { program: string; group: string }[] {
  return Object.entries(commands).flatMap(([group, found]) =>
    found.aliases.map((program) => ({ program, group }))
  );
}

export function indent(lines: string, by: number): string {
  return lines.replace(/^/gm, " ".repeat(by));
}
