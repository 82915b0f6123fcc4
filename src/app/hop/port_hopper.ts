import { formatAddr, type HostPort } from "../../base/addr.ts";
import { type ErrorKind, toTtunError, TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { onAbort, type Scope } from "../../base/scope.ts";
import { startClose } from "../../base/start_close.ts";
import type { Clock } from "../../contract/host.ts";
import type { Listener } from "../../contract/dial.ts";
import type { Connection } from "../../contract/connection.ts";
import type { PortRange } from "../../base/port_range.ts";
import { formatPortRange } from "../../core/hop/port_range.ts";
import type { ListenSchedule, ListenStep } from "../../core/hop/schedule.ts";
import type { PortList } from "../../core/status/port_list.ts";
import { acceptLoop } from "../net/accept_loop.ts";

export interface HopperOptions {
  /** One for each key. A port that several want is opened once. `replace` changes them. */
  readonly schedules: readonly ListenSchedule[];
  /** Has the ports while they are listened on. */
  readonly portList?: PortList | undefined;
  /** If it is a single port that is taken, `run` fails instead of waiting. */
  readonly range: PortRange;
  readonly host: string;
  readonly listen: (at: HostPort, o: { signal: AbortSignal }) => Listener;
  readonly clock: Clock;
  readonly wallClock: () => number;
  readonly log: Logger;
  /** Takes ownership of the connection; must not throw. */
  readonly take: (stream: Connection, port: number) => void;
  /** Closes something when descriptors run out; returns false if there is nothing. */
  readonly evictIdle: () => boolean;
}

interface OpenPort {
  readonly listener: Listener;
  readonly owners: Set<ListenSchedule>;
}

/** Opens and closes a server's ports as the schedules say (core/hop/schedule.ts). */
export class PortHopper {
  readonly #o: HopperOptions;
  readonly #tasks: Scope;
  #schedules: readonly ListenSchedule[];
  /** Ends a pause. */
  #hurry: () => void = () => {};
  readonly #open = new Map<number, OpenPort>();
  /** The last failure's kind, by port; while it lasts, it is logged once. */
  readonly #failing = new Map<number, ErrorKind>();
  /** Warnings to be logged, unless the server fails with the error itself. */
  readonly #warnings: { readonly message: string; readonly minutes: string }[] = [];
  #firstError: TtunError | null = null;
  #said = "";

  constructor(tasks: Scope, o: HopperOptions) {
    this.#tasks = tasks;
    this.#o = o;
    this.#schedules = o.schedules;
  }

  /** Has these schedules alone; ports that none of them wants are closed at once. */
  replace(schedules: readonly ListenSchedule[]): void {
    const gone = this.#schedules.filter((one) => !schedules.includes(one));
    this.#schedules = schedules;
    for (const [port, { owners }] of [...this.#open]) {
      for (const one of gone) if (owners.has(one)) this.#close(one, port);
    }
    this.#hurry();
  }

  /** Runs until the signal aborts. @throws {TtunError} if no port can be opened at the beginning */
  async run(): Promise<never> {
    const { wallClock, portList } = this.#o;
    using _listed = portList?.add(() => this.#schedules.flatMap(({ ports }) => ports));
    for (;;) {
      const schedules = this.#schedules;
      for (const schedule of schedules) {
        for (const step of schedule.step(wallClock())) this.#do(schedule, step);
      }
      if (this.#open.size === 0 && this.#said === "") this.#failAtOnce();
      this.#say();
      const now = wallClock();
      const pause = Math.min(...schedules.map((schedule) => schedule.pause(now)));
      await this.#rest(pause);
    }
  }

  /** @throws the signal's reason */
  async #rest(ms: number): Promise<void> {
    const { signal } = this.#tasks;
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#hurry = resolve;
    using _timer = this.#o.clock.after(ms, resolve);
    using _registration = onAbort(signal, reject);
    await promise;
  }

  /** Ignores a port that is taken: it may be free soon, as may the next one. */
  #failAtOnce(): void {
    const error = this.#firstError;
    if (error !== null && (error.kind !== "in_use" || this.#isOnePort)) throw error;
  }

  get #isOnePort(): boolean {
    return this.#o.range.first === this.#o.range.last;
  }

  #say(): void {
    const schedules = this.#schedules;
    const known = new Set(schedules.flatMap(({ ports }) => ports.map(({ port }) => port)));
    for (const port of this.#failing.keys()) {
      if (!known.has(port)) this.#failing.delete(port);
    }
    const ports = schedules.map((schedule) => schedule.describe()).join("; ");
    const { log, range } = this.#o;
    for (const { message, minutes } of this.#warnings.splice(0)) log.warn(message, { minutes });
    if (this.#said === "") {
      log.info("listening; the firewall must let the whole range in", {
        ports,
        range: formatPortRange(range),
      });
    }
    if (ports !== this.#said) log.debug("ports", { open: ports });
    this.#said = ports;
  }

  #do(schedule: ListenSchedule, step: ListenStep): void {
    if (step.kind === "close") return this.#close(schedule, step.port);
    const { port } = step;
    const { host, listen, wallClock } = this.#o;
    try {
      let open = this.#open.get(port);
      if (open === undefined) {
        const listener = listen({ host, port }, { signal: this.#tasks.signal });
        open = { listener, owners: new Set() };
        this.#open.set(port, open);
        this.#tasks.spawn(() => this.#accept(listener, port));
      }
      open.owners.add(schedule);
      this.#failing.delete(port);
      schedule.bound(port, "open", wallClock());
    } catch (thrown) {
      const error = this.#listenError(toTtunError(thrown), port);
      this.#firstError ??= error;
      schedule.bound(port, error.kind === "in_use" ? "taken" : "failed", wallClock());
      if (this.#failing.get(port) !== error.kind) {
        this.#warnings.push({ message: error.message, minutes: step.minutes.join(",") });
      }
      this.#failing.set(port, error.kind);
    }
  }

  /** The user cannot choose the port, since it follows from the key. */
  #listenError(error: TtunError, port: number): TtunError {
    if (error.kind !== "in_use") return error;
    const where = formatAddr({ host: this.#o.host, port });
    const advice = this.#isOnePort
      ? "end that program, or give another --port-range, the same at both ends"
      : "clients take a port of the minutes beside it; it is tried again until it is free";
    return new TtunError(
      "in_use",
      `Cannot listen on ${where}: another program has the port; ${advice}`,
      { cause: error },
    );
  }

  #close(schedule: ListenSchedule, port: number): void {
    const open = this.#open.get(port);
    if (open === undefined) return;
    open.owners.delete(schedule);
    if (open.owners.size > 0) return;
    this.#open.delete(port);
    startClose(open.listener);
  }

  /** Connections stay open when their port closes. */
  async #accept(listener: Listener, port: number): Promise<void> {
    const { clock, log, take, evictIdle, wallClock } = this.#o;
    const { signal } = this.#tasks;
    try {
      await acceptLoop({
        listener,
        clock,
        log,
        signal,
        take: (stream) => take(stream, port),
        evictIdle,
      });
    } catch (thrown) {
      const open = this.#open.get(port);
      if (signal.aborted || open?.listener !== listener) return; // closed by this end
      this.#open.delete(port);
      await listener[Symbol.asyncDispose]();
      log.warn(toTtunError(thrown).message, { port });
      for (const schedule of open.owners) schedule.bound(port, "failed", wallClock());
    }
  }
}
