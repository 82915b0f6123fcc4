import { MINUTE_MS, minuteOf } from "./minute.ts";

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

/** Time to notice a clock that was set, or sleep: a timer cannot tell, as it has another clock. */
const LOOK_MS = 2_000;

/** Steps for the driver, in this order. */
export type ListenStep =
  /** Stop listening; where the bind is still under way, throw its listener away. */
  | { readonly kind: "close"; readonly port: number }
  /** Bind and listen, and tell `bound`. `minutes`: whose port it is, for the log. */
  | { readonly kind: "open"; readonly port: number; readonly minutes: readonly number[] };

/** Outcome of a bind; `taken`: by another socket; `failed`: also a listener that has ended. */
export type BindResult = "open" | "taken" | "failed";

export interface ListenPort {
  readonly port: number;
  /** Minutes whose port it is, the oldest first; two may share one. */
  readonly minutes: readonly number[];
  readonly state: "asked" | "open" | "taken" | "failed";
  /** Time when it is closed, unix milliseconds; a port that is held alone, at the latest. */
  readonly until: number;
}

export interface MinutePort {
  readonly port: number;
  /** Lifetime of 1 to 15 minutes. */
  readonly lifetime: number;
}

interface Wanted {
  readonly minutes: readonly number[];
  readonly until: number;
}

interface Known extends Wanted {
  state: ListenPort["state"];
  /** Time of the next try when taken or failed, unix milliseconds. */
  tryAt: number;
}

export interface ScheduleOptions {
  minutePort(minute: number): MinutePort;
  /** True when an *authenticated* connection that came through this port lives. Default: never. */
  isHeld?(port: number): boolean;
}

/**
 * Call `step` at the beginning, and `pause` milliseconds after each call. The wall clock may jump
 * either way: only held ports depend on earlier calls.
 */
export class ListenSchedule {
  readonly #minutePort: (minute: number) => MinutePort;
  readonly #isHeld: (port: number) => boolean;
  readonly #ports = new Map<number, Known>();

  constructor(o: ScheduleOptions) {
    this.#minutePort = (minute) => o.minutePort(minute);
    this.#isHeld = (port) => o.isHeld?.(port) ?? false;
  }

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

  /** Answers `open`, now or later (ignored if the port is closed), or tells of a port's end. */
  bound(port: number, result: BindResult, unixMs: number): void {
    const known = this.#ports.get(port);
    if (known === undefined || (known.state !== "asked" && known.state !== "open")) return;
    known.state = result;
    if (result !== "open") known.tryAt = unixMs + pauseAfter(result);
  }

  /** Returns milliseconds until `step` is to be called again: from 1 up to 2000. */
  pause(unixMs: number): number {
    let next = Math.min(unixMs + LOOK_MS, (minuteOf(unixMs) + 1) * MINUTE_MS);
    for (const { state, tryAt } of this.#ports.values()) {
      if (state === "taken" || state === "failed") next = Math.min(next, tryAt);
    }
    return Math.min(LOOK_MS, Math.max(1, Math.ceil(next - unixMs)));
  }

  get ports(): ListenPort[] {
    return [...this.#ports].map(([port, { minutes, state, until }]) => ({
      port,
      minutes,
      state,
      until,
    }));
  }

  /** Returns words for the log: the port that ends first stands first. */
  describe(): string {
    const ports = this.ports.sort((a, b) => a.until - b.until);
    return ports.map(portInWords).join("; ") || "no ports";
  }

  /** Returns wanted ports; those of this minute's clients come first. */
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

/** Returns true if a port is due, also when its time lies further off than it was ever put. */
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
