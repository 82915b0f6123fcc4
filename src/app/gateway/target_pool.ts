import type { Clock } from "../../contract/host.ts";
import type { Stream } from "../../contract/stream.ts";
import type { ClientStep, HttpClientMachine } from "../../core/http/exchange.ts";
import type { ClientEnd, ExchangeRelay } from "./exchange_relay.ts";
import { MachineDriver } from "./machine_driver.ts";

/** Connections that wait for another request. */
const MOST_IDLE = 32;

/** Milliseconds that one waits: less than most servers do. */
const IDLE_MS = 4_000;

export interface TargetPoolOptions {
  readonly clock: Clock;
  readonly scratch: Uint8Array;
  readonly makeMachine: () => HttpClientMachine;
  /** `visitor`: the address that the connection is for at first. */
  readonly dial: (signal: AbortSignal, visitor: string) => Promise<Stream>;
  /** Each connection is for one request: it has told whose that is. */
  readonly isOnce: boolean;
}

/** Connections to a service, which are used again. */
export class TargetPool implements Disposable {
  readonly #o: TargetPoolOptions;
  readonly #idle: TargetConnection[] = [];

  constructor(o: TargetPoolOptions) {
    this.#o = o;
  }

  /** Returns a connection that was used before; null = there is none. */
  take(): TargetConnection | null {
    for (let next = this.#idle.pop(); next !== undefined; next = this.#idle.pop()) {
      if (next.isFree && next.end.driver.probe()) return next;
    }
    return null;
  }

  /** Makes a new one. Throws as `dial`. */
  async dial(signal: AbortSignal, visitor: string): Promise<TargetConnection> {
    const stream = await this.#o.dial(signal, visitor);
    return new TargetConnection(stream, this.#o, (connection) => this.#release(connection));
  }

  #release(connection: TargetConnection): void {
    if (!connection.isFree) return;
    if (this.#o.isOnce || this.#idle.length >= MOST_IDLE) connection.close();
    else this.#idle.push(connection);
  }

  [Symbol.dispose](): void {
    for (const connection of this.#idle.splice(0)) connection.close();
  }
}

/** One connection to a service. */
export class TargetConnection {
  readonly end: ClientEnd;
  readonly #release: (connection: TargetConnection) => void;
  readonly #clock: Clock;
  #relay: ExchangeRelay | null = null;
  #timer: Disposable | null = null;
  #isNew = true;

  constructor(
    stream: Stream,
    { clock, scratch, makeMachine }: TargetPoolOptions,
    release: (connection: TargetConnection) => void,
  ) {
    this.#release = release;
    this.#clock = clock;
    const machine = makeMachine();
    const driver: MachineDriver<ClientStep> = new MachineDriver(machine, stream, {
      clock,
      scratch,
      onStep: (step) => this.#relay?.fromClient(step),
      onIdle: () => this.#relay?.idle(),
      onOver: () => this.#timer?.[Symbol.dispose](),
    });
    this.end = { machine, driver };
    driver.start();
  }

  /** No request has gone on it before. */
  get isNew(): boolean {
    return this.#isNew;
  }

  get isFree(): boolean {
    return !this.end.driver.isOver && this.end.machine.isFree;
  }

  /** Has the steps of an exchange come to this relay, until `release`. */
  use(relay: ExchangeRelay): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
    this.#relay = relay;
  }

  /** The exchange is over: the connection waits for another one, where it may. */
  release(): void {
    this.#relay = null;
    this.#isNew = false;
    if (this.isFree) this.#timer = this.#clock.after(IDLE_MS, () => this.close());
    this.#release(this);
  }

  close(): void {
    this.#timer?.[Symbol.dispose]();
    this.end.driver.fail();
  }
}
