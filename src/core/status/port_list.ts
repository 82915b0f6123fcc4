import type { ListenPort } from "../hop/schedule.ts";
import type { HopPortStatus } from "./report.ts";

/** Ports that hop on which this process listens, for reports. */
export class PortList {
  readonly #schedules = new Set<() => readonly ListenPort[]>();

  /** Lists the ports of a schedule until the result is disposed of. */
  add(ports: () => readonly ListenPort[]): Disposable {
    this.#schedules.add(ports);
    return { [Symbol.dispose]: () => void this.#schedules.delete(ports) };
  }

  get isEmpty(): boolean {
    return this.#schedules.size === 0;
  }

  /** Each port once, those that close first standing first. */
  describe(): HopPortStatus[] {
    const found = new Map<number, HopPortStatus>();
    for (const { port, state, until } of [...this.#schedules].flatMap((ports) => ports())) {
      const other = found.get(port);
      found.set(port, {
        port,
        state: other?.state === "open" ? "open" : state,
        until: Math.max(other?.until ?? 0, until / 1000),
      });
    }
    return [...found.values()].sort((a, b) => a.until - b.until || a.port - b.port);
  }
}
