import { utf8 } from "../../base/bytes.ts";
import { type LogFields, type LogLevel, type LogRecord, URGENCY } from "../../base/log.ts";
import { type LogOutput, standardError } from "./log_output.ts";

export type LogFormat = "text" | "json";

export interface LogSettings {
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** A file to append to; absent = standard error alone. */
  readonly file?: string;
  /** It goes to the system's log too (syslog.ts). */
  readonly toSystem?: boolean;
  /** Until the program is in the background, where it lets go of standard error. */
  readonly goesToBackground?: boolean;
  /** The command has a live line, and the user has not refused it. */
  readonly isLive?: boolean;
}

/** SGR colours: red, yellow, green, grey. */
const COLOR: Readonly<Record<LogLevel, number>> = { error: 31, warn: 33, info: 32, debug: 90 };

/** Never waits. Each line is one write, so that lines of several processes do not mix. */
export function makeLogPrinter(
  settings: LogSettings,
  o: { color: boolean } = { color: hasColor() },
  output: Pick<LogOutput, "write" | "describeLost"> = standardError,
): (record: LogRecord) => void {
  const line = (record: LogRecord) =>
    `${settings.format === "json" ? jsonLine(record) : textLine(record, o)}\n`;
  output.describeLost = (count) =>
    line({
      time: Date.now(),
      level: "warn",
      message: "lines of this log could not be written",
      fields: { count },
    });
  return (record) => {
    if (URGENCY[record.level] >= URGENCY[settings.level]) output.write(utf8(line(record)));
  };
}

/** Returns false under NO_COLOR, which Deno reads without a permission (no-color.org). */
function hasColor(): boolean {
  return Deno.stderr.isTerminal() && !Deno.noColor;
}

/** Writes a line when there is no log yet. */
export function printPlain(line: string): void {
  standardError.write(utf8(`${escapeControls(line)}\n`));
}

/** Returns `2026-11-21T09:00:00.123Z info message key=value key="two words"`. */
export function textLine(record: LogRecord, o: { color: boolean }): string {
  const level = record.level.padEnd(5);
  const painted = o.color ? `\x1b[${COLOR[record.level]}m${level}\x1b[0m` : level;
  return `${isoTime(record.time)} ${painted} ${messageText(record)}`;
}

/** Returns `message  key=value`, without time and level. */
export function messageText({ message, fields }: LogRecord): string {
  const facts = fieldsText(fields);
  const head = escapeControls(message);
  return facts === "" ? head : `${head}  ${facts}`;
}

export function fieldsText(fields: LogFields): string {
  return Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${textValue(String(value))}`).join(" ");
}

/** Returns JSON whose fields come last and cannot replace the first three keys. */
export function jsonLine(record: LogRecord): string {
  const head = { time: isoTime(record.time), level: record.level, msg: record.message };
  return escapeControls(JSON.stringify(Object.assign({}, head, record.fields, head)));
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

function textValue(value: string): string {
  const isPlain = value !== "" && !/[\s"=\\]/.test(value) && !INVISIBLE.test(value);
  return isPlain ? value : escapeControls(JSON.stringify(value));
}

/** Characters that could forge a line or steer a terminal, with direction marks and surrogates. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;
const ALL_INVISIBLE = new RegExp(INVISIBLE.source, "gu");

/** Returns the text with such characters, ends of lines among them, as `\\u001b`. */
export function escapeControls(text: string): string {
  return text.replace(ALL_INVISIBLE, (character) =>
    Array.from(
      { length: character.length },
      (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, "0")}`,
    ).join(""));
}
