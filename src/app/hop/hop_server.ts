import type { HostPort } from "../../base/addr.ts";
import type { Logger } from "../../base/log.ts";
import type { Scope } from "../../base/scope.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Listener } from "../../contract/dial.ts";
import type { MinutePorts } from "../../core/hop/minute_ports.ts";
import { ListenSchedule } from "../../core/hop/schedule.ts";
import type { PortList } from "../../core/status/port_list.ts";
import { PortHopper } from "./port_hopper.ts";
import { PortStays, type PortStaysOptions } from "./port_stays.ts";

export interface HopServerOptions extends PortStaysOptions {
  /** The host to listen on; "" = all addresses. */
  readonly host: string;
  /** The ports stay the caller's. */
  readonly ports: MinutePorts;
  readonly listen: (at: HostPort, o: { signal: AbortSignal }) => Listener;
  readonly log: Logger;
  /** Has the ports while they are listened on. */
  readonly portList?: PortList | undefined;
  /** Owns the connection, and serves it to its end. Never rejects. */
  readonly serve: (stream: Connection) => Promise<void>;
  /** Closes something when descriptors run out; returns false if there is nothing. */
  readonly evictIdle: () => boolean;
}

/** Serves connections on the minutes' ports, and has them leave these with the minutes. */
export class HopServer {
  readonly #o: HopServerOptions;
  readonly #tasks: Scope;
  readonly #hopper: PortHopper;
  readonly #stays: PortStays;

  /** Listeners and connections live under `tasks`. */
  constructor(tasks: Scope, o: HopServerOptions) {
    this.#tasks = tasks;
    this.#o = o;
    this.#stays = new PortStays(o);
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
    this.#tasks.spawn((signal) => this.#stays.watch(signal));
    return this.#hopper.run();
  }

  async #serve(stream: Connection, port: number): Promise<void> {
    const { ports, serve } = this.#o;
    using _stay = this.#stays.add(stream, port, (minute) => ports.at(minute).port);
    await serve(stream);
  }
}
