import { type LogRecord, URGENCY } from "../../base/log.ts";
import { fieldsText, type LogSettings, makeLogPrinter, printPlain } from "./log_writer.ts";

/** Prints log records in the shape that fits what ttun is doing. */
export interface RecordPrinter {
  /** A record of the main thread. */
  readonly print: (record: LogRecord) => void;
  /** A record of the data plane: the first that tells of something done begins the log. */
  readonly printOfPlane: (record: LogRecord) => void;
  /** Everything is open: from here on each record is a line of a log. */
  readonly begin: () => void;
}

/**
 * Writes messages before a command runs like errors of its command line: `ttun: …`, without time
 * and level. With JSON all is JSON from the start, and debug records are always lines of a log.
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

/** The kind of an error is for logs; its exit code tells it here. */
function startLine({ level, message, fields }: LogRecord): string {
  if (level === "error") return `ttun: ${message}`;
  const facts = fieldsText(fields);
  const words = level === "warn" ? `warning: ${message}` : message;
  return `ttun: ${words}${facts === "" ? "" : `  ${facts}`}`;
}
