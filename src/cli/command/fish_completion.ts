import { type Command, type Commands, isGroup } from "./command.ts";
import type { Option } from "./option_table.ts";
import {
  groupsOf,
  helpWordsOf,
  optionsOf,
  OTHER_WORDS,
  programsOf,
  type Value,
  valueOf,
} from "./words.ts";

export function fishCompletion(commands: Commands): string {
  const groups = groupsOf(commands);
  const grouped = groups.flatMap(({ spelled }) => spelled);
  const lines = [
    "# fish completion for ttun(1), by: ttun completions fish",
    "complete -c ttun -f",
    ...fishLevel(commands, "__fish_use_subcommand", grouped.length === 0 ? "" : not(grouped)),
    ...groups.flatMap(({ spelled, commands }) => {
      const isIn = seen(spelled);
      const first = `${isIn}; and ${not([...Object.keys(commands), ...Object.keys(OTHER_WORDS)])}`;
      return fishLevel(commands, first, isIn);
    }),
    ...programsOf(commands).map(({ program, group }) =>
      `complete -c ${program} -f -w ${fishQuoted(`ttun ${group}`)}`
    ),
  ];
  return lines.join("\n") + "\n";
}

function seen(words: readonly string[]): string {
  return `__fish_seen_subcommand_from ${words.join(" ")}`;
}

function not(words: readonly string[]): string {
  return `not ${seen(words)}`;
}

/** `first` and `inside` are conditions in fish: a command's word comes next; it has been given. */
function fishLevel(commands: Commands, first: string, inside: string): string[] {
  const when = (word: string) => inside === "" ? seen([word]) : `${seen([word])}; and ${inside}`;
  const words = [
    ...Object.entries(commands).map(([name, { summary }]) => [name, summary] as const),
    ...Object.entries(OTHER_WORDS),
  ];
  return [
    ...words.map(([word, help]) =>
      `complete -c ttun -n ${fishQuoted(first)} -a ${word} -d ${fishQuoted(help)}`
    ),
    `complete -c ttun -n ${fishQuoted(when("help"))} -a '${helpWordsOf(commands).join(" ")}'`,
    ...Object.entries(commands).flatMap(([name, found]) =>
      isGroup(found) ? [] : [
        ...optionsOf(found).map((option) => fishOption(ownWhen(when(name), found), option)),
        ...fishFurther(found, when(name)),
      ]
    ),
  ];
}

/** The command's own options, and not those of a further command behind it. */
function ownWhen(inside: string, { further }: Command): string {
  const words = Object.keys(further);
  return words.length === 0 ? inside : `${inside}; and ${not(words)}`;
}

/** `inside`: a condition in fish, the command's word has been given. */
function fishFurther({ further }: Command, inside: string): string[] {
  const first = `${inside}; and ${not(Object.keys(further))}`;
  return Object.entries(further).flatMap(([name, command]) => [
    `complete -c ttun -n ${fishQuoted(first)} -a ${name} -d ${fishQuoted(command.summary)}`,
    ...optionsOf(command).map((option) => fishOption(`${inside}; and ${seen([name])}`, option)),
  ]);
}

function fishOption(when: string, option: Option): string {
  const names = option.names.map((name) => name.length === 1 ? `-s ${name}` : `-l ${name}`);
  const value = fishValue(valueOf(option));
  return [
    `complete -c ttun -n ${fishQuoted(when)}`,
    ...names,
    ...(value === "" ? [] : [value]),
    `-d ${fishQuoted(option.help)}`,
  ].join(" ");
}

function fishValue(value: Value): string {
  switch (value.kind) {
    case "none":
      return "";
    case "beginnings":
    case "words":
      return `-x -a '${value.words.join(" ")}'`;
    case "file":
      return "-r -F";
    case "user":
      return "-x -a '(__fish_complete_users)'";
    case "command":
      return "-x -a '(__fish_complete_command)'";
    case "free":
      return "-x";
  }
}

function fishQuoted(plain: string): string {
  return `'${plain.replace(/[\\']/g, "\\$&")}'`;
}
