import type { Logger } from "../../base/log.ts";
import { onAbort } from "../../base/scope.ts";
import type { Clock } from "../../contract/host.ts";
import type { Stream } from "../../contract/stream.ts";
import type {
  ClientStep,
  HttpRequest,
  HttpServerMachine,
  ServerStep,
} from "../../core/http/exchange.ts";
import { SAFE_METHODS } from "../../core/http/methods.ts";
import { type ClientEnd, ExchangeRelay, type ServerEnd } from "./exchange_relay.ts";
import { MachineDriver } from "./machine_driver.ts";
import type { Ticker } from "./ticker.ts";
import type { Handling, Page, Upstream } from "./upstream.ts";
import { UpstreamRace } from "./upstream_race.ts";

/** Milliseconds for the next request, and for the rest of a head that has begun. */
const PATIENCE = { request: 75_000, head: 15_000 };

/** Milliseconds until idle connections are closed, when no further requests are taken. */
export const DRAIN_MS = 1_000;

export interface VisitorOptions {
  /** The visitor's end of the stream means that he has left, as in HTTP/1 and 2. */
  readonly endMeansLeft: boolean;
  readonly machine: HttpServerMachine;
  readonly clock: Clock;
  readonly ticker: Ticker;
  readonly scratch: Uint8Array;
  readonly log: Logger;
  /** Aborts when no further requests are taken. */
  readonly draining: AbortSignal;
  /** Milliseconds for which nothing is read behind a head: it costs more than it may. */
  readonly pauseFor: (head: HttpRequest) => number;
  readonly handle: (head: HttpRequest) => Handling;
}

/** Serves one connection of HTTP, passing each request on; resolves at its end. Owns the stream. */
export function serveVisitor(stream: Stream, o: VisitorOptions): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  new Visitor(stream, o, resolve).start();
  return promise;
}

class Visitor {
  readonly #o: VisitorOptions;
  readonly #end: ServerEnd;
  readonly #driver: MachineDriver<ServerStep>;
  readonly #relays = new Map<number, ExchangeRelay>();

  constructor(stream: Stream, o: VisitorOptions, over: () => void) {
    this.#o = o;
    const { machine, clock, scratch, draining } = o;
    const driver: MachineDriver<ServerStep> = new MachineDriver(machine, stream, {
      clock,
      scratch,
      patience: PATIENCE,
      endMeansLeft: o.endMeansLeft,
      onStep: (step) => {
        if (step.kind === "request") this.#begin(step.id, step.head);
        else this.#relays.get(step.id)?.fromServer(step);
      },
      onIdle: () => {
        for (const relay of this.#relays.values()) relay.idle();
      },
      onLate: () => driver.call(() => machine.timedOut()),
      onOver: () => {
        drains[Symbol.dispose]();
        over();
      },
    });
    this.#driver = driver;
    this.#end = { machine, driver };
    const drain = () => driver.call(() => machine.drain());
    // A request that is on its way to an idle connection is answered.
    const drains = onAbort(draining, () => {
      if (machine.waitsFor === "request") clock.after(DRAIN_MS, drain);
      else drain();
    });
  }

  start(): void {
    this.#driver.start();
  }

  #begin(id: number, head: HttpRequest): void {
    const { clock, ticker, pauseFor } = this.#o;
    this.#driver.pause(pauseFor(head));
    const handling = this.#o.handle(head);
    const isSafe = SAFE_METHODS.has(head.method);
    let status = 0;
    let current: Upstream | null = null;
    const answer = ({ head, body }: Page) => {
      status = head.status;
      relay.answer(head, body);
    };
    const relay = new ExchangeRelay(this.#end, id, {
      respond: (given) => {
        const answer = current?.respond(given) ?? given;
        status = answer.status;
        if (status >= 200 || status === 101) race.end();
        return answer;
      },
      failed: ({ code, words, mayRepeat }) => {
        const isUndone = code === "refused" || current?.opening.state === "refused";
        if (mayRepeat && (isUndone || (code === "unanswered" && isSafe))) race.failed(words);
        else {
          race.end();
          answer(handling.failure(words));
        }
        return true;
      },
      over: () => {
        race.end();
        this.#relays.delete(id);
        const { request: requestBytes, response: responseBytes } = relay.bytes;
        handling.over({ status, requestBytes, responseBytes });
      },
    });
    const race = new UpstreamRace({
      ...{ handling, clock, ticker, isSafe, answer },
      mayMove: () => relay.mayMove,
      attach: (upstream) => {
        current = upstream;
        this.#attach(relay, upstream);
      },
      detach: () => relay.detach(),
    });
    this.#relays.set(id, relay);
    race.start();
  }

  #attach(relay: ExchangeRelay, { head, stream, machine }: Upstream): void {
    const { clock, scratch } = this.#o;
    const driver: MachineDriver<ClientStep> = new MachineDriver(machine, stream, {
      clock,
      scratch,
      onStep: (step) => {
        if (relay.client === client) relay.fromClient(step);
      },
      onIdle: () => {
        if (relay.client === client) relay.idle();
      },
      onOver: () => {},
    });
    const client: ClientEnd = { machine, driver };
    relay.attach(client, head);
    driver.start();
  }
}
