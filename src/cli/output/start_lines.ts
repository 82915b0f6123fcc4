import { type LogRecord, URGENCY } from "../../base/log.ts";
import { fieldsText, type LogSettings, makeLogPrinter, printPlain } from "./log_writer.ts";

/** Prints log records in the form that fits the phase of ttun. */
export interface RecordPrinter {
  /** Prints a record of the main thread. */
  readonly print: (record: LogRecord) => void;
  /** Prints a record of the data plane; the first about something done begins the log. */
  readonly printOfPlane: (record: LogRecord) => void;
  /** Begins the log: later records are its lines. */
  readonly begin: () => void;
}

/**
 * Prints messages from before a command runs like errors of its command line: `ttun: …`, without
 * time and level. With JSON everything is JSON from the start; debug records are always log lines.
 */
export function makeRecordPrinter(
  settings: LogSettings,
  printLogged = makeLogPrinter(settings),
  printLine: (line: string) => void = printPlain,
): RecordPrinter {
  let isRunning = settings.format === "json";
  const print = (record: LogRecord) => {
    if (isRunning || record.level === "debug") return printLogged(record);
    if (URGENCY[record.level] >= URGENCY[settings.level]) printLine(startLine(record));
  };
  return {
    begin: () => isRunning = true,
    print,
    printOfPlane: (record) => {
      isRunning ||= record.level === "info";
      print(record);
    },
  };
}

/** Returns a line without the error's kind, which the exit code tells. */
function startLine({ level, message, fields }: LogRecord): string {
  if (level === "error") return `ttun: ${message}`;
  const facts = fieldsText(fields);
  const words = level === "warn" ? `warning: ${message}` : message;
  return `ttun: ${words}${facts === "" ? "" : `  ${facts}`}`;
}
