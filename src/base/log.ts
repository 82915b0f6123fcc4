export type LogLevel = "error" | "warn" | "info" | "debug";

/** Facts of a line. They never hold a secret: nothing is masked later. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export interface LogRecord {
  /** Time of the record in milliseconds since 1970. */
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
  /** True when `debug` is printed: where its lines are many, their facts need not be gathered. */
  readonly isDebug: boolean;
}

export const URGENCY: Readonly<Record<LogLevel, number>> = { error: 3, warn: 2, info: 1, debug: 0 };

/** Makes a logger; `now`: milliseconds since 1970. Records below `least` are not even made. */
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
