import type { HostPort } from "../../base/addr.ts";
import type { Logger } from "../../base/log.ts";
import type { Scope } from "../../base/scope.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Listener } from "../../contract/dial.ts";
import type { Clock } from "../../contract/host.ts";
import type { MinutePorts } from "../../core/hop/minute_ports.ts";
import { PortStay } from "../../core/hop/port_stay.ts";
import { ListenSchedule } from "../../core/hop/schedule.ts";
import { sleep } from "../loop/sleep.ts";
import { PortHopper } from "./port_hopper.ts";

/** Milliseconds between two looks at the connections. */
const LOOK_MS = 1_000;

export interface HopServerOptions {
  /** The host to listen on; "" = all addresses. */
  readonly host: string;
  /** The ports stay the caller's. */
  readonly ports: MinutePorts;
  readonly listen: (at: HostPort, o: { signal: AbortSignal }) => Listener;
  readonly clock: Clock;
  /** Returns milliseconds since 1970. */
  readonly wallClock: () => number;
  readonly log: Logger;
  /** Owns the connection, and serves it to its end. Never rejects. */
  readonly serve: (stream: Connection) => Promise<void>;
  /**
   * Has the client of this connection come by another port within so many seconds. Returns false
   * where it cannot be told yet.
   */
  readonly move: (stream: Connection, seconds: number) => boolean;
  /** Closes something when descriptors run out; returns false if there is nothing. */
  readonly evictIdle: () => boolean;
}

/** Serves connections on the minutes' ports, and has them leave these with the minutes. */
export class HopServer {
  readonly #o: HopServerOptions;
  readonly #tasks: Scope;
  readonly #hopper: PortHopper;
  readonly #stays = new Map<Connection, PortStay>();

  /** Listeners and connections live under `tasks`. */
  constructor(tasks: Scope, o: HopServerOptions) {
    this.#tasks = tasks;
    this.#o = o;
    const schedule = new ListenSchedule({ minutePort: (minute) => o.ports.at(minute) });
    this.#hopper = new PortHopper(tasks, {
      ...o,
      schedules: [schedule],
      range: o.ports.range,
      take: (stream, port) => tasks.spawn(() => this.#serve(stream, port)),
    });
  }

  /** Runs until the signal aborts. @throws {TtunError} if no port can be opened at the beginning */
  run(): Promise<never> {
    this.#tasks.spawn((signal) => this.#watch(signal));
    return this.#hopper.run();
  }

  async #serve(stream: Connection, port: number): Promise<void> {
    const { ports, serve, wallClock } = this.#o;
    const portAt = (minute: number) => ports.at(minute).port;
    this.#stays.set(stream, new PortStay(port, portAt, wallClock()));
    try {
      await serve(stream);
    } finally {
      this.#stays.delete(stream);
    }
  }

  async #watch(signal: AbortSignal): Promise<never> {
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
