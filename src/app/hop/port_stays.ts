import type { Connection } from "../../contract/connection.ts";
import type { Clock } from "../../contract/host.ts";
import { PortStay } from "../../core/hop/port_stay.ts";
import { sleep } from "../loop/sleep.ts";

/** Milliseconds between two looks at the connections. */
const LOOK_MS = 1_000;

export interface PortStaysOptions {
  readonly clock: Clock;
  /** Returns milliseconds since 1970. */
  readonly wallClock: () => number;
  /**
   * Has the client of this connection come by another port within so many seconds. Returns false
   * where it cannot be told yet.
   */
  readonly move: (stream: Connection, seconds: number) => boolean;
}

/** Has connections leave the ports by which they came, when these close. */
export class PortStays {
  readonly #o: PortStaysOptions;
  readonly #stays = new Map<Connection, PortStay>();

  constructor(o: PortStaysOptions) {
    this.#o = o;
  }

  /** A connection has come by a port, and stays its owner's. */
  add(stream: Connection, port: number, portAt: (minute: number) => number): Disposable {
    this.#stays.set(stream, new PortStay(port, portAt, this.#o.wallClock()));
    return { [Symbol.dispose]: () => this.#stays.delete(stream) };
  }

  async watch(signal: AbortSignal): Promise<never> {
    const { clock, wallClock } = this.#o;
    for (;;) {
      await sleep(clock, LOOK_MS, signal);
      const unixMs = wallClock();
      for (const [stream, stay] of this.#stays) this.#step(stream, stay, unixMs);
    }
  }

  #step(stream: Connection, stay: PortStay, unixMs: number): void {
    const step = stay.step(unixMs);
    if (step === "stay") return;
    if (step === "end") stream.reset();
    else if (this.#o.move(stream, step.move)) stay.told();
  }
}
