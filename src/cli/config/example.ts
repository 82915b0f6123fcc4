import { TtunError } from "../../base/errors.ts";
import { type Command, usageLine } from "../command/command.ts";
import { optionFacts } from "../command/help.ts";
import { nearest } from "../command/nearest.ts";
import type { Option } from "../command/option_table.ts";
import { type FileCommands, fileOptions, tableOf } from "./entries.ts";
import { tomlValue } from "./quote.ts";

/** Columns of a comment. */
const WIDTH = 98;

/**
 * A file with a table for each command, or for one. Settings of the commands' own examples are set,
 * all others stand in comments.
 * @throws {TtunError} usage, for an unknown command
 */
export function exampleOf(command: string | undefined, commands: FileCommands): string {
  const chosen = command === undefined ? Object.keys(commands) : [find(command, commands)];
  return [
    "# Configuration of ttun: a table for each run of a command, [[...]]; several may be in one file.",
    ...chosen.map((name) => `\n${tableText(name, commands[name]!)}`),
  ].join("\n");
}

function find(text: string, commands: FileCommands): string {
  const all = Object.keys(commands);
  const found = all.find((name) => name === text || tableOf(name) === text);
  if (found !== undefined) return found;
  const meant = nearest(text, all.map(tableOf));
  throw new TtunError(
    "usage",
    `There is no command ${JSON.stringify(text)} for a configuration: ` +
      (meant === undefined ? `choose of ${all.map(tableOf).join(", ")}` : `did you mean ${meant}?`),
  );
}

function tableText(name: string, command: Command): string {
  const options: readonly Option[] = Object.values(fileOptions(command));
  const values = exampleValues(
    command.example.split(" ").slice(1 + name.split(" ").length),
    options,
  );
  return [
    ...comment(`${usageLine(name, command.options)}: ${command.summary}.`),
    `[[${tableOf(name)}]]`,
    ...options.flatMap((option) => optionLines(option, values.get(option))),
    "",
  ].join("\n");
}

function optionLines(option: Option, value: string | undefined): string[] {
  const facts = optionFacts(option, (choices) => choices.join("|"));
  const help = facts.length === 0 ? option.help : `${option.help} (${facts.join("; ")})`;
  const texts = value !== undefined ? [value] : placeholder(option);
  const line = `${option.names[0]} = ${tomlValue(option, texts)}`;
  return ["", ...comment(help), value === undefined ? `#${line}` : line];
}

function placeholder(option: Option): string[] {
  switch (option.kind) {
    case "boolean":
      return [String(option.default !== true)];
    case "integer":
      return [String(option.default ?? option.min)];
    case "choice":
      return [option.default ?? option.choices[0]!];
    case "string":
    case "list":
      return [option.metavar];
  }
}

/** Reads the words behind the command in its example, such as `-s HOST`. */
function exampleValues(
  words: readonly string[],
  options: readonly Option[],
): Map<Option, string> {
  const values = new Map<Option, string>();
  const positional = options.find((option) => option.positional === true);
  const first = words[0];
  if (positional !== undefined && first !== undefined && !first.startsWith("-")) {
    values.set(positional, first);
  }
  for (const option of options) {
    if (option.kind === "boolean") continue;
    const at = words.findIndex((word) =>
      option.names.some((name) => word === `--${name}` || word === `-${name}`)
    );
    const value = at < 0 ? undefined : words[at + 1];
    // No shell replaces the tilde here.
    if (value !== undefined) values.set(option, value.replace(/^~\/.*/, "/etc/ttun/key"));
  }
  return values;
}

function comment(text: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= WIDTH) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else lines.push(`# ${word}`);
  }
  return lines;
}
