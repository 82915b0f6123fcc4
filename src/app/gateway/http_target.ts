import { onAbort } from "../../base/scope.ts";
import type { Logger } from "../../base/log.ts";
import type { Clock } from "../../contract/host.ts";
import type { Stream } from "../../contract/stream.ts";
import type { ExchangeTap } from "../../core/gateway/inspect/records.ts";
import type { HttpRequest, HttpResponse } from "../../core/http/exchange.ts";
import { SAFE_METHODS } from "../../core/http/methods.ts";
import type { RequestOrigin } from "../../core/http/framing/heads.ts";
import { ExchangeRelay, type ServerEnd } from "./exchange_relay.ts";
import type { TargetEnd, TargetEnds } from "./target_pool.ts";
import type { Asked } from "./gateway_pages.ts";
import { serveFramed } from "./serve_framed.ts";
import type { ServiceCounts } from "./service_counts.ts";
import { unheard } from "./unheard.ts";
import type { Page } from "./upstream.ts";

export interface HttpTargetOptions {
  readonly pool: TargetEnds;
  readonly clock: Clock;
  readonly scratch: Uint8Array;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Name of the service, for the log. */
  readonly name: string;
  /** Judges a request: returns the answer of this end, or how it goes on. */
  readonly enter: (head: HttpRequest, origin: RequestOrigin) => Page | Entry;
  /** Returns the answer as the visitor is to have it. */
  readonly respond: (head: HttpResponse, request: HttpRequest) => HttpResponse;
  readonly failure: (asked: Asked, words: string) => Page;
  readonly counts: ServiceCounts;
  /** Returns what is told of an exchange; absent = nothing is to be told. */
  readonly tap?: ((about: ExchangeAbout) => ExchangeTap) | undefined;
}

/** A request that is let in. */
export interface Entry {
  readonly kind: "pass";
  /** The request as the service is to have it. */
  readonly head: HttpRequest;
  /** Called once, at the end of the exchange. */
  readonly leave: () => void;
}

/** An exchange that begins. */
export interface ExchangeAbout extends RequestOrigin {
  /** The request as the service gets it. */
  readonly head: HttpRequest;
  /** False where it is answered here. */
  readonly isServed: boolean;
  /** Number of the exchange whose request is sent again; null = it is a visitor's. */
  readonly replayOf: number | null;
}

/** An agent's service of HTTP: passes requests that a gateway sends on to where they are answered. */
export class HttpTarget {
  readonly #o: HttpTargetOptions;

  constructor(o: HttpTargetOptions) {
    this.#o = o;
  }

  /** Serves a stream with one request. Owns it. */
  readonly serve = (stream: Stream): void => {
    serveFramed(stream, this.#o, ({ server, id, head, origin }) => {
      return new Exchange(this.#o, server, id, head, origin).relay;
    });
  };

  /** Sends the service a request that it has had before. Nobody hears the answer. */
  replay(
    head: HttpRequest,
    body: Uint8Array,
    { replayOf, ...origin }: RequestOrigin & { readonly replayOf: number },
  ): void {
    const { relay } = new Exchange(this.#o, unheard, 1, head, origin, replayOf);
    if (body.length > 0) relay.fromServer({ id: 1, kind: "data", bytes: body });
    relay.fromServer({ id: 1, kind: "end", trailers: [] });
  }
}

/** One request on its way to the service. */
class Exchange {
  readonly relay: ExchangeRelay;
  readonly #o: HttpTargetOptions;
  readonly #head: HttpRequest;
  readonly #id: string;
  readonly #visitor: string;
  readonly #over = new AbortController();
  readonly #tap: ExchangeTap | null;
  #leave: (() => void) | null = null;
  /** Of the last answer; 0 = there is none. */
  #status = 0;
  #connection: TargetEnd | null = null;

  constructor(
    o: HttpTargetOptions,
    server: ServerEnd,
    id: number,
    given: HttpRequest,
    origin: RequestOrigin,
    replayOf: number | null = null,
  ) {
    this.#o = o;
    o.counts.begin();
    this.relay = new ExchangeRelay(server, id, {
      respond: (head) => {
        const answer = o.respond(head, given);
        this.#status = answer.status;
        o.counts.answered();
        this.#tap?.response(answer);
        return answer;
      },
      passed: o.tap === undefined ? undefined : (of, bytes) => this.#tap?.data(of, bytes),
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
        this.#tap?.over();
        this.#leave?.();
        o.counts.end(this.#status, this.relay.bytes);
        const connection = this.#connection;
        this.#connection = null;
        // Steps of this very exchange are being done.
        if (connection !== null) o.clock.onTurn(() => void connection.release());
      },
    });
    this.#id = origin.requestId;
    this.#visitor = origin.visitor;
    const entered = replayOf === null ? o.enter(given, origin) : withoutCount(given);
    if ("body" in entered) {
      this.#head = given;
      this.#tap = o.tap?.({ ...origin, head: given, isServed: false, replayOf }) ?? null;
      this.#answer(entered);
      return;
    }
    const { head, leave } = entered;
    this.#leave = leave;
    this.#tap = o.tap?.({ ...origin, head, isServed: true, replayOf }) ?? null;
    this.#head = head;
    const kept = o.pool.take();
    if (kept === null) this.#dial();
    else this.#use(kept);
  }

  #use(connection: TargetEnd): void {
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
    pool.dial(stop.signal, this.#visitor).then((connection) => {
      if (stop.signal.aborted) connection.close();
      else this.#use(connection);
    }, (error) => {
      if (stop.signal.aborted) return;
      this.#fail(error instanceof Error ? error.message : String(error));
    }).finally(() => registrations.dispose());
  }

  #fail(words: string): void {
    const { log, name, failure, counts } = this.#o;
    log.warn("A request failed", { name, why: words });
    counts.failed(words);
    this.#answer(failure({ head: this.#head, id: this.#id }, words));
  }

  #answer({ head, body }: Page): void {
    this.#status = head.status;
    this.#tap?.response(head);
    this.relay.answer(head, body);
  }
}

/** A request that was let in before. */
function withoutCount(head: HttpRequest): Entry {
  return { kind: "pass", head, leave: () => {} };
}
