import type { LogFormat, LogSettings } from "../output/log_writer.ts";

/** Returns what the log is to be by these options of a command. */
export function logSettings(options: {
  readonly verbose: boolean;
  readonly quiet: boolean;
  readonly logFormat: LogFormat;
  readonly logFile?: string | undefined;
  readonly syslog?: boolean;
  readonly daemon?: boolean;
  readonly background?: boolean;
  readonly noLive?: boolean;
  /** -W, which other programs start with their own terminal. */
  readonly stdio?: unknown;
}): LogSettings {
  return {
    level: options.verbose ? "debug" : options.quiet ? "warn" : "info",
    format: options.logFormat,
    ...(options.logFile !== undefined && { file: options.logFile }),
    ...(options.syslog === true && { toSystem: true }),
    ...((options.daemon || options.background) && { goesToBackground: true }),
    isLive: options.noLive === false && options.stdio === undefined,
  };
}

/** The result is the output: the log has failures alone, unless more is asked for. */
export function measureLogging(options: Parameters<typeof logSettings>[0]): LogSettings {
  return logSettings({ ...options, quiet: true });
}
