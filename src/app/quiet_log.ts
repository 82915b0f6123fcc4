import type { LogFields, Logger } from "../base/log.ts";

/** Lines of one kind in a window before the rest are only counted. */
const AT_ONCE = 10;
const WINDOW = 10_000;

/** Says what strangers cause, but not as often as they like: the log is not theirs to fill. */
export class QuietLog {
  readonly #log: Logger;
  readonly #now: () => number;
  #since = -Infinity;
  #said = 0;
  #kept = 0;

  constructor(log: Logger, now: () => number) {
    this.#log = log;
    this.#now = now;
  }

  warn(message: string, fields: LogFields): void {
    this.#say("warn", message, fields);
  }

  info(message: string, fields: LogFields): void {
    this.#say("info", message, fields);
  }

  #say(level: "warn" | "info", message: string, fields: LogFields): void {
    const now = this.#now();
    if (now - this.#since > WINDOW) {
      if (this.#kept > 0) this.#log[level]("more such connections", { count: this.#kept });
      this.#since = now;
      this.#said = this.#kept = 0;
    }
    if (++this.#said <= AT_ONCE) this.#log[level](message, fields);
    else this.#kept++;
  }
}
