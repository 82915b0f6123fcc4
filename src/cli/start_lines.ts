import type { LogRecord } from "../base/log.ts";
import { fieldsText, type LogSettings, makeLogPrinter, printPlain } from "./log_writer.ts";

/** Prints log records in the shape that fits what ttun is doing. */
export interface RecordPrinter {
  readonly print: (record: LogRecord) => void;
  /** Everything is open: from here on each record is a line of a log. */
  readonly begin: () => void;
}

/**
 * Warnings and errors of a command that does not run yet are written as those of its command line
 * are: `ttun: …`, without time and level. The log begins with `begin` or the first record that
 * tells of something done. For programs that read JSON all is JSON from the start.
 */
export function makeRecordPrinter(
  settings: LogSettings,
  printLogged = makeLogPrinter(settings),
  printLine: (line: string) => void = printPlain,
): RecordPrinter {
  let isRunning = settings.format === "json";
  return {
    begin: () => isRunning = true,
    print: (record) => {
      isRunning ||= record.level === "info";
      if (isRunning || record.level === "debug") printLogged(record);
      else printLine(startLine(record));
    },
  };
}

/** The kind of an error is for logs; its exit code tells it here. */
function startLine({ level, message, fields }: LogRecord): string {
  if (level === "error") return `ttun: ${message}`;
  const facts = fieldsText(fields);
  return `ttun: warning: ${message}${facts === "" ? "" : `  ${facts}`}`;
}
