import { TtunError } from "../../base/errors.ts";
import { nearest } from "./nearest.ts";
import type { Option } from "./option_table.ts";

/**
 * Reads one value of an option; a list has several. `spelled`: the option's name where it was
 * found, for messages.
 * @throws {TtunError} usage
 */
export function readText(option: Option, spelled: string, text: string): unknown {
  switch (option.kind) {
    case "boolean":
      return readBoolean(spelled, text, `${spelled}=true`);
    case "integer":
      return readInteger(spelled, text, option.min, option.max);
    case "choice":
      return readChoice(spelled, text, option.choices);
    case "string":
    case "list":
      return option.parse === undefined ? text : readParsed(spelled, text, option.parse);
  }
}

/** Reads the spellings of Go's strconv.ParseBool. `on`: how it is switched on there. */
export function readBoolean(spelled: string, text: string, on: string): boolean {
  if (["1", "t", "T", "TRUE", "true", "True"].includes(text)) return true;
  if (["0", "f", "F", "FALSE", "false", "False"].includes(text)) return false;
  throw new TtunError(
    "usage",
    `Cannot read ${spelled}=${JSON.stringify(text)}: write ${on} or ${spelled}=false`,
  );
}

function readInteger(spelled: string, text: string, min: number, max: number): number {
  const value = /^[+-]?\d+$/.test(text) ? Number(text) : NaN;
  if (value >= min && value <= max) return value;
  throw new TtunError(
    "usage",
    `Cannot take ${JSON.stringify(text)} for ${spelled}: it must be a whole number ` +
      `from ${min} to ${max}`,
  );
}

function readChoice(spelled: string, text: string, choices: readonly string[]): string {
  if (choices.includes(text)) return text;
  const meant = nearest(text, choices);
  throw new TtunError(
    "usage",
    `Cannot take ${JSON.stringify(text)} for ${spelled}: choose ${choices.join(" or ")}` +
      (meant === undefined ? "" : `; did you mean ${meant}?`),
  );
}

function readParsed(spelled: string, text: string, parse: (text: string) => unknown): unknown {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TtunError)) throw error;
    const name = spelled.startsWith("-") ? `Option ${spelled}` : spelled;
    throw new TtunError(error.kind, `${name}: ${error.message}`, { cause: error });
  }
}
