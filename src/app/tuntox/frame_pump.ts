import type { Clock } from "../../contract/host.ts";

/** Milliseconds between looks at what waits for a time. */
const LOOK_MS = 1000;

/** The frames of a link, of streams or of tunnels. */
export interface PumpedFrames {
  /** Sends what can be sent now, and tells readers what has come. */
  flush(): void;
  /** Something waits for a time: `tick` has to be called every second or so. */
  readonly needsTicks: boolean;
  /** Ends what has waited too long. */
  tick(): void;
}

/** Flushes the frames of a link when they ask for it, and looks at what waits for a time. */
export class FramePump implements Disposable {
  readonly #clock: Clock;
  readonly #frames: () => PumpedFrames;
  #isWoken = false;
  #isClosed = false;
  #timer: Disposable | null = null;

  /** `frames` may be there later than the pump. */
  constructor(clock: Clock, frames: () => PumpedFrames) {
    this.#clock = clock;
    this.#frames = frames;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Flushes soon. */
  wake(): void {
    if (this.#isWoken || this.#isClosed) return;
    this.#isWoken = true;
    this.#clock.onTurn(() => {
      this.#isWoken = false;
      this.flush(); // writers that it tells may leave work to promises
    });
  }

  flush(): void {
    if (this.#isClosed) return;
    const frames = this.#frames();
    frames.flush();
    if (frames.needsTicks) this.#timer ??= this.#clock.after(LOOK_MS, this.#look);
    else this.rest();
  }

  /** Looks no more until the next flush. */
  rest(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
  }

  readonly #look = (): void => {
    this.#timer = null;
    this.#frames().tick();
    this.flush();
  };

  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.rest();
  }
}
