/** Levels of log lines, most urgent first. `cli/output/log_writer.ts` prints them. */
export type LogLevel = "error" | "warn" | "info" | "debug";

/** Facts of a line, beside its words. Never a secret: nothing here is masked later. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export interface LogRecord {
  /** Milliseconds since 1970. */
  time: number;
  level: LogLevel;
  message: string;
  fields: LogFields;
}

export interface Logger {
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  /** False if `debug` lines are dropped, so that frequent ones need not gather their facts. */
  readonly isDebug: boolean;
}

/** The higher, the more it matters. */
export const URGENCY: Readonly<Record<LogLevel, number>> = { error: 3, warn: 2, info: 1, debug: 0 };

/**
 * A logger that hands each record to `sink`; `now` gives milliseconds since 1970. What is less
 * urgent than `least` is not even made.
 */
export function makeLogger(
  sink: (record: LogRecord) => void,
  now: () => number,
  least: LogLevel = "debug",
): Logger {
  const at = (level: LogLevel) =>
    URGENCY[level] < URGENCY[least]
      ? () => {}
      : (message: string, fields: LogFields = {}) => sink({ time: now(), level, message, fields });
  return {
    error: at("error"),
    warn: at("warn"),
    info: at("info"),
    debug: at("debug"),
    isDebug: least === "debug",
  };
}
