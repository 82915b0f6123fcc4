import { onAbort } from "../../base/scope.ts";
import type { Logger } from "../../base/log.ts";
import type { Clock } from "../../contract/host.ts";
import type { Stream } from "../../contract/stream.ts";
import type { HttpRequest, HttpResponse, ServerStep } from "../../core/http/exchange.ts";
import { SAFE_METHODS } from "../../core/http/methods.ts";
import type { RequestOrigin } from "../../core/http/framing/heads.ts";
import { FramedServer } from "../../core/http/framing/server.ts";
import { ExchangeRelay, type ServerEnd } from "./exchange_relay.ts";
import { MachineDriver } from "./machine_driver.ts";
import type { TargetConnection, TargetPool } from "./target_pool.ts";
import type { Asked } from "./gateway_pages.ts";
import type { Page } from "./visitor.ts";

export interface HttpTargetOptions {
  readonly pool: TargetPool;
  readonly clock: Clock;
  readonly scratch: Uint8Array;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Name of the service, for the log. */
  readonly name: string;
  /** Returns the request as the service is to have it, or the answer of this end. */
  readonly request: (head: HttpRequest, origin: RequestOrigin) => HttpRequest | Page;
  /** Returns the answer as the visitor is to have it. */
  readonly respond: (head: HttpResponse, request: HttpRequest) => HttpResponse;
  readonly failure: (asked: Asked, words: string) => Page;
}

/** An agent's service of HTTP: passes requests that a gateway sends on to where they are answered. */
export class HttpTarget {
  readonly #o: HttpTargetOptions;

  constructor(o: HttpTargetOptions) {
    this.#o = o;
  }

  /** Serves a stream with one request. Owns it. */
  readonly serve = (stream: Stream): void => {
    const { clock, scratch } = this.#o;
    const machine = new FramedServer();
    let relay: ExchangeRelay | null = null;
    const driver: MachineDriver<ServerStep> = new MachineDriver(machine, stream, {
      clock,
      scratch,
      endMeansLeft: true,
      onStep: (step) => {
        if (step.kind !== "request") return relay?.fromServer(step);
        const origin = machine.origin!; // it comes with the request
        const server = { machine, driver };
        relay = new Exchange(this.#o, server, step.id, step.head, origin).relay;
      },
      onIdle: () => relay?.idle(),
      onOver: () => {},
    });
    driver.start();
  };
}

/** One request on its way to the service. */
class Exchange {
  readonly relay: ExchangeRelay;
  readonly #o: HttpTargetOptions;
  readonly #head: HttpRequest;
  readonly #id: string;
  readonly #over = new AbortController();
  #connection: TargetConnection | null = null;

  constructor(
    o: HttpTargetOptions,
    server: ServerEnd,
    id: number,
    given: HttpRequest,
    origin: RequestOrigin,
  ) {
    this.#o = o;
    this.relay = new ExchangeRelay(server, id, {
      respond: (head) => o.respond(head, given),
      failed: ({ code, words, mayRepeat }) => {
        const wasNew = this.#connection?.isNew !== false;
        this.#connection = null;
        const isSafe = code === "refused" ||
          (code === "unanswered" && SAFE_METHODS.has(this.#head.method));
        // The service has closed a connection that it had kept: it did not see the request.
        if (!wasNew && isSafe && mayRepeat) this.#dial();
        else this.#fail(words);
        return true;
      },
      over: () => {
        this.#over.abort();
        const connection = this.#connection;
        this.#connection = null;
        // Steps of this very exchange are being done.
        if (connection !== null) o.clock.onTurn(() => void connection.release());
      },
    });
    this.#id = origin.requestId;
    const head = o.request(given, origin);
    if ("body" in head) {
      this.#head = given;
      this.relay.answer(head.head, head.body);
      return;
    }
    this.#head = head;
    const kept = o.pool.take();
    if (kept === null) this.#dial();
    else this.#use(kept);
  }

  #use(connection: TargetConnection): void {
    this.#connection = connection;
    connection.use(this.relay);
    this.relay.attach(connection.end, this.#head);
  }

  #dial(): void {
    const { pool, signal } = this.#o;
    const stop = new AbortController();
    const registrations = new DisposableStack();
    for (const one of [signal, this.#over.signal]) {
      registrations.use(onAbort(one, () => stop.abort()));
    }
    pool.dial(stop.signal).then((connection) => {
      if (stop.signal.aborted) connection.close();
      else this.#use(connection);
    }, (error) => {
      if (stop.signal.aborted) return;
      this.#fail(error instanceof Error ? error.message : String(error));
    }).finally(() => registrations.dispose());
  }

  #fail(words: string): void {
    const { log, name, failure } = this.#o;
    log.warn("A request failed", { name, why: words });
    const page = failure({ head: this.#head, id: this.#id }, words);
    this.relay.answer(page.head, page.body);
  }
}
