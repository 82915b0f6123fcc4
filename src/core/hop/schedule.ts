import { MINUTE_MS, minuteOf } from "../tt/keys.ts";

/**
 * On which ports a server of tt listens, and when (docs/wire/tt-v1.md, 1.3 and 7). The minutes T-1, T
 * and T+1 always have their ports open: all that existing programs guarantee to their clients, and
 * a minute's error of the clock either way. Where an authenticated connection lives that came
 * through a port, that port stays for as long as its minute's lifetime.
 *
 *     wanted -> asked -> open -> failed (it ended by itself)
 *                 \ -> taken, failed -> asked, after a pause
 *
 * and out of any of these when the port is wanted no more.
 */

/** A port that somebody else has may be free soon. */
const TAKEN_PAUSE_MS = 2_000;

/** Pause after other failures of a bind (rights, descriptors, no such address), which last longer. */
const FAILED_PAUSE_MS = 15_000;

/**
 * A clock that was set, or a machine that slept, is noticed within this time: a timer cannot tell,
 * for it runs on another clock.
 */
const LOOK_MS = 2_000;

/** Steps for the driver, in this order. */
export type ListenStep =
  /** Stop listening (or, where the bind is still under way, throw its listener away). */
  | { readonly kind: "close"; readonly port: number }
  /** Bind and listen, and tell `bound`. `minutes` are those whose port it is, for the log. */
  | { readonly kind: "open"; readonly port: number; readonly minutes: readonly number[] };

/**
 * How a bind went. `taken`: another socket has the port. `failed`: anything else, also that a
 * listener which was open has ended by itself.
 */
export type BindResult = "open" | "taken" | "failed";

/** A port as it stands. */
export interface ListenPort {
  readonly port: number;
  /** Whose port it is, the oldest first; two minutes may share one. */
  readonly minutes: readonly number[];
  readonly state: "asked" | "open" | "taken" | "failed";
  /** When it is closed, unix milliseconds; a port that is held alone, at the latest. */
  readonly until: number;
}

/** Port of a minute, and what the schedule needs besides. */
export interface MinutePort {
  readonly port: number;
  /** 1 to 15 minutes. */
  readonly lifetime: number;
}

interface Wanted {
  readonly minutes: readonly number[];
  readonly until: number;
}

interface Known extends Wanted {
  state: ListenPort["state"];
  /** taken, failed: when it is tried again, unix milliseconds. */
  tryAt: number;
}

export interface ScheduleOptions {
  /** Port and lifetime of a minute. */
  minutePort(minute: number): MinutePort;
  /** Returns true while an *authenticated* connection through this port lives. Default: never. */
  isHeld?(port: number): boolean;
}

/**
 * Call `step` when the program begins, and again `pause` milliseconds after each call. All times
 * that come in are the wall clock's, and may jump either way: what is open follows from the time
 * of the call, not from what was before, but for what is held.
 */
export class ListenSchedule {
  readonly #minutePort: (minute: number) => MinutePort;
  readonly #isHeld: (port: number) => boolean;
  readonly #ports = new Map<number, Known>();

  constructor(o: ScheduleOptions) {
    this.#minutePort = (minute) => o.minutePort(minute);
    this.#isHeld = (port) => o.isHeld?.(port) ?? false;
  }

  /** Returns the steps at this time. */
  step(unixMs: number): ListenStep[] {
    const wanted = this.#wanted(minuteOf(unixMs));
    const steps: ListenStep[] = [];
    for (const [port, { state }] of this.#ports) {
      if (wanted.has(port)) continue;
      this.#ports.delete(port);
      if (state === "open" || state === "asked") steps.push({ kind: "close", port });
    }
    for (const [port, why] of wanted) {
      const known = this.#ports.get(port);
      if (known !== undefined && !isDue(known, unixMs)) {
        this.#ports.set(port, { ...known, ...why });
      } else {
        this.#ports.set(port, { ...why, state: "asked", tryAt: 0 });
        steps.push({ kind: "open", port, minutes: why.minutes });
      }
    }
    return steps;
  }

  /**
   * The answer to an `open` step, at once or later; or `failed` for a port that was open. An
   * answer for a port that has been closed since is ignored.
   */
  bound(port: number, result: BindResult, unixMs: number): void {
    const known = this.#ports.get(port);
    if (known === undefined || (known.state !== "asked" && known.state !== "open")) return;
    known.state = result;
    if (result !== "open") known.tryAt = unixMs + pauseAfter(result);
  }

  /** Milliseconds until `step` is to be called again: from 1 up to 2000. */
  pause(unixMs: number): number {
    let next = Math.min(unixMs + LOOK_MS, (minuteOf(unixMs) + 1) * MINUTE_MS);
    for (const { state, tryAt } of this.#ports.values()) {
      if (state === "taken" || state === "failed") next = Math.min(next, tryAt);
    }
    return Math.min(LOOK_MS, Math.max(1, Math.ceil(next - unixMs)));
  }

  /** The ports as they stand. */
  get ports(): ListenPort[] {
    return [...this.#ports].map(([port, { minutes, state, until }]) => ({
      port,
      minutes,
      state,
      until,
    }));
  }

  /** The ports in words, for the log: what ends first stands first. */
  describe(): string {
    const ports = this.ports.sort((a, b) => a.until - b.until);
    return ports.map(portInWords).join("; ") || "no ports";
  }

  /** Which ports are wanted, and why; those of this minute's clients come first. */
  #wanted(now: number): Map<number, Wanted> {
    const wanted = new Map<number, Wanted>();
    const add = (port: number, minute: number, end: number) => {
      const { minutes, until } = wanted.get(port) ?? { minutes: [], until: 0 };
      wanted.set(port, {
        minutes: [...minutes, minute].sort((a, b) => a - b),
        until: Math.max(until, end * MINUTE_MS),
      });
    };
    for (const minute of [now, now + 1, now - 1]) {
      if (minute >= 0) add(this.#minutePort(minute).port, minute, minute + 2);
    }
    for (const [port, { minutes, state }] of this.#ports) {
      if (state !== "open") continue;
      for (const minute of minutes.filter((minute) => minute < now - 1)) {
        const end = minute + this.#minutePort(minute).lifetime;
        if (now < end && this.#isHeld(port)) add(port, minute, end);
      }
    }
    return wanted;
  }
}

/** Returns true if a port must be tried, also if the clock was set back since its time was set. */
function isDue({ state, tryAt }: Known, unixMs: number): boolean {
  if (state !== "taken" && state !== "failed") return false;
  return unixMs >= tryAt || tryAt - unixMs > pauseAfter(state);
}

function pauseAfter(result: "taken" | "failed"): number {
  return result === "taken" ? TAKEN_PAUSE_MS : FAILED_PAUSE_MS;
}

function portInWords({ port, state, until }: ListenPort): string {
  const time = `until ${hourAndMinute(until)} UTC`;
  if (state === "open") return `${port} ${time}`;
  return state === "asked" ? `${port} asked for` : `${port} ${state}, tried again ${time}`;
}

function hourAndMinute(unixMs: number): string {
  const minute = minuteOf(unixMs);
  const two = (n: number) => String(n % 60).padStart(2, "0");
  return `${two(Math.floor(minute / 60) % 24)}:${two(minute)}`;
}
