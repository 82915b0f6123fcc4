import type { HttpRequest, HttpResponse } from "../../http/exchange.ts";
import type { Field } from "../../http/fields.ts";
import { KeptBody } from "./kept_body.ts";

/** Bytes of all that is remembered, heads and bodies. */
const MOST_BYTES = 16 * 1024 * 1024;

/** Exchanges that are remembered. */
const MOST_EXCHANGES = 500;

/** Bytes of one body. */
const MOST_BODY = 128 * 1024;

/** Bytes that an exchange takes beside its texts, about. */
const OVERHEAD = 1024;

/** Facts about an exchange, known when its request has come. */
export interface ExchangeBeginning {
  /** Name of the service. */
  readonly service: string;
  readonly requestId: string;
  /** Address of the visitor's connection. */
  readonly visitor: string;
  /** The request as the service gets it. */
  readonly head: HttpRequest;
  /** False where it was refused here. */
  readonly isServed: boolean;
  /** Number of the exchange whose request was sent again; null = it is a visitor's. */
  readonly replayOf: number | null;
}

export interface RecordedExchange extends ExchangeBeginning {
  readonly id: number;
  /** Milliseconds since 1970. */
  readonly began: number;
  readonly requestBody: KeptBody;
  readonly responseBody: KeptBody;
  /** Null = there is none yet, or there was none. */
  readonly response: HttpResponse | null;
  /** Milliseconds from its beginning; null = it goes on. */
  readonly took: number | null;
}

/** Takes what comes of one exchange. Bytes are borrowed for the call. */
export interface ExchangeTap {
  /** `head`: interim ones too, of which the last counts. */
  response(head: HttpResponse): void;
  data(of: "request" | "response", bytes: Uint8Array): void;
  over(): void;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Remembers the newest exchanges of an agent, in bounded memory. */
export class ExchangeRecords {
  readonly #now: () => number;
  readonly #mostBytes: number;
  /** The oldest first. */
  readonly #all = new Map<number, { exchange: Writable<RecordedExchange>; bytes: number }>();
  readonly #watchers = new Set<(exchange: RecordedExchange) => void>();
  #bytes = 0;
  #lastId = 0;

  /** `now`: milliseconds since 1970. */
  constructor(now: () => number, mostBytes = MOST_BYTES) {
    this.#now = now;
    this.#mostBytes = mostBytes;
  }

  /** Bytes that are taken, about. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The oldest first. */
  get all(): RecordedExchange[] {
    return [...this.#all.values()].map(({ exchange }) => exchange);
  }

  get(id: number): RecordedExchange | null {
    return this.#all.get(id)?.exchange ?? null;
  }

  /** Has `told` called for each exchange that begins or changes, until it is disposed. */
  watch(told: (exchange: RecordedExchange) => void): Disposable {
    this.#watchers.add(told);
    return { [Symbol.dispose]: () => void this.#watchers.delete(told) };
  }

  begin(beginning: ExchangeBeginning): ExchangeTap {
    const began = this.#now();
    const exchange: Writable<RecordedExchange> = {
      ...beginning,
      id: ++this.#lastId,
      began,
      requestBody: new KeptBody(MOST_BODY),
      responseBody: new KeptBody(MOST_BODY),
      response: null,
      took: null,
    };
    const { id } = exchange;
    const { head } = beginning;
    this.#all.set(id, { exchange, bytes: 0 });
    this.#charge(id, OVERHEAD + head.path.length + head.authority.length + sizeOf(head.fields));
    this.#tell(exchange);
    return {
      response: (response) => {
        if (!this.#all.has(id)) return; // it is forgotten
        exchange.response = response;
        this.#charge(id, sizeOf(response.fields) + response.reason.length);
        this.#tell(exchange);
      },
      data: (of, bytes) => {
        if (!this.#all.has(id)) return;
        const body = of === "request" ? exchange.requestBody : exchange.responseBody;
        this.#charge(id, body.take(bytes));
      },
      over: () => {
        if (exchange.took !== null) return;
        exchange.took = this.#now() - began;
        this.#tell(exchange);
      },
    };
  }

  /** Forgets the oldest ones, where there is no room for all. */
  #charge(id: number, bytes: number): void {
    const entry = this.#all.get(id);
    if (entry === undefined) return;
    entry.bytes += bytes;
    this.#bytes += bytes;
    for (const [oldest, { bytes: freed }] of this.#all) {
      if (this.#bytes <= this.#mostBytes && this.#all.size <= MOST_EXCHANGES) return;
      this.#all.delete(oldest);
      this.#bytes -= freed;
    }
  }

  #tell(exchange: RecordedExchange): void {
    if (!this.#all.has(exchange.id)) return;
    for (const told of this.#watchers) told(exchange);
  }
}

function sizeOf(fields: readonly Field[]): number {
  return fields.reduce((sum, { name, value }) => sum + name.length + value.length + 32, 0);
}
