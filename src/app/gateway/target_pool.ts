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

/** An end that answers one exchange, or several one after the other. */
export interface TargetEnd {
  readonly end: ClientEnd;
  /** No request has gone to it before. */
  readonly isNew: boolean;
  /** Has the steps of an exchange come to this relay, until `release`. */
  use(relay: ExchangeRelay): void;
  /** The exchange is over. */
  release(): void;
  close(): void;
}

/** Gives a service's ends. */
export interface TargetEnds {
  /** Returns one that is there; null = one is to be dialled. */
  take(): TargetEnd | null;
  /** `visitor`: the address that it is for at first. */
  dial(signal: AbortSignal, visitor: string): Promise<TargetEnd>;
}

/** Connections to a service, which are used again. */
export class TargetPool implements TargetEnds, Disposable {
  readonly #o: TargetPoolOptions;
  readonly #idle: TargetConnection[] = [];

  constructor(o: TargetPoolOptions) {
    this.#o = o;
  }

  /** Returns a connection that was used before; null = there is none. */
  take(): TargetConnection | null {
    for (let next = this.#idle.pop(); next !== undefined; next = this.#idle.pop()) {
      if (next.isFree && next.probe()) return next;
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
export class TargetConnection implements TargetEnd {
  readonly end: ClientEnd;
  readonly #driver: MachineDriver<ClientStep>;
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
    this.#driver = driver;
    this.end = { machine, driver };
    driver.start();
  }

  get isNew(): boolean {
    return this.#isNew;
  }

  get isFree(): boolean {
    return !this.#driver.isOver && this.end.machine.isFree;
  }

  /** Returns false if the service has ended it. */
  probe(): boolean {
    return this.#driver.probe();
  }

  use(relay: ExchangeRelay): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
    this.#relay = relay;
  }

  /** The connection waits for another exchange, where it may. */
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
