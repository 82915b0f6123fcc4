import type { Logger } from "../../base/log.ts";
import type { Clock } from "../../contract/host.ts";
import type { Stream } from "../../contract/stream.ts";
import type {
  ClientStep,
  HttpClientMachine,
  HttpRequest,
  HttpResponse,
  HttpServerMachine,
  ServerStep,
} from "../../core/http/exchange.ts";
import { SAFE_METHODS } from "../../core/http/methods.ts";
import { type ClientEnd, ExchangeRelay, type ServerEnd } from "./exchange_relay.ts";
import { MachineDriver } from "./machine_driver.ts";

/** Milliseconds for the next request, and for the rest of a head that has begun. */
const PATIENCE = { request: 75_000, head: 15_000 };

/** How often a request is passed to another end that answers. */
const MOST_TRIES = 3;

/** An answer in place of one by the service. */
export interface Page {
  readonly head: HttpResponse;
  readonly body: Uint8Array;
}

/** Where one request is answered: a stream to an agent, or to another node. */
export interface Upstream {
  /** The request as it goes there. */
  readonly head: HttpRequest;
  readonly stream: Stream;
  readonly machine: HttpClientMachine;
  /** Returns true if the other end has refused the stream, so that nothing was done. */
  readonly wasRefused: () => boolean;
  readonly respond: (head: HttpResponse) => HttpResponse;
}

/** Decides where one request goes. */
export interface Handling {
  /** Returns an upstream, another one at each call; or a page, where there is none. */
  next(): Upstream | Page | Promise<Upstream | Page>;
  /** Returns the page for a request on which all upstreams have failed. */
  failure(words: string): Page;
  /** Called once, at the end of the exchange. */
  over(facts: { status: number; requestBytes: number; responseBytes: number }): void;
}

export interface VisitorOptions {
  readonly machine: HttpServerMachine;
  readonly clock: Clock;
  readonly scratch: Uint8Array;
  readonly log: Logger;
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
    const { machine, clock, scratch } = o;
    const driver: MachineDriver<ServerStep> = new MachineDriver(machine, stream, {
      clock,
      scratch,
      patience: PATIENCE,
      endMeansLeft: true,
      onStep: (step) => {
        if (step.kind === "request") this.#begin(step.id, step.head);
        else this.#relays.get(step.id)?.fromServer(step);
      },
      onIdle: () => {
        for (const relay of this.#relays.values()) relay.idle();
      },
      onLate: () => driver.call(() => machine.timedOut()),
      onOver: over,
    });
    this.#driver = driver;
    this.#end = { machine, driver };
  }

  start(): void {
    this.#driver.start();
  }

  #begin(id: number, head: HttpRequest): void {
    const handling = this.#o.handle(head);
    let tries = 0;
    let status = 0;
    const page = ({ head, body }: Page) => {
      status = head.status;
      relay.answer(head, body);
      return true;
    };
    const next = (): boolean => {
      tries++;
      const found = handling.next();
      if (found instanceof Promise) found.then(go, (error) => go(handling.failure(String(error))));
      else go(found);
      return true;
    };
    const go = (found: Upstream | Page): void => {
      if ("body" in found) page(found);
      else if (relay.isOver) found.stream.reset(); // the visitor has left meanwhile
      else {
        current = found;
        this.#attach(relay, found);
      }
    };
    let current: Upstream | null = null;
    const relay = new ExchangeRelay(this.#end, id, {
      respond: (given) => {
        const answer = current?.respond(given) ?? given;
        status = answer.status;
        return answer;
      },
      failed: ({ code, words, mayRepeat }) => {
        const isUndone = code === "refused" || current?.wasRefused() === true;
        const isSafe = isUndone || (code === "unanswered" && SAFE_METHODS.has(head.method));
        if (isSafe && mayRepeat && tries < MOST_TRIES) return next();
        return page(handling.failure(words));
      },
      over: () => {
        this.#relays.delete(id);
        const { request: requestBytes, response: responseBytes } = relay.bytes;
        handling.over({ status, requestBytes, responseBytes });
      },
    });
    this.#relays.set(id, relay);
    next();
  }

  #attach(relay: ExchangeRelay, { head, stream, machine }: Upstream): void {
    const { clock, scratch } = this.#o;
    const driver: MachineDriver<ClientStep> = new MachineDriver(machine, stream, {
      clock,
      scratch,
      onStep: (step) => relay.fromClient(step),
      onIdle: () => relay.idle(),
      onOver: () => {},
    });
    const client: ClientEnd = { machine, driver };
    relay.attach(client, head);
    driver.start();
  }
}
