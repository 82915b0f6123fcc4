import { type LogRecord, URGENCY } from "../../base/log.ts";
import { fieldsText, type LogSettings, makeLogPrinter, printPlain } from "./log_writer.ts";

export interface RecordPrinter {
  readonly print: (record: LogRecord) => void;
  /** Prints a record of the data plane; the first about something done begins the log. */
  readonly printOfPlane: (record: LogRecord) => void;
  readonly begin: () => void;
}

/**
 * Before the log begins, messages look like errors of the command line, without time and level.
 * JSON is JSON from the start; debug records are always log lines.
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

/**
 * Prints records to a log file, or the system's log, too. Standard error has the beginning and errors alone then;
 * `staysOnTerminal`: it has all, as the program lets go of it when it is in the background.
 */
export function alsoToFile(
  terminal: RecordPrinter,
  printToFile: (record: LogRecord) => void,
  staysOnTerminal: boolean,
): RecordPrinter {
  let hasBegun = false;
  const shows = ({ level }: LogRecord) => staysOnTerminal || !hasBegun || level === "error";
  return {
    begin: () => {
      hasBegun = true;
      terminal.begin();
    },
    print: (record) => {
      printToFile(record);
      if (shows(record)) terminal.print(record);
    },
    printOfPlane: (record) => {
      hasBegun ||= record.level === "info";
      printToFile(record);
      if (shows(record)) terminal.printOfPlane(record);
    },
  };
}

/** Leaves out the error's kind, which the exit code tells. */
function startLine({ level, message, fields }: LogRecord): string {
  if (level === "error") return `ttun: ${message}`;
  const facts = fieldsText(fields);
  const words = level === "warn" ? `warning: ${message}` : message;
  return `ttun: ${words}${facts === "" ? "" : `  ${facts}`}`;
}
