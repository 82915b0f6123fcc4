import type { Logger, LogLevel, LogRecord } from "../../base/log.ts";

/** What every command is given beside its options. */
export interface RunContext {
  /** Aborted by the first SIGINT or SIGTERM; its reason is then a `Stopped`. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** Prints a record that was made elsewhere, in a worker for example; filters by level. */
  readonly printRecord: (record: LogRecord) => void;
  /** Everything is open: what is printed from here on is a log (start_lines.ts). */
  readonly begin?: () => void;
  /** The least urgent level that is printed. */
  readonly logLevel: LogLevel;
  /** Whether secrets among the arguments are no longer visible to other processes. */
  readonly secretsHidden: boolean;
  /** `tell` is called when a signal asks for the counters, until disposed of. */
  readonly onStatus: (tell: () => void) => Disposable;
}

/**
 * The end that the user asked for: the reason of the root signal, and no failure. Adapters throw
 * it on as it is, so that it comes back to `run`.
 */
export class Stopped extends Error {
  override readonly name = "Stopped";
  readonly exitCode: number;

  /** `by` is what asked for it, as a signal's name. */
  constructor(by: string, exitCode = 0) {
    super(`Stopped by ${by}`);
    this.exitCode = exitCode;
  }
}
