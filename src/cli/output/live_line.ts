import type { LiveSample } from "../../core/status/live_meter.ts";
import type { LiveDisplay } from "../command/context.ts";
import { type LiveFacts, LONGEST_SPARKLINE } from "../status/live_text.ts";
import type { LogOutput } from "./log_output.ts";

/** Milliseconds between two samples. */
const INTERVAL_MS = 1000;

/** Milliseconds to erase the line before the process stops. */
const ERASE_MS = 200;

export interface LiveScreen {
  /** Columns of the terminal at the moment. */
  columns(): number;
  /** False while another program has the terminal. */
  isOurs(): boolean;
  /** Stops the process, and returns when it goes on. */
  stop(): void;
}

export interface LiveLineOptions {
  readonly output: Pick<LogOutput, "setFooter" | "flush">;
  readonly screen: LiveScreen;
  readonly render: (facts: LiveFacts, columns: number) => string;
  /** Asks for a sample, which `take` gets. */
  readonly ask: () => void;
}

/** A line below the log that is drawn again every second, until it is disposed of. */
export class LiveLine implements LiveDisplay {
  readonly #o: LiveLineOptions;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #sent: number[] = [];
  readonly #received: number[] = [];
  #sample: LiveSample | null = null;
  #isStopping = false;
  #isDisposed = false;

  constructor(o: LiveLineOptions) {
    this.#o = o;
    this.#timer = setInterval(o.ask, INTERVAL_MS);
    o.ask();
  }

  take(sample: LiveSample): void {
    this.#sample = sample;
    keep(this.#sent, sample.sentBytesPerSecond);
    keep(this.#received, sample.receivedBytesPerSecond);
    this.draw();
  }

  /** To be called when the terminal has another size, or the process goes on. */
  draw(): void {
    const { output, screen, render } = this.#o;
    if (this.#sample === null || this.#isStopping || this.#isDisposed) return;
    if (!screen.isOurs()) return output.setFooter(null);
    const facts = { sample: this.#sample, sent: this.#sent, received: this.#received };
    // A terminal may go on to the next row once its last column is written.
    output.setFooter(render(facts, screen.columns() - 1));
  }

  /** Stops the process as Ctrl-Z asks for, and leaves no line behind. */
  async suspend(): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#o.output.setFooter(null);
    await this.#o.output.flush(ERASE_MS);
    this.#o.screen.stop();
    this.#isStopping = false;
    this.draw();
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    clearInterval(this.#timer);
    this.#o.output.setFooter(null);
  }
}

function keep(rates: number[], rate: number): void {
  rates.push(rate);
  if (rates.length > LONGEST_SPARKLINE) rates.shift();
}
