import { EXIT_CODES } from "../../base/errors.ts";
import {
  allCommands,
  type Command,
  type CommandGroup,
  type Commands,
  isGroup,
  usageLine,
} from "./command.ts";
import { variableOf } from "./environment.ts";
import { type Option, OPTION_GROUPS, type OptionGroup } from "./option_table.ts";

/** Columns of the narrowest terminal that is still common. */
const WIDTH = 80;
const INDENT = "  ";

export const OPTION_RULES: readonly string[] = [
  "One dash is as good as two, and a value may stand behind a space or an equals sign: " +
  "-mtu 1400, --mtu=1400.",
  "Of an option given twice the last one counts, where it is not said that it can repeat.",
  "What the command line does not say is taken from the environment (env, behind each option); " +
  "there white space separates values of an option that repeats.",
];

export const EXIT_MEANINGS: readonly Row[] = [
  ["0", "done, or stopped as asked by Ctrl-C or SIGTERM"],
  ...Object.values(EXIT_CODES).map((exit): Row => [String(exit.code), exit.meaning]),
  ["130, 143", "ended at once: a second Ctrl-C or SIGTERM, or Ctrl-C at the prompt"],
];

export function generalHelp(commands: Commands): string {
  const all = listings(commands);
  return page([
    [
      "ttun joins two machines by a network device over one encrypted TCP connection.",
      "ttun proxy carries single connections, for programs that can use a proxy.",
    ],
    ["Usage:", ...indented(synopses(commands))],
    ["Commands:", ...columns(all.map(({ name, summary }) => [name, summary]))],
    ["Examples:", ...indented(all.map(({ example }) => example))],
    [
      "ttun COMMAND --help lists the options of a command.",
      ...Object.entries(TOPICS).map(([word, { summary }]) => `ttun help ${word} ${summary}.`),
    ],
  ]);
}

interface Topic {
  /** Completes the sentence `ttun help WORD …`. */
  readonly summary: string;
  readonly page: () => string;
}

export const TOPICS: Readonly<Record<string, Topic>> = {
  "exit-codes": {
    summary: "tells what each exit code means",
    page: () => page([["Exit codes:", ...columns(EXIT_MEANINGS)]]),
  },
};

export function groupHelp(word: string, group: CommandGroup): string {
  const all = allCommands({ [word]: group });
  const others = group.aliases.map((alias) => `ttun ${alias}`).join(" or ");
  return page([
    wrap(group.about),
    ["Usage:", ...indented(Object.entries(all).map(([name, c]) => usageLine(name, c.options)))],
    ["Commands:", ...columns(Object.entries(group.commands).map(([name, c]) => [name, c.summary]))],
    [
      "Examples:",
      ...indented(
        group.example === undefined ? Object.values(all).map((c) => c.example) : [group.example],
      ),
    ],
    [
      ...(others === "" ? [] : [`${others} is the same as ttun ${word}.`]),
      `ttun ${word} COMMAND --help lists the options of a command.`,
    ],
  ]);
}

export function commandHelp(name: string, command: Command): string {
  const options: readonly Option[] = Object.values(command.options);
  return page([
    wrap(`${usageLine(name, command.options)} — ${command.summary}`),
    ...groupedOptions(options),
    ...(options.length === 0 ? [] : [wrap(OPTION_RULES.join(" "))]),
    ...furtherCommands(command),
    ["Example:", ...indented([command.example])],
    ...command.aliases.map((alias) => wrap(`ttun ${alias} is the same as ttun ${name}.`)),
  ]);
}

function furtherCommands({ further }: Command): string[][] {
  const rows = Object.entries(further).map(([name, { summary }]): Row => [name, summary]);
  return rows.length === 0 ? [] : [["Commands:", ...columns(rows)]];
}

/** Makes a paragraph for each option group in use, all with the same column widths. */
function groupedOptions(options: readonly Option[]): string[][] {
  const groups = Object.entries(OPTION_GROUPS) as [OptionGroup, string][];
  const paragraphs = groups.map(([group, title]) => {
    const rows = options.filter((option) => groupOf(option) === group)
      .map((option): Row => [invocation(option), describe(option)]);
    return { title, rows: group === "basic" ? [...rows, HELP_ROW] : rows };
  }).filter(({ rows }) => rows.length > 0);
  const left = leftWidth(paragraphs.flatMap(({ rows }) => rows));
  return paragraphs.map(({ title, rows }) => [
    `${paragraphs.length === 1 ? "Options" : title}:`,
    ...columns(rows, left),
  ]);
}

export function groupOf(option: Option): OptionGroup {
  return option.group ?? "basic";
}

/** Goes to standard error after a wrong command line. */
export function generalUsage(commands: Commands): string {
  return `Usage: ttun ${Object.keys(commands).join("|")} [options]   (more by ttun --help)`;
}

export function groupUsage(word: string, group: CommandGroup): string {
  const words = Object.keys(group.commands).join("|");
  return `Usage: ttun ${word} ${words} [options]   (more by ttun ${word} --help)`;
}

export function commandUsage(name: string, command: Command): string {
  return `Usage: ${usageLine(name, command.options)}   (more by ttun ${name} --help)`;
}

export function synopses(commands: Commands): string[] {
  return [
    ...listings(commands).map(({ usage }) => usage),
    "ttun help [COMMAND|exit-codes]",
    "ttun --version [-v]",
  ];
}

/** Letters of a group's commands that fit on a line. */
const MOST_WORDS = 65;

export interface Listing {
  /** All words of a command, or the word of a group that has one line. */
  readonly name: string;
  readonly summary: string;
  readonly usage: string;
  readonly example: string;
}

export function listings(commands: Commands): Listing[] {
  return Object.entries(commands).flatMap(([word, found]): Listing[] => {
    if (isGroup(found) && found.example !== undefined) {
      const words = Object.keys(found.commands).join("|");
      const usage = `ttun ${word} ${words.length <= MOST_WORDS ? words : "COMMAND"}`;
      return [{ name: word, summary: found.summary, usage, example: found.example }];
    }
    return Object.entries(allCommands({ [word]: found })).map(([name, command]) => ({
      name,
      summary: command.summary,
      usage: usageLine(name, command.options),
      example: command.example,
    }));
  });
}

/** Returns `-m`, `--cipher`: short names first. */
export function spellings(option: Option): string[] {
  return option.names.toSorted((a, b) => a.length - b.length)
    .map((name) => name.length === 1 ? `-${name}` : `--${name}`);
}

/** Returns `-m, --cipher NAME`. */
function invocation(option: Option): string {
  const metavar = "metavar" in option ? ` ${option.metavar}` : "";
  return `${spellings(option).join(", ")}${metavar}`;
}

/** Lists choices (by `tellChoices`), repetition unless the help has it, obligation, default and variable. */
export function optionFacts(
  option: Option,
  tellChoices: (choices: readonly string[]) => string,
): string[] {
  const facts: string[] = [];
  if (option.kind === "choice") facts.push(tellChoices(option.choices));
  if (option.kind === "list" && !option.help.includes("repeat")) facts.push("can repeat");
  if (option.required === true) facts.push("required");
  const standard = option.defaultText ?? defaultOf(option);
  if (standard !== undefined) facts.push(`default ${standard}`);
  const variable = variableOf(option);
  if (variable !== null) facts.push(`env ${variable}`);
  return facts;
}

function describe(option: Option): string {
  const facts = optionFacts(option, (choices) => choices.join("|"));
  return facts.length === 0 ? option.help : `${option.help} (${facts.join("; ")})`;
}

/** Returns undefined for a switch that is off. */
function defaultOf(option: Option): string | undefined {
  if (!("default" in option) || option.default === undefined || option.default === false) {
    return undefined;
  }
  return String(option.default);
}

type Row = readonly [string, string];

const HELP_ROW: Row = ["-h, --help", "print this"];

/** Ignores very wide entries. */
function leftWidth(rows: readonly Row[]): number {
  return Math.min(Math.max(...rows.map(([name]) => name.length)), 24);
}

/** Starts the text on the next line after a name that is too long. */
function columns(rows: readonly Row[], left = leftWidth(rows)): string[] {
  const margin = " ".repeat(INDENT.length + left + 2);
  return rows.flatMap(([name, text]) => {
    const lines = wrap(text, WIDTH - margin.length).map((line) => margin + line);
    if (name.length > left) return [INDENT + name, ...lines];
    const [first, ...rest] = lines;
    return [`${INDENT}${name.padEnd(left)}  ${first!.slice(margin.length)}`, ...rest];
  });
}

function indented(lines: readonly string[]): string[] {
  return lines.map((line) => INDENT + line);
}

function wrap(text: string, width = WIDTH): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = "";
    }
    line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

function page(paragraphs: readonly (readonly string[])[]): string {
  return paragraphs.map((lines) => lines.join("\n") + "\n").join("\n");
}
