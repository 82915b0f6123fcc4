import type { LogFields, Logger } from "./log.ts";

/** How many lines of one kind are said in a window before the rest are only counted. */
export interface LineLimits {
  readonly lines: number;
  readonly ofPeer: number;
  readonly window: number;
}

const OF_STRANGERS: LineLimits = { lines: 10, ofPeer: 10, window: 10_000 };

/** Limits for peers that have shown the key: an administrator wants to see each, of a few. */
export const OF_PEERS: LineLimits = { lines: 200, ofPeer: 10, window: 60_000 };

/** Most kinds of peers' lines that are counted; beyond that the one that began first is forgotten. */
const MOST_OF_PEERS = 4096;

interface Kind {
  since: number;
  said: number;
  kept: number;
}

/**
 * Limits lines that others cause. Each message has a limit of its own, so none hides another, and
 * each peer a part of it. Messages are constants, which bounds their number.
 */
export class RateLimitedLog {
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #limits: LineLimits;
  readonly #kinds = new Map<string, Kind>();
  readonly #ofPeers = new Map<string, Kind>();

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

  #counts(level: "warn" | "info", message: string, most: number, by?: string): boolean {
    const now = this.#now();
    const kind = by === undefined
      ? kindOf(this.#kinds, `${level} ${message}`)
      : kindOf(this.#ofPeers, `${level} ${message} ${by}`);
    if (this.#ofPeers.size > MOST_OF_PEERS) forgetOldest(this.#ofPeers);
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
}

function kindOf(kinds: Map<string, Kind>, name: string): Kind {
  const known = kinds.get(name);
  if (known !== undefined) return known;
  const kind: Kind = { since: -Infinity, said: 0, kept: 0 };
  kinds.set(name, kind);
  return kind;
}

function forgetOldest(kinds: Map<string, Kind>): void {
  for (const oldest of kinds.keys()) {
    kinds.delete(oldest);
    return;
  }
}
