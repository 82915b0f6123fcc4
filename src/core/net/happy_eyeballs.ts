import { parseIp } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { withoutZone } from "../../base/zone.ts";
import { type Failure, mostTelling } from "../proxy/failure.ts";

/** RFC 8305 section 5: how long an attempt has before the next one starts beside it. */
export const ATTEMPT_DELAY = 250;

/** Steps for the driver of the attempts, in this order. */
export type EyeballStep =
  /** Begin to connect to this address; then `succeeded` or `failed`, unless cancelled before. */
  | { kind: "start"; address: string }
  /** Give up that attempt and close what may have come of it. */
  | { kind: "cancel"; address: string }
  /** Call `woke` at this time (milliseconds); it stands for every earlier one. */
  | { kind: "wakeAt"; at: number }
  /** This one is connected; all others are cancelled. */
  | { kind: "done"; address: string }
  /** None is. */
  | { kind: "failed"; failure: Failure };

/**
 * Which of a host's addresses to connect to when (RFC 8305, "Happy Eyeballs"), as a pure machine.
 * All addresses are known when it begins. They are tried by families in turn, each a quarter of a
 * second after the one before, or at once when one fails; the first connection wins. Times are
 * milliseconds on any one clock.
 */
export class HappyEyeballs {
  /** Not yet tried, next one first. */
  readonly #waiting: string[];
  readonly #running = new Set<string>();
  readonly #failures: Failure[] = [];
  readonly #attemptDelay: number;
  readonly #deadline: number;
  /** When the next attempt begins, should none fail before. */
  #nextAt: number;
  #state: "new" | "running" | "over" = "new";

  /**
   * `addresses`: IP addresses, best first (RFC 6724), in canonical text; of equal ones one is
   * tried. `timeoutMs`: for all of it, from `now` on.
   */
  constructor(
    addresses: readonly string[],
    o: { now: number; timeoutMs: number; attemptDelayMs?: number },
  ) {
    this.#waiting = interleave([...new Set(addresses)]);
    this.#attemptDelay = o.attemptDelayMs ?? ATTEMPT_DELAY;
    this.#deadline = o.now + o.timeoutMs;
    this.#nextAt = o.now;
  }

  /** The first attempt; of no addresses at once the end, as of a name without any. */
  begin(now: number): EyeballStep[] {
    if (this.#state !== "new") throw outOfTurn();
    this.#state = "running";
    if (this.#waiting.length === 0) return this.#end({ kind: "failed", failure: "name" });
    return this.#proceed(now);
  }

  /** The attempt is connected. A late one, which was cancelled already, is to be closed: no steps. */
  succeeded(address: string): EyeballStep[] {
    if (!this.#running.delete(address)) return [];
    return this.#end({ kind: "done", address });
  }

  /** The attempt has failed. */
  failed(address: string, failure: Failure, now: number): EyeballStep[] {
    if (!this.#running.delete(address)) return [];
    this.#failures.push(failure);
    this.#nextAt = now;
    return this.#proceed(now);
  }

  /** A `wakeAt` is due. Waking early or without need does no harm. */
  woke(now: number): EyeballStep[] {
    return this.#state === "running" ? this.#proceed(now) : [];
  }

  #proceed(now: number): EyeballStep[] {
    if (now >= this.#deadline) {
      return this.#end({ kind: "failed", failure: mostTelling([...this.#failures, "timeout"]) });
    }
    const steps: EyeballStep[] = [];
    const next = now >= this.#nextAt ? this.#waiting.shift() : undefined;
    if (next !== undefined) {
      this.#running.add(next);
      this.#nextAt = now + this.#attemptDelay;
      steps.push({ kind: "start", address: next });
    }
    if (this.#running.size === 0 && this.#waiting.length === 0) {
      return this.#end({ kind: "failed", failure: mostTelling(this.#failures) });
    }
    const at = this.#waiting.length > 0 ? Math.min(this.#nextAt, this.#deadline) : this.#deadline;
    return [...steps, { kind: "wakeAt", at }];
  }

  #end(last: EyeballStep): EyeballStep[] {
    const losers = [...this.#running];
    this.#state = "over";
    this.#running.clear();
    this.#waiting.length = 0;
    return [...losers.map((address) => ({ kind: "cancel" as const, address })), last];
  }
}

/**
 * Families by turns, the first address's family first and one of it before the other's first
 * (RFC 8305 section 4, with a First Address Family Count of 1). The order within each is kept.
 */
export function interleave(addresses: readonly string[]): string[] {
  const family = (address: string) => parseIp(withoutZone(address))?.length;
  const first = addresses.filter((address) => family(address) === family(addresses[0]!));
  const other = addresses.filter((address) => family(address) !== family(addresses[0]!));
  const found: string[] = [];
  for (let i = 0; i < Math.max(first.length, other.length); i++) {
    found.push(...first.slice(i, i + 1), ...other.slice(i, i + 1));
  }
  return found;
}

function outOfTurn(): TtunError {
  return new TtunError("internal", "Cannot begin the attempts twice");
}
