import { EXIT_CODES, toTtunError, TtunError } from "../base/errors.ts";
import { type Logger, makeLogger } from "../base/log.ts";
import {
  type Command,
  type CommandGroup,
  type Commands,
  fileCommands,
  isGroup,
  type Prepared,
  type Runnable,
} from "./command/command.ts";
import type { ConfigSource } from "./config/options.ts";
import { COMMANDS } from "./command/commands.ts";
import { type RunContext, Stopped } from "./command/context.ts";
import {
  commandHelp,
  commandUsage,
  generalHelp,
  generalUsage,
  groupHelp,
  groupUsage,
  TOPICS,
} from "./command/help.ts";
import type { Layer } from "./command/layers.ts";
import { environmentLayer } from "./command/environment.ts";
import { COMMAND_HABITS } from "./command/habits.ts";
import { hideArgv } from "./secrets/hide_argv.ts";
import { load } from "./plane/load.ts";
import { standardError } from "./output/log_output.ts";
import { type LogSettings, makeLogPrinter, printPlain } from "./output/log_writer.ts";
import type { Usr1 } from "./platform/debugger.ts";
import { readVariable } from "./platform/variables.ts";
import { nearest } from "./command/nearest.ts";
import { programName } from "./program_name.ts";
import { Reloads } from "./reloads.ts";
import { stopOnSignals } from "./signals.ts";
import { alsoToFile, makeRecordPrinter } from "./output/start_lines.ts";
import { StatusSignals } from "./plane/status_signals.ts";
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
  const isAlias = Object.values(commands).some((found) =>
    isGroup(found) && program !== null && found.aliases.includes(program)
  );
  try {
    const all = isAlias ? [program!, ...args] : args;
    return await dispatch(all, rootLevel(commands), { usr1, root: commands });
  } catch (error) {
    return reportPlain(error);
  } finally {
    await standardError.flush(FLUSH);
  }
}

interface Origin {
  readonly usr1: Usr1 | null;
  /** All commands, whatever the level. */
  readonly root: Commands;
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
  await print(commandHelp(found.name, found.command));
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
      name === word || (isGroup(found) && found.aliases.includes(word))
    ) ?? [];
  if (name === undefined || found === undefined) return undefined;
  if (isGroup(found)) return groupLevel(name, found);
  return { name: [...words, name].join(" "), command: found };
}

function unknownPage(word: string, level: Level): TtunError {
  const topic = nearest(word, Object.keys(TOPICS));
  if (topic === undefined) return unknownCommand(word, [], level);
  const message = `There is no page ${JSON.stringify(word)}; did you mean help ${topic}?`;
  return new TtunError("usage", message);
}

function unknownCommand(
  word: string,
  rest: readonly string[],
  { words, commands }: Level,
): TtunError {
  const whole = (last: string) => [...words, last].join(" ");
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

async function runCommand(
  name: string,
  command: Command,
  args: readonly string[],
  { usr1, root }: Origin,
): Promise<number> {
  let completed: Completed;
  let secretsHidden: boolean;
  try {
    const prepared = command.prepare(args);
    if (prepared.help) {
      await print(commandHelp(name, command));
      return 0;
    }
    // First of all, to keep the time short in which a key is visible.
    secretsHidden = hideArgv(`ttun ${name}`, args, prepared.secrets);
    const environment = environmentLayer(command.options, readVariable);
    completed = await complete(name, prepared, environment, root);
  } catch (error) {
    if (error instanceof TtunError) return refuse(error, commandUsage(name, command));
    throw error;
  }
  const { runnable, ...fromFile } = completed;
  return await supervise(runnable, { secretsHidden, ...fromFile }, usr1);
}

interface Completed extends Pick<RunContext, "fileSecrets" | "reread"> {
  readonly runnable: Runnable;
}

/** Takes options that the command line has not from the environment, then from a file. */
async function complete(
  name: string,
  prepared: Exclude<Prepared, { help: true }>,
  environment: Layer,
  root: Commands,
): Promise<Completed> {
  const source = prepared.source([environment]);
  if (source === null) return { runnable: prepared.complete([environment]) };
  const file = await readFile(name, source, root);
  const runnable = prepared.complete([environment, file.layer]);
  const again = { config: file.path, entry: source.entry };
  return {
    runnable,
    fileSecrets: file.secrets,
    reread: async () => ({
      atStart: runnable.withLayers([environment, file.layer]),
      now: runnable.withLayers([environment, (await readFile(name, again, root)).layer]),
    }),
  };
}

async function supervise(
  command: Runnable,
  origin: Pick<RunContext, "secretsHidden" | "fileSecrets" | "reread">,
  usr1: Usr1 | null,
): Promise<number> {
  const settings: LogSettings = command.logging ?? { level: "info", format: "text" };
  await using logFile = settings.file === undefined ? null : await openLogFile(settings.file);
  const terminal = makeRecordPrinter(settings);
  const printer = logFile === null ? terminal : alsoToFile(
    terminal,
    makeLogPrinter(settings, { color: false }, logFile.output),
    settings.goesToBackground === true,
  );
  const log = makeLogger(printer.print, Date.now);
  const root = new AbortController();
  const reloads = new Reloads();
  using _reopens = logFile === null ? null : reloads.on(() => logFile.reopen());
  using status = new StatusSignals(usr1, log);
  // A program with a terminal ends with it.
  let hasTerminal = [Deno.stdin, Deno.stdout, Deno.stderr].some((file) => file.isTerminal());
  const context: RunContext = {
    signal: root.signal,
    log,
    printRecord: printer.printOfPlane,
    begin: printer.begin,
    logLevel: settings.level,
    ...origin,
    onStatus: (tell) => status.on(tell),
    onReload: (reload) => reloads.on(reload),
    onDetached: () => hasTerminal = false,
  };
  using _signals = stopOnSignals(
    root,
    (name) => log.debug("Stopping", { signal: name }),
    () => {
      if (hasTerminal || command.logging === undefined) return false;
      void reloads.run(log); // never rejects
      return true;
    },
  );
  using unhandled = stopOnUnhandled(root);
  try {
    const code = await command.run(context);
    if (unhandled.first === undefined) return code;
    throw unhandled.first.reason;
  } catch (error) {
    const failure = unhandled.first === undefined ? error : unhandled.first.reason;
    if (failure instanceof Stopped) return failure.exitCode;
    return command.logging === undefined ? reportPlain(failure) : reportLogged(failure, log);
  }
}

async function readFile(command: string, source: ConfigSource, root: Commands) {
  const { fileLayer } = await load(() => import("./config/layer.ts"));
  return fileLayer(command, source, fileCommands(root));
}

async function openLogFile(path: string) {
  const { LogFile } = await load(() => import("./output/log_file.ts"));
  return new LogFile(path);
}

interface Unhandled extends Disposable {
  readonly first: { readonly reason: unknown } | undefined;
}

/** An unhandled rejection is a bug; devices and routes are taken back nevertheless. */
function stopOnUnhandled(root: AbortController): Unhandled {
  let first: Unhandled["first"];
  const stop = (event: Event, reason: unknown) => {
    event.preventDefault();
    first ??= { reason };
    root.abort(reason);
  };
  const onRejection = (event: PromiseRejectionEvent) => stop(event, event.reason);
  const onError = (event: ErrorEvent) => stop(event, event.error);
  addEventListener("unhandledrejection", onRejection);
  addEventListener("error", onError);
  return {
    get first() {
      return first;
    },
    [Symbol.dispose]: () => {
      removeEventListener("unhandledrejection", onRejection);
      removeEventListener("error", onError);
    },
  };
}

function refuse(error: TtunError, usage: string): number {
  printPlain(`ttun: ${error.message}`);
  printPlain(usage);
  return error.exitCode;
}

function reportPlain(thrown: unknown): number {
  const error = toTtunError(thrown);
  printPlain(`ttun: ${error.message}`);
  return error.exitCode;
}

/** The stack is logged only for bugs and under -v. */
function reportLogged(thrown: unknown, log: Logger): number {
  const error = toTtunError(thrown);
  log.error(error.message, { kind: error.kind });
  if (error.kind === "internal") {
    const origin = error.cause instanceof Error ? error.cause : error;
    log.debug("Where it failed", { stack: origin.stack });
  }
  return error.exitCode;
}
