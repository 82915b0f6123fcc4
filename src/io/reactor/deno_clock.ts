import { setImmediate } from "node:timers";
import type { Clock } from "../../contract/host.ts";
import type { OnReady } from "../../contract/stream.ts";
import { LONGEST_TIMER } from "./timers.ts";

/** A clock on Deno's timers, for use without a reactor. */
export class DenoClock implements Clock {
  now(): number {
    return performance.now();
  }

  after(ms: number, run: () => void): Disposable {
    const id = setTimeout(run, Math.min(ms, LONGEST_TIMER)); // a longer delay would fire at once
    return { [Symbol.dispose]: () => clearTimeout(id) };
  }

  turn(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }

  onTurn(run: OnReady): void {
    setImmediate(run);
  }
}
