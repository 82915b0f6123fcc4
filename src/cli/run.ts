import { EXIT_CODES, TtunError } from "../base/errors.ts";
import { type Command, type CommandGroup, type Commands, isGroup } from "./command/command.ts";
import { COMMANDS } from "./command/commands.ts";
import {
  commandHelp,
  generalHelp,
  generalUsage,
  groupHelp,
  groupUsage,
  TOPICS,
} from "./command/help.ts";
import { COMMAND_HABITS } from "./command/habits.ts";
import { withoutUser } from "./command/hidden_user.ts";
import { load } from "./plane/load.ts";
import { standardError } from "./output/log_output.ts";
import { printPlain } from "./output/log_writer.ts";
import type { Usr1 } from "./platform/debugger.ts";
import { nearest } from "./command/nearest.ts";
import { programName } from "./program_name.ts";
import { refuse, reportPlain } from "./report.ts";
import { type Origin, runCommand } from "./run_command.ts";
import { print } from "./output/stdout.ts";
import { versionLine } from "./version.ts";

/** Milliseconds to write the last lines if nobody reads them. */
const FLUSH = 300;

const HELP_WORDS = ["help", "--help", "-help", "-h"];
const VERSION_WORDS = ["version", "--version", "-version", "-V"];
const VERBOSE_WORDS = ["-v", "--verbose", "-verbose"];

/**
 * Reports failures on standard error and throws nothing. `program`: the name that ttun was started
 * by; a group's alias stands for its word. `usr1`: SIGUSR1, if it was taken (debugger.ts).
 */
export async function run(
  args: readonly string[],
  commands: Commands = COMMANDS,
  program: string | null = programName(),
  usr1: Usr1 | null = null,
): Promise<number> {
  try {
    const all = wordsAs(program, args, commands);
    return await dispatch(all, rootLevel(commands), { usr1, root: commands });
  } catch (error) {
    return reportPlain(error);
  } finally {
    await standardError.flush(FLUSH);
  }
}

/** Returns the words of ttun that a program of such a name stands for. */
function wordsAs(
  program: string | null,
  args: readonly string[],
  commands: Commands,
): readonly string[] {
  if (program === null) return args;
  const found = Object.values(commands).find(({ aliases }) => aliases.includes(program));
  if (found === undefined) return args;
  // A command has no version of its own.
  const asksForVersion = args.some((word) => VERSION_WORDS.includes(word));
  return !isGroup(found) && asksForVersion ? args : [program, ...args];
}

/** Where the next word is looked up: all of ttun, or a group. */
interface Level {
  readonly words: readonly string[];
  readonly commands: Commands;
  readonly help: () => string;
  readonly usage: () => string;
}

function rootLevel(commands: Commands): Level {
  return {
    words: [],
    commands,
    help: () => generalHelp(commands),
    usage: () => generalUsage(commands),
  };
}

function groupLevel(word: string, group: CommandGroup): Level {
  return {
    words: [word],
    commands: group.commands,
    help: () => groupHelp(word, group),
    usage: () => groupUsage(word, group),
  };
}

async function dispatch(
  args: readonly string[],
  level: Level,
  origin: Origin,
): Promise<number> {
  const [word, ...rest] = args;
  if (word === undefined) {
    printPlain(level.usage());
    return EXIT_CODES.usage.code;
  }
  if (HELP_WORDS.includes(word)) return await help(rest, level);
  if (VERSION_WORDS.includes(word)) return await version(rest, level);
  if (VERBOSE_WORDS.includes(word) && VERSION_WORDS.includes(rest[0] ?? "")) {
    return await version([word, ...rest.slice(1)], level);
  }
  const found = find(word, level);
  if (found === undefined) return refuse(unknownCommand(word, rest, level), level.usage());
  if ("commands" in found) return await dispatch(rest, found, origin);
  // Where it stands for another program, it has that one's option for the version.
  const isProgram = found.command.aliases.length > 0;
  if (isProgram && VERSION_WORDS.includes(rest[0] ?? "")) {
    return await version(rest.slice(1), level);
  }
  const further = findFurther(found, rest[0]);
  if (further !== undefined) {
    return await runCommand(further.name, further.command, rest.slice(1), origin);
  }
  return await runCommand(found.name, found.command, rest, origin);
}

async function version(args: readonly string[], level: Level): Promise<number> {
  if (!args.every((arg) => VERBOSE_WORDS.includes(arg))) {
    const message = "Cannot use what stands behind --version: only -v is taken there";
    return refuse(new TtunError("usage", message), level.usage());
  }
  await print(versionLine());
  if (args.length > 0) {
    const { versionDetails } = await load(() => import("./command/version_details.ts"));
    await print(versionDetails());
  }
  return 0;
}

async function help([word, ...rest]: readonly string[], level: Level): Promise<number> {
  if (word === undefined || HELP_WORDS.includes(word)) {
    await print(level.help());
    return 0;
  }
  const found = find(word, level);
  if (found === undefined && Object.hasOwn(TOPICS, word)) {
    await print(TOPICS[word]!.page());
    return 0;
  }
  if (found === undefined) return refuse(unknownPage(word, level), level.usage());
  if ("commands" in found) return await help(rest, found);
  const { name, command } = findFurther(found, rest[0]) ?? found;
  await print(commandHelp(name, command));
  return 0;
}

interface NamedCommand {
  /** All words of the command. */
  readonly name: string;
  readonly command: Command;
}

function find(word: string, { words, commands }: Level): NamedCommand | Level | undefined {
  const [name, found] =
    Object.entries(commands).find(([name, found]) =>
      name === word || found.aliases.includes(word)
    ) ?? [];
  if (name === undefined || found === undefined) return undefined;
  if (isGroup(found)) return groupLevel(name, found);
  return { name: [...words, name].join(" "), command: found };
}

function findFurther(
  { name, command: { further } }: NamedCommand,
  word: string | undefined,
): NamedCommand | undefined {
  if (word === undefined || !Object.hasOwn(further, word)) return undefined;
  return { name: `${name} ${word}`, command: further[word]! };
}

function unknownPage(word: string, level: Level): TtunError {
  const topic = nearest(word, Object.keys(TOPICS));
  if (topic === undefined) return unknownCommand(word, [], level);
  const message = `There is no page ${
    JSON.stringify(withoutUser(word))
  }; did you mean help ${topic}?`;
  return new TtunError("usage", message);
}

function unknownCommand(
  word: string,
  rest: readonly string[],
  { words, commands }: Level,
): TtunError {
  const whole = (last: string) => [...words, withoutUser(last)].join(" ");
  // The option is not repeated, since it may contain a key.
  if (word.startsWith("-")) {
    const known = Object.keys(commands);
    const meant = rest.find((other) => known.includes(other)) ?? known[0] ?? "";
    const example = `ttun ${whole(meant)} [options]`;
    return new TtunError(
      "usage",
      `Cannot begin with an option: the command comes first, as in ${example}`,
    );
  }
  if (Object.hasOwn(COMMAND_HABITS, word)) {
    const advice = COMMAND_HABITS[word];
    return new TtunError("usage", `Unknown command ${JSON.stringify(whole(word))}: ${advice}`);
  }
  const meant = nearest(word, [...Object.keys(commands), "help", "version"]);
  const hint = meant === undefined ? "" : `; did you mean ${whole(meant)}?`;
  return new TtunError("usage", `Unknown command ${JSON.stringify(whole(word))}${hint}`);
}
