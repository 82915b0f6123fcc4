import type { LogFields, Logger } from "../base/log.ts";

/** How many lines of one kind are said in a window before the rest are only counted. */
export interface LineLimits {
  readonly lines: number;
  /** Of these about one peer. */
  readonly ofPeer: number;
  /** Milliseconds. */
  readonly window: number;
}

/** What strangers cause. */
const OF_STRANGERS: LineLimits = { lines: 10, ofPeer: 10, window: 10_000 };

/** What peers cause that have shown the key: an administrator wants to see each, of a few. */
export const OF_PEERS: LineLimits = { lines: 200, ofPeer: 10, window: 60_000 };

/** Most kinds and peers that are counted; beyond that the one that began first is forgotten. */
const MOST_KINDS = 4096;

/** Lines of one kind: the same message at the same level, perhaps about the same peer. */
interface Kind {
  /** When its window began, in milliseconds of the clock. */
  since: number;
  said: number;
  kept: number;
}

/**
 * Says what others cause, but not as often as they like: the log is not theirs to fill. Each message
 * has a limit of its own, so that none hides another, and each peer a part of it; messages are
 * constants of the code, which bounds their number, and all that varies belongs into the fields.
 */
export class QuietLog {
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #limits: LineLimits;
  readonly #kinds = new Map<string, Kind>();

  constructor(log: Logger, now: () => number, limits: LineLimits = OF_STRANGERS) {
    this.#log = log;
    this.#now = now;
    this.#limits = limits;
  }

  /** `by`: who causes it, as far as an address tells. */
  warn(message: string, fields: LogFields, by?: string): void {
    this.#say("warn", message, fields, by);
  }

  info(message: string, fields: LogFields, by?: string): void {
    this.#say("info", message, fields, by);
  }

  #say(level: "warn" | "info", message: string, fields: LogFields, by?: string): void {
    const { lines, ofPeer } = this.#limits;
    if (by !== undefined && !this.#counts(level, message, ofPeer, by)) return;
    if (this.#counts(level, message, lines)) this.#log[level](message, fields);
  }

  /** Counts one more; false when it is not to be said. */
  #counts(level: "warn" | "info", message: string, most: number, by?: string): boolean {
    const now = this.#now();
    const kind = this.#kindOf(
      by === undefined ? `${level} ${message}` : `${level} ${message} ${by}`,
    );
    if (now - kind.since > this.#limits.window) {
      const about = by === undefined ? {} : { by };
      if (kind.kept > 0) {
        this.#log[level](`${message}: more of them`, { ...about, count: kind.kept });
      }
      kind.since = now;
      kind.said = kind.kept = 0;
    }
    if (++kind.said <= most) return true;
    kind.kept++;
    return false;
  }

  #kindOf(name: string): Kind {
    const known = this.#kinds.get(name);
    if (known !== undefined) return known;
    const kind: Kind = { since: -Infinity, said: 0, kept: 0 };
    this.#kinds.set(name, kind);
    if (this.#kinds.size > MOST_KINDS) {
      for (const oldest of this.#kinds.keys()) {
        this.#kinds.delete(oldest);
        break;
      }
    }
    return kind;
  }
}
