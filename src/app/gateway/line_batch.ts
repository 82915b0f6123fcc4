import type { Clock } from "../../contract/host.ts";

/** Milliseconds for which a line waits for others. */
const WAIT_MS = 20;

/** Characters above which lines wait no longer. */
const MOST = 32 * 1024;

/** Lines that go out together: each alone would cost more than the request that it is about. */
export class LineBatch implements Disposable {
  readonly #clock: Clock;
  readonly #write: (lines: string) => void;
  #lines: string[] = [];
  #size = 0;
  #timer: Disposable | null = null;

  /** `write` gets lines with ends between them, and none behind the last. */
  constructor(clock: Clock, write: (lines: string) => void) {
    this.#clock = clock;
    this.#write = write;
  }

  add(line: string): void {
    this.#lines.push(line);
    this.#size += line.length;
    if (this.#size >= MOST) this.#flush();
    else this.#timer ??= this.#clock.after(WAIT_MS, () => this.#flush());
  }

  #flush(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
    if (this.#lines.length === 0) return;
    const lines = this.#lines.join("\n");
    this.#lines = [];
    this.#size = 0;
    this.#write(lines);
  }

  [Symbol.dispose](): void {
    this.#flush();
  }
}
