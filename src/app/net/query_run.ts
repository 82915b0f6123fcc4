import { toTtunError, TtunError } from "../../base/errors.ts";
import type { HostPort } from "../../base/addr.ts";
import type { Clock } from "../../contract/host.ts";
import type { ConnectedDatagrams, DatagramDialer } from "../../contract/names.ts";
import type { Dialer } from "../../contract/dial.ts";
import type { Stream } from "../../contract/stream.ts";
import { MOST_MESSAGE } from "../../core/dns/message.ts";
import type { NameQuery, Outcome, QueryStep } from "../../core/dns/name_query.ts";
import { read, write } from "../loop/stream_io.ts";
import { dial } from "./dial_events.ts";

/** Datagrams read in one turn, since anybody near can send them. */
const TURN = 64;

/** Shared by all queries; longer datagrams are truncated. */
const room = new Uint8Array(4096);

export interface QueryMeans {
  readonly datagrams: DatagramDialer;
  readonly dialer: Dialer;
  readonly clock: Clock;
}

/**
 * Runs one query (core/dns/name_query.ts) on its own sockets; it numbers the `servers`.
 * @throws the signal's reason; {TtunError} exhausted
 */
export function runQuery(
  query: NameQuery,
  servers: readonly HostPort[],
  o: QueryMeans & { readonly signal: AbortSignal },
): Promise<Outcome> {
  return new Promise((resolve, reject) => new QueryRun(query, servers, o, resolve, reject).begin());
}

class QueryRun {
  readonly #query: NameQuery;
  readonly #servers: readonly HostPort[];
  readonly #o: QueryMeans;
  readonly #life = new AbortController();
  readonly #outer: AbortSignal;
  readonly #sockets = new Map<number, ConnectedDatagrams>();
  readonly #resolve: (outcome: Outcome) => void;
  readonly #reject: (error: unknown) => void;
  #timer: Disposable | null = null;

  constructor(
    query: NameQuery,
    servers: readonly HostPort[],
    o: QueryMeans & { readonly signal: AbortSignal },
    resolve: (outcome: Outcome) => void,
    reject: (error: unknown) => void,
  ) {
    this.#query = query;
    this.#servers = servers;
    this.#o = o;
    this.#outer = o.signal;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  begin(): void {
    if (this.#outer.aborted) return this.#fail(this.#outer.reason);
    this.#outer.addEventListener("abort", this.#onAbort);
    this.#perform(this.#query.begin(this.#now));
  }

  get #now(): number {
    return this.#o.clock.now();
  }

  readonly #onAbort = (): void => this.#fail(this.#outer.reason);

  #perform(steps: QueryStep[]): void {
    for (const step of steps) {
      if (this.#life.signal.aborted) return;
      switch (step.kind) {
        case "send":
          this.#send(step.socket, this.#servers[step.server]!, step.bytes);
          break;
        case "ask":
          this.#ask(step.exchange, this.#servers[step.server]!, step.bytes);
          break;
        case "wakeAt":
          this.#timer?.[Symbol.dispose]();
          this.#timer = this.#o.clock.after(Math.max(0, step.at - this.#now), this.#woke);
          break;
        case "done":
          this.#close();
          this.#resolve(step.outcome);
          break;
        default:
          step satisfies never;
      }
    }
  }

  readonly #woke = (): void => this.#perform(this.#query.woke(this.#now));

  #send(number: number, to: HostPort, bytes: Uint8Array<ArrayBuffer>): void {
    try {
      let socket = this.#sockets.get(number);
      if (socket === undefined) {
        socket = this.#o.datagrams.connect(to, { signal: this.#life.signal });
        this.#sockets.set(number, socket);
        socket.send(bytes);
        this.#listen(number, socket);
      } else socket.send(bytes);
    } catch (error) {
      this.#unreachable(number, error);
    }
  }

  #listen(number: number, socket: ConnectedDatagrams): void {
    socket.onReceivable(() => this.#receive(number, socket));
  }

  #receive(number: number, socket: ConnectedDatagrams): boolean {
    for (let left = TURN; !this.#life.signal.aborted; left--) {
      let size: number | undefined;
      try {
        size = left > 0 ? socket.receiveNow(room) : undefined;
      } catch (error) {
        if (this.#life.signal.aborted) return false;
        this.#unreachable(number, error);
        continue;
      }
      if (left === 0) {
        void this.#o.clock.onTurn(() => this.#receive(number, socket));
        return false;
      }
      if (size === undefined) {
        this.#listen(number, socket);
        return false;
      }
      this.#perform(this.#query.received(number, room.slice(0, size), this.#now));
    }
    return false;
  }

  /** Reports after the current steps, since the query must not be re-entered. */
  #unreachable(number: number, thrown: unknown): void {
    const error = toTtunError(thrown);
    if (error.kind === "exhausted") return this.#fail(error); // another server would not help
    Promise.resolve().then(() => {
      this.#perform(this.#query.unreachable(number, this.#now));
    }).catch((failure) => this.#fail(failure));
  }

  #ask(exchange: number, to: HostPort, bytes: Uint8Array): void {
    this.#exchange(to, bytes).catch(() => null).then((got) => {
      if (this.#life.signal.aborted) return;
      this.#perform(this.#query.receivedWhole(exchange, got, this.#now));
    }).catch((failure) => this.#fail(failure));
  }

  /** Each message follows its length (RFC 1035 section 4.2.2). Null: the answer is too long. */
  async #exchange(to: HostPort, bytes: Uint8Array): Promise<Uint8Array | null> {
    await using stream = await dial(this.#o.dialer, to, { signal: this.#life.signal });
    const framed = new Uint8Array(2 + bytes.length);
    framed[0] = bytes.length >>> 8;
    framed[1] = bytes.length;
    framed.set(bytes, 2);
    await write(stream, framed);
    const head = await readExactly(stream, 2);
    const length = (head[0]! << 8) | head[1]!;
    return length > MOST_MESSAGE ? null : await readExactly(stream, length);
  }

  #fail(error: unknown): void {
    this.#close();
    this.#reject(error);
  }

  #close(): void {
    if (this.#life.signal.aborted) return;
    this.#outer.removeEventListener("abort", this.#onAbort);
    this.#timer?.[Symbol.dispose]();
    // Closed one by one first, as an abort searches all descriptors.
    for (const socket of this.#sockets.values()) socket[Symbol.dispose]();
    this.#sockets.clear();
    this.#life.abort(new TtunError("lost", "The question is over"));
  }
}

async function readExactly(stream: Stream, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const got = await read(stream, bytes.subarray(at));
    if (got === null) throw new TtunError("lost", "The name server hung up");
    at += got;
  }
  return bytes;
}
