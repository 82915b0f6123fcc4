/** Resolves when a part of the program has shown that it is alive. */
type Answer = () => Promise<void>;

/**
 * Tells a service manager that the program is alive, twice in its time (sd_watchdog_enabled(3)). A
 * part that it is to ask and that does not answer keeps it silent: then the manager ends the program.
 */
export class Watchdog implements Disposable {
  readonly #tell: (state: string) => void;
  readonly #timer: ReturnType<typeof setInterval>;
  #answer: Answer | null = null;
  #isAsking = false;

  /** `ms`: the manager's time in milliseconds. */
  constructor(ms: number, tell: (state: string) => void) {
    this.#tell = tell;
    this.#timer = setInterval(() => void this.#ping(), ms / 2); // never rejects
  }

  /** Asks this part from now on, until disposed of. */
  readonly ask = (answer: Answer): Disposable => {
    this.#answer = answer;
    this.#isAsking = false;
    return {
      [Symbol.dispose]: () => {
        if (this.#answer === answer) this.#answer = null;
      },
    };
  };

  async #ping(): Promise<void> {
    const answer = this.#answer;
    if (answer !== null) {
      if (this.#isAsking) return;
      this.#isAsking = true;
      await answer();
      if (this.#answer !== answer) return;
      this.#isAsking = false;
    }
    this.#tell("WATCHDOG=1");
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/**
 * Returns the milliseconds in which a manager wants a sign of life, by the variables that it has set
 * for the process `pid`; null = it wants none.
 */
export function watchdogMs(
  { usec, forPid }: { readonly usec: string | undefined; readonly forPid: string | undefined },
  pid: number,
): number | null {
  if (usec === undefined || !/^[1-9]\d{0,15}$/.test(usec)) return null;
  if (forPid !== undefined && forPid !== "" && forPid !== String(pid)) return null;
  // Shorter pauses than a millisecond, and longer ones than timers have, are nobody's.
  return Math.min(Math.max(Number(usec) / 1000, 2), 2 ** 31);
}

/**
 * Tells a manager once that the program is ready: when it is, or after `ms` at the latest, so that a
 * boot does not wait for a server that is away.
 */
export function readiness(
  ms: number | null,
  tell: (state: string) => void,
): Disposable & { readonly ready: () => void } {
  let timer: ReturnType<typeof setTimeout> | undefined;
  if (ms !== null) {
    timer = setTimeout(() => tell("READY=1\nSTATUS=Still without its server"), ms);
  }
  return {
    ready: () => {
      clearTimeout(timer);
      tell("READY=1\nSTATUS=");
    },
    [Symbol.dispose]: () => clearTimeout(timer),
  };
}
