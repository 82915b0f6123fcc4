import type { LiveSample } from "../../core/status/live_meter.ts";
import type { BackgroundChild } from "../background/child.ts";
import type { Reload } from "../reloads.ts";
import type { Logger, LogLevel, LogRecord } from "../../base/log.ts";

export interface RunContext {
  /** Aborted by the first SIGINT or SIGTERM, with a `Stopped` as its reason. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** Prints a record from elsewhere, such as a Worker; filters by level. */
  readonly printRecord: (record: LogRecord) => void;
  /** Called when everything is open: later lines belong to a log (start_lines.ts). */
  readonly begin?: () => void;
  readonly logLevel: LogLevel;
  /** The command line itself has secrets in it; absent = false. */
  readonly hasSecretArguments?: boolean;
  /** Other processes can no longer see secrets among the arguments. */
  readonly secretsHidden: boolean;
  /** Keys of secret options that a configuration file holds, which process lists never show. */
  readonly fileSecrets?: ReadonlySet<string>;
  /** Calls `tell` when a signal asks for the counters, until disposed of. */
  readonly onStatus: (tell: () => void) => Disposable;
  /** Reads the command's options again; absent = they are in no configuration file. */
  readonly reread?: () => Promise<Reread>;
  /** Shows a live line below the log, and calls `ask` for each sample; absent = there is none. */
  readonly live?: (ask: () => void) => LiveDisplay;
  /** Called when the program has let go of its terminal, whose end was its own before. */
  readonly onDetached: () => void;
  /** Calls `reload` when SIGHUP asks for it, until disposed of. */
  readonly onReload: (reload: Reload) => Disposable;
  /**
   * Has a service manager's watchdog ask the data plane for a sign of life, until disposed of; absent =
   * there is no watchdog.
   */
  readonly onWatchdog?: (answer: () => Promise<void>) => Disposable;
  /** Tells a service manager that the kill switch is in force: to it, a client is ready then. */
  readonly onGuarded?: () => void;
  /** The process in the foreground that waits until this one is ready; absent = there is none. */
  readonly background?: Pick<BackgroundChild, "secrets" | "ready">;
}

/** Shows facts of a running end until it is disposed of. */
export interface LiveDisplay extends Disposable {
  take(sample: LiveSample): void;
}

/** Options by the keys of their table. */
type OptionValues = Readonly<Record<string, unknown>>;

export interface Reread {
  readonly atStart: OptionValues;
  readonly now: OptionValues;
}

/** Reason of a stop by the user, no failure. Adapters throw it on unchanged, for `run`. */
export class Stopped extends Error {
  override readonly name = "Stopped";
  readonly exitCode: number;

  /** `by` is the cause, such as a signal's name. */
  constructor(by: string, exitCode = 0) {
    super(`Stopped by ${by}`);
    this.exitCode = exitCode;
  }
}
