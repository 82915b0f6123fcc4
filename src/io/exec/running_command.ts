import type { Logger } from "../../base/log.ts";
import { Errno } from "../../../ffi/linux/errno.ts";
import { SIGKILL, SIGTERM, WNOHANG } from "../../../ffi/linux/signal.ts";
import type { Reactor } from "../reactor/reactor.ts";

/** Milliseconds for the command and all that it started to end before they are killed. */
const GRACE = 600;

/** Milliseconds for the kernel to end what was killed; what waits for a disk may take longer. */
const KILL_GRACE = 200;

/** Milliseconds between two looks, at first and at most. */
const FIRST_LOOK = 2;
const LONGEST_LOOK = 50;

/** Milliseconds for a command that ends by itself. */
const EXIT_GRACE = 20;

/** A command that leads a process group. Its exit status stays with the kernel until its end. */
export class RunningCommand {
  readonly #reactor: Reactor;
  readonly #pid: number;
  readonly #log: Logger;
  readonly #errors: Disposable;
  #ended: Promise<void> | null = null;
  #isReaped = false;

  /** `errors` is disposed of when the command has ended. */
  constructor(
    reactor: Reactor,
    pid: number,
    { log, errors }: { readonly log: Logger; readonly errors: Disposable },
  ) {
    this.#reactor = reactor;
    this.#pid = pid;
    this.#log = log;
    this.#errors = errors;
  }

  /** Ends the whole group: asks it to, and kills what is left. Resolves when it is gone. */
  end(): Promise<void> {
    return this.#ended ??= this.#end();
  }

  async #end(): Promise<void> {
    using _errors = this.#errors;
    // Its end of the stream closes a little before it has ended.
    await this.#isGoneWithin(EXIT_GRACE, () => this.#isReaped, "by itself");
    this.#signal(SIGTERM);
    if (await this.#isGoneWithin(GRACE)) return;
    this.#signal(SIGKILL);
    // Others of the group may stay as zombies, where nobody waits for orphans.
    await this.#isGoneWithin(KILL_GRACE, () => this.#isReaped);
    if (this.#isReaped) return;
    this.#log.warn("the command of exec: does not end: it is left behind", { pid: this.#pid });
  }

  async #isGoneWithin(
    ms: number,
    isGone = () => this.#isGone(),
    how = "when it was told to",
  ): Promise<boolean> {
    for (let waited = 0, pause = FIRST_LOOK;; pause = Math.min(2 * pause, LONGEST_LOOK)) {
      this.#reap(how);
      if (isGone()) return true;
      if (waited >= ms) return false;
      await new Promise<void>((resolve) => void this.#reactor.after(pause, resolve));
      waited += pause;
    }
  }

  #isGone(): boolean {
    return this.#isReaped && this.#signal(0) === -Errno.ESRCH;
  }

  /**
   * The group keeps its number for as long as one of its processes is there, and a number is not
   * given out again within the milliseconds between two looks.
   */
  #signal(signal: number): number {
    return this.#reactor.libc.kill(-this.#pid, signal);
  }

  #reap(how: string): void {
    if (this.#isReaped) return;
    const status = new Int32Array(1);
    const bytes = new Uint8Array(status.buffer);
    const found = this.#reactor.libc.waitpid(this.#pid, bytes, WNOHANG);
    this.#isReaped = found !== 0; // no such child: whoever started ttun wants none to be waited for
    if (found > 0) this.#log.info("the command of exec: has ended", { how, ...facts(status[0]!) });
  }
}

/** Reads the status as WIFSIGNALED and WEXITSTATUS of sys/wait.h do. */
function facts(status: number): Record<string, number> {
  const signal = status & 0x7f;
  return signal === 0 ? { status: (status >> 8) & 0xff } : { signal };
}
