import type { LogFields, Logger } from "../base/log.ts";

/** Lines of one kind in a window before the rest are only counted. */
const AT_ONCE = 10;
/** Milliseconds. */
const WINDOW = 10_000;

/** Lines of one kind: the same message at the same level. */
interface Kind {
  /** When its window began, in milliseconds of the clock. */
  since: number;
  said: number;
  kept: number;
}

/**
 * Says what strangers cause, but not as often as they like: the log is not theirs to fill. Each
 * message has a limit of its own, so that none hides another; messages are constants of the code,
 * which bounds their number, and all that varies belongs into the fields.
 */
export class QuietLog {
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #kinds = new Map<string, Kind>();

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
    const kind = this.#kindOf(`${level} ${message}`);
    if (now - kind.since > WINDOW) {
      if (kind.kept > 0) this.#log[level](`${message}: more of them`, { count: kind.kept });
      kind.since = now;
      kind.said = kind.kept = 0;
    }
    if (++kind.said <= AT_ONCE) this.#log[level](message, fields);
    else kind.kept++;
  }

  #kindOf(name: string): Kind {
    const known = this.#kinds.get(name);
    if (known !== undefined) return known;
    const kind: Kind = { since: -Infinity, said: 0, kept: 0 };
    this.#kinds.set(name, kind);
    return kind;
  }
}
