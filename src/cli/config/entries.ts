import { TtunError } from "../../base/errors.ts";
import { isSharedLink, parseSharedLink } from "../../core/share/shared_link.ts";
import { completeArgs } from "../command/args.ts";
import type { Command } from "../command/command.ts";
import type { Layer, LayerText } from "../command/layers.ts";
import { nearest } from "../command/nearest.ts";
import type { Option, OptionTable } from "../command/option_table.ts";
import { readText } from "../command/option_text.ts";
import { type Problem, readToml, type Setting, type SettingValue, type Table } from "./toml.ts";

/** One table of a file: options of one run of a command. */
export interface Entry {
  /** All words of the command, such as `proxy client`. */
  readonly command: string;
  /** Which of the file's tables for this command it is, from 1. */
  readonly number: number;
  readonly line: number;
  readonly layer: Layer;
  /** Contents for which the file must be its owner's alone, by their names there. */
  readonly commands: readonly string[];
  readonly secrets: readonly string[];
}

export interface ConfigFile {
  readonly entries: readonly Entry[];
  readonly problems: readonly Problem[];
}

/** The commands that a file may have tables for, by their words. */
export type FileCommands = Readonly<Record<string, Command>>;

/** The part of a command that says what its tables may have. */
export type TableCommand = Pick<Command, "options">;

/** The table's name of a command, such as `proxy.client`. */
export function tableOf(command: string): string {
  return command.replaceAll(" ", ".");
}

/** Options of a command that a file may have, by their keys. */
export function fileOptions(command: TableCommand): OptionTable {
  return Object.fromEntries(
    Object.entries(command.options).filter(([, option]) => option.notInFiles !== true),
  );
}

/** Reads a file's text. `file`: its name for messages. Never throws. */
export function readEntries(
  text: string,
  file: string,
  commands: Readonly<Record<string, TableCommand>>,
): ConfigFile {
  const { tables, problems } = readToml(text);
  const all = [...problems];
  const entries: Entry[] = [];
  for (const table of tables) {
    const name = table.words.join(" ");
    const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
    if (command === undefined) {
      all.push({ line: table.line, message: unknownTable(table, commands) });
      continue;
    }
    const number = entries.filter((entry) => entry.command === name).length + 1;
    entries.push(readEntry(table, { name, number, options: fileOptions(command), file }, all));
  }
  return { entries, problems: all.sort((a, b) => a.line - b.line) };
}

function unknownTable({ words }: Table, commands: object): string {
  const name = words.join(".");
  const known = Object.keys(commands).map(tableOf);
  const inside = known.filter((one) => one.startsWith(`${name}.`));
  if (inside.length > 0) return `${name} is no command: write ${inside.join(" or ")}`;
  const meant = nearest(name, known) ?? nearest(words.join(" ").replaceAll(/[ _-]/g, "."), known);
  return `there is no command ${JSON.stringify(name)}` +
    (meant === undefined ? `; there are ${known.join(", ")}` : `; did you mean ${meant}?`);
}

interface Target {
  readonly name: string;
  readonly number: number;
  readonly options: OptionTable;
  readonly file: string;
}

function readEntry(table: Table, to: Target, problems: Problem[]): Entry {
  const layer = new Map<string, readonly LayerText[]>();
  const commands: string[] = [];
  const secrets: string[] = [];
  for (const setting of table.settings) {
    const found = Object.entries(to.options).find(([, { names }]) => names[0] === setting.name);
    if (found === undefined) {
      problems.push({ line: setting.line, message: unknownSetting(setting.name, to) });
      continue;
    }
    const [key, option] = found;
    const texts = textsOf(setting, option, to.file, problems);
    if (texts === null) continue;
    layer.set(key, texts);
    if (option.runs === true || texts.some(({ text }) => /^exec:/i.test(text))) {
      commands.push(setting.name);
    }
    const isSecret = texts.some(({ text }) => option.isSecret?.(text) === true);
    if (option.secret === true || isSecret) secrets.push(setting.name);
  }
  return { command: to.name, number: to.number, line: table.line, layer, commands, secrets };
}

function unknownSetting(name: string, { name: command, options }: Target): string {
  const all: readonly Option[] = Object.values(options);
  const other = all.find(({ names }) => names.includes(name))?.names[0];
  const meant = other ?? nearest(name.replaceAll("_", "-"), all.map(({ names }) => names[0]));
  return `there is no setting ${JSON.stringify(name)} of ${command}` +
    (meant === undefined
      ? `; ttun config example ${tableOf(command)} lists all`
      : `; did you mean ${meant}?`);
}

/** Returns null, and adds to the problems, if there is a value that the option does not take. */
function textsOf(
  { name, line, value }: Setting,
  option: Option,
  file: string,
  problems: Problem[],
): LayerText[] | null {
  const isList = value.kind === "list";
  const items = isList ? value.items : [value];
  if (isList && option.kind !== "list") {
    problems.push({ line, message: `${name} takes one value, no list` });
    return null;
  }
  const texts: LayerText[] = [];
  for (const item of items) {
    const text = textOf(item, option);
    if (text === null) {
      problems.push({ line: item.line, message: `${name} takes ${kindWords(option)}` });
      return null;
    }
    const spelled = `${name} (${file} line ${item.line})`;
    const why = whyNot(option, name, text);
    if (why !== null) {
      problems.push({ line: item.line, message: why });
      return null;
    }
    texts.push({ text, spelled });
  }
  return texts;
}

/** A number may stand for a text too, such as a port. */
function textOf(value: SettingValue, option: Option): string | null {
  if (value.kind === "list" || value.kind === "other") return null;
  const fits = option.kind === "boolean"
    ? value.kind === "boolean"
    : option.kind === "integer"
    ? value.kind === "number"
    : value.kind !== "boolean";
  return fits ? value.text : null;
}

function kindWords(option: Option): string {
  switch (option.kind) {
    case "boolean":
      return "true or false";
    case "integer":
      return `a whole number from ${option.min} to ${option.max}, without quotes`;
    case "choice":
      return `one of ${option.choices.map((choice) => `"${choice}"`).join(", ")}`;
    case "list":
      return `texts in quotes, as ["${option.metavar}"]`;
    case "string":
      return `a text in quotes, as "${option.metavar}"`;
  }
}

function whyNot(option: Option, name: string, text: string): string | null {
  try {
    readText(option, name, text);
    // Elsewhere it is read when the client starts; here its faults have a line.
    if (option.isSecret !== undefined && isSharedLink(text)) parseSharedLink(text);
    return null;
  } catch (error) {
    if (error instanceof TtunError) return error.message;
    throw error;
  }
}

/**
 * Returns what keeps an entry from being run as it is, or null. `layers`: places that count before
 * the file.
 */
export function whyIncomplete(entry: Entry, command: Command, layers: readonly Layer[]) {
  const options = fileOptions(command);
  const all = [...layers, entry.layer];
  const missing = Object.entries(options).find(([key, { required }]) =>
    required === true && !all.some((layer) => layer.has(key))
  );
  if (missing !== undefined) return `${missing[1].names[0]} is missing`;
  try {
    completeArgs(options, {}, all);
    return null;
  } catch (error) {
    if (error instanceof TtunError) return error.message;
    throw error;
  }
}
