import { TtunError } from "../../base/errors.ts";
import { type Layer, mergeLayers, refuseConflicts } from "./layers.ts";
import { nearest } from "./nearest.ts";
import { readBoolean, readText } from "./option_text.ts";
import type { Option, OptionTable, Refusals, Values } from "./option_table.ts";

/** A secret value is `args[index]` from the UTF-16 unit `start` to its end. */
export interface SecretSpot {
  readonly index: number;
  readonly start: number;
}

/** Values by the table's keys. */
export type Given = Readonly<Record<string, unknown>>;

export type ReadArgs =
  | { readonly help: true }
  | { readonly help: false; readonly given: Given; readonly secrets: readonly SecretSpot[] };

export type ParsedArgs<T extends OptionTable> =
  | { readonly help: true }
  | { readonly help: false; readonly values: Values<T>; readonly secrets: readonly SecretSpot[] };

const HELP_NAMES: readonly string[] = ["h", "help"];

/** Reads a whole command line. @throws {TtunError} usage */
export function parseArgs<T extends OptionTable>(
  table: T,
  args: readonly string[],
  refusals: Refusals = {},
): ParsedArgs<T> {
  const read = readArgs(table, args, refusals);
  if (read.help) return read;
  return { help: false, values: completeArgs(table, read.given), secrets: read.secrets };
}

/**
 * Takes what the command line leaves open from the layers, the first one first, then the defaults.
 * @throws {TtunError} usage
 */
export function completeArgs<T extends OptionTable>(
  table: T,
  given: Given,
  layers: readonly Layer[] = [],
): Values<T> {
  // Each key has its type of the table, which TypeScript cannot follow through this record.
  return complete(table, mergeLayers(table, given, layers)) as Values<T>;
}

/**
 * Reads by the grammar of Go's flag package, as the Go program did: one dash is as good as two, a
 * value follows a space or `=`, a boolean needs `=` to be false, and the last of several wins.
 * @throws {TtunError} usage; no message repeats a value that may be a secret
 */
export function readArgs(
  table: OptionTable,
  args: readonly string[],
  refusals: Refusals = {},
): ReadArgs {
  const given: Record<string, unknown> = {};
  const secrets: SecretSpot[] = [];
  /** The option just before, if it is one of these that take no value. */
  let before: Option | null = null;
  for (let at = 0; at < args.length; at++) {
    const arg = args[at]!;
    if (arg === "--") {
      const [key, option] = findPositional(table) ?? [];
      if (option?.kind !== "list") refusePositional(table, args, at + 1);
      else {
        const values = option.takesRest === true ? args.slice(at + 1, at + 2) : args.slice(at + 1);
        const read = values.map((arg) => readValue(option, nameOf(option), arg));
        const rest = args.slice(at + 1 + values.length);
        given[key!] = [...asList(given[key!]), ...read, ...rest];
      }
      break;
    }
    const flag = readFlag(arg);
    if (flag === null) {
      if (before !== null) throw takesNoValue(before);
      const [key, option] = findPositional(table) ?? [];
      if (key === undefined || at > 0 && option!.kind !== "list") throw misplaced(table, at);
      if (option!.isSecret?.(arg) === true) secrets.push({ index: at, start: secretStart(arg) });
      const value = readValue(option!, nameOf(option!), arg);
      given[key] = option!.kind === "list" ? [...asList(given[key]), value] : value;
      if (option!.kind !== "list" || option!.takesRest !== true) continue;
      given[key] = [...asList(given[key]), ...args.slice(at + 1)];
      break;
    }
    if (HELP_NAMES.includes(flag.name)) return { help: true };
    if (Object.hasOwn(refusals, flag.name)) {
      throw new TtunError("usage", `Cannot use ${flag.spelled}: ${refusals[flag.name]}`);
    }
    const [key, option] = findOption(table, flag);
    before = option.kind === "boolean" && option.takesNone !== undefined ? option : null;
    if (option.positional === true && given[key] !== undefined && option.kind !== "list") {
      refuseTwice(args, option);
    }
    let text = flag.value;
    let start = arg.length - (text?.length ?? 0);
    if (text === undefined && option.kind !== "boolean") {
      at += 1;
      start = 0;
      text = args[at];
      if (text === undefined) throw missingValue(flag.spelled, option);
    }
    if (option.secret === true) secrets.push({ index: at, start });
    if (option.isSecret?.(text ?? "") === true) {
      secrets.push({ index: at, start: start + secretStart(text!) });
    }
    const value = before !== null && text !== undefined
      ? readSwitch(option, flag.spelled, text)
      : readValue(option, flag.spelled, text);
    if (option.kind === "list") given[key] = [...asList(given[key]), value];
    else given[key] = value;
  }
  refuseConflicts(table, given, (key) => `--${table[key]?.names[0] ?? key}`);
  return { help: false, given, secrets };
}

/** The value is not repeated: it may be a key. */
function takesNoValue(option: Option): TtunError {
  const [name] = option.names.toSorted((a, b) => a.length - b.length);
  const advice = option.kind === "boolean" ? option.takesNone : undefined;
  return new TtunError("usage", `Cannot give -${name} a value: ${advice}`);
}

function readSwitch(option: Option, spelled: string, text: string): unknown {
  try {
    return readValue(option, spelled, text);
  } catch {
    throw takesNoValue(option);
  }
}

/** A URL's scheme stays, so that it is known for one where the rest is hidden. */
function secretStart(text: string): number {
  return /^(?:[a-z]+:\/\/|peer:)/i.exec(text)?.[0].length ?? 0;
}

interface Flag {
  /** The name has no dashes. */
  readonly name: string;
  readonly spelled: string;
  readonly value: string | undefined;
}

/** Returns null if `arg` is no flag; as in Go, a lone dash is none. */
function readFlag(arg: string): Flag | null {
  const match = /^(--?)([^=]+)(?:=(.*))?$/s.exec(arg);
  if (match === null || arg === "-") {
    if (arg.startsWith("-") && arg !== "-") {
      throw new TtunError("usage", "Cannot read an option without a name; write it as --name");
    }
    return null;
  }
  return { name: match[2]!, spelled: match[1]! + match[2]!, value: match[3] };
}

function refusePositional(table: OptionTable, args: readonly string[], from: number): void {
  if (from < args.length) throw misplaced(table, from);
}

/** Reports only the position: a misplaced word may be the second half of an unquoted key. */
function misplaced(table: OptionTable, at: number): TtunError {
  const [, first] = findPositional(table) ?? [];
  const advice = first !== undefined
    ? `what ${nameOf(first)} says may stand right behind the command, and only options after that`
    : table["listen"] === undefined
    ? "only options are taken here"
    : `only options are taken here, an address behind ${nameOf(table["listen"])}`;
  return new TtunError(
    "usage",
    `Cannot use argument ${at + 1} after the command: ${advice}; ` +
      "put a value that holds spaces in quotes",
  );
}

function findPositional(table: OptionTable): [string, Option] | undefined {
  return Object.entries(table).find(([, option]) => option.positional === true);
}

/** Neither meaning of an option given both by its name and without it is preferred. */
function refuseTwice(args: readonly string[], option: Option): void {
  if (args[0]!.startsWith("-")) return; // twice by its name: the last one wins
  throw new TtunError(
    "usage",
    `Cannot take ${nameOf(option)} beside the argument right behind the command: they say the same`,
  );
}

function findOption(table: OptionTable, flag: Flag): [string, Option] {
  const entries = Object.entries(table);
  const found = entries.find(([, option]) => option.names.includes(flag.name));
  if (found !== undefined) return found;
  // A secret in `-kSECRET`, which getopt accepts, must not appear in a message.
  const letter = flag.spelled.startsWith("--") ? undefined : entries
    .flatMap(([, option]) => option.kind === "boolean" ? [] : option.names)
    .find((name) => name.length === 1 && flag.name.startsWith(name));
  const switched = entries.map(([, option]) => option).find((option) =>
    option.kind === "boolean" && option.takesNone !== undefined && !flag.spelled.startsWith("--") &&
    option.names.some((name) => name.length === 1 && flag.name.startsWith(name))
  );
  if (switched !== undefined) throw takesNoValue(switched);
  const names = entries.flatMap(([, option]) => option.names).concat(HELP_NAMES);
  const meant = nearest(flag.name, names);
  if (meant !== undefined && meant.startsWith(letter ?? "")) {
    throw unknownFlag(flag.spelled, `did you mean ${meant.length === 1 ? "-" : "--"}${meant}?`);
  }
  if (letter !== undefined) {
    throw unknownFlag(`-${letter}…`, `a value stands apart, as in -${letter} VALUE`);
  }
  throw unknownFlag(flag.spelled, "--help lists all options");
}

function unknownFlag(spelled: string, hint: string): TtunError {
  return new TtunError("usage", `Unknown option ${spelled}: ${hint}`);
}

function missingValue(spelled: string, option: Option): TtunError {
  const metavar = "metavar" in option ? option.metavar : "VALUE";
  return new TtunError("usage", `Option ${spelled} needs a value: ${spelled} ${metavar}`);
}

function readValue(option: Option, spelled: string, text: string | undefined): unknown {
  if (text === undefined) return true; // a switch, which needs no value
  return option.kind === "boolean"
    ? readBoolean(spelled, text, spelled)
    : readText(option, spelled, text);
}

function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function complete(table: OptionTable, given: Given): Record<string, unknown> {
  const whole: Record<string, unknown> = {};
  for (const [key, option] of Object.entries(table)) {
    const value = given[key] ?? ("default" in option ? option.default : undefined);
    if (value === undefined && option.required === true) {
      throw new TtunError("usage", `Option ${usageOf(option)} is missing`);
    }
    whole[key] = value;
  }
  return whole;
}

/** Returns the shortest way to write it, such as `-s HOST:PORT`, `--once`. */
export function usageOf(option: Option): string {
  return "metavar" in option ? `${nameOf(option)} ${option.metavar}` : nameOf(option);
}

function nameOf(option: Option): string {
  const short = option.names.find((name) => name.length === 1);
  return short === undefined ? `--${option.names[0]}` : `-${short}`;
}
