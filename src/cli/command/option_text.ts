import { TtunError } from "../../base/errors.ts";
import { isSharedLink } from "../../core/share/shared_link.ts";
import { hideUser } from "./hidden_user.ts";
import { nearest } from "./nearest.ts";
import type { Option } from "./option_table.ts";

/**
 * Reads one value of an option; a list has several. `spelled`: the option's name where it was
 * found, for messages.
 * @throws {TtunError} usage, without the key of a link
 */
export function readText(option: Option, spelled: string, text: string): unknown {
  if (isSharedLink(text) && option.secret !== true && option.isSecret?.(text) !== true) {
    throw new TtunError(
      "usage",
      `${
        named(spelled)
      } takes no link: those are for -s of ttun client, ttun ping and ttun speedtest`,
    );
  }
  try {
    return readKind(option, spelled, text);
  } catch (error) {
    if (!(error instanceof TtunError)) throw error;
    const message = hideUser(error.message, text);
    throw message === error.message ? error : new TtunError(error.kind, message, { cause: error });
  }
}

function readKind(option: Option, spelled: string, text: string): unknown {
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

/**
 * Reads the spellings of Go's strconv.ParseBool. `on`: how it is switched on there. A wrong text is not
 * repeated: where -k is no key, some write one.
 */
export function readBoolean(spelled: string, text: string, on: string): boolean {
  if (["1", "t", "T", "TRUE", "true", "True"].includes(text)) return true;
  if (["0", "f", "F", "FALSE", "false", "False"].includes(text)) return false;
  throw new TtunError(
    "usage",
    `Cannot read the value of ${spelled}: write ${on} or ${spelled}=false`,
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
    throw new TtunError(error.kind, `${named(spelled)}: ${error.message}`, { cause: error });
  }
}

function named(spelled: string): string {
  return spelled.startsWith("-") ? `Option ${spelled}` : spelled;
}
