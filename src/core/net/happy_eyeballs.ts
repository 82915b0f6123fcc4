import { parseIp } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { withoutZone } from "../../base/zone.ts";
import { type Failure, mostTelling } from "../proxy/failure.ts";

/** Time before the next attempt starts beside one (RFC 8305 section 5). */
export const ATTEMPT_DELAY = 250;

/** Steps for the driver, to be done in this order. */
export type EyeballStep =
  /** Connect; then `succeeded` or `failed`, unless cancelled before. */
  | { kind: "start"; address: string }
  /** Give up that attempt and close what may have come of it. */
  | { kind: "cancel"; address: string }
  /** Call `woke` at this time; it stands for every earlier one. */
  | { kind: "wakeAt"; at: number }
  /** This address is connected; all others are cancelled. */
  | { kind: "done"; address: string }
  /** No address is left: none could be connected. */
  | { kind: "failed"; failure: Failure };

/**
 * Decides when to connect to which address (RFC 8305, "Happy Eyeballs"): one each quarter of a
 * second, or at once when one fails; the first wins. Milliseconds on any one clock.
 */
export class HappyEyeballs {
  /** Addresses that are not tried yet, the next one first. */
  readonly #waiting: string[];
  readonly #running = new Set<string>();
  readonly #failures: Failure[] = [];
  readonly #attemptDelay: number;
  readonly #deadline: number;
  /** Time of the next attempt, should none fail before. */
  #nextAt: number;
  #state: "new" | "running" | "over" = "new";

  /** `addresses`: canonical, best first (RFC 6724); equal ones count once. `timeoutMs`: for all. */
  constructor(
    addresses: readonly string[],
    o: { now: number; timeoutMs: number; attemptDelayMs?: number },
  ) {
    this.#waiting = interleave([...new Set(addresses)]);
    this.#attemptDelay = o.attemptDelayMs ?? ATTEMPT_DELAY;
    this.#deadline = o.now + o.timeoutMs;
    this.#nextAt = o.now;
  }

  /** Starts the first attempt; fails at once without addresses. */
  begin(now: number): EyeballStep[] {
    if (this.#state !== "new") throw outOfTurn();
    this.#state = "running";
    if (this.#waiting.length === 0) return this.#end({ kind: "failed", failure: "name" });
    return this.#proceed(now);
  }

  /** Takes a success; no steps = it was cancelled already, and is to be closed. */
  succeeded(address: string): EyeballStep[] {
    if (!this.#running.delete(address)) return [];
    return this.#end({ kind: "done", address });
  }

  failed(address: string, failure: Failure, now: number): EyeballStep[] {
    if (!this.#running.delete(address)) return [];
    this.#failures.push(failure);
    this.#nextAt = now;
    return this.#proceed(now);
  }

  /** Takes a due `wakeAt`; waking early or without need does no harm. */
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

/** Sorts families by turns, the first address's first (RFC 8305 section 4), each in its order. */
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
