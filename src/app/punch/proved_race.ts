import { toTtunError, type TtunError } from "../../base/errors.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Meeting } from "../net/reach.ts";

/**
 * Runs the handshake on every connection that punching gives: the first whose other end has proved
 * the key wins, and the others are closed.
 */
export class ProvedRace<T> {
  readonly #meeting: Meeting<T>;
  readonly #running = new Set<Connection>();
  readonly #result = Promise.withResolvers<T>();
  #winner: Connection | null = null;
  #isOver = false;
  /** Why the last handshake has failed; null = none has. */
  failure: TtunError | null = null;
  #onIdle: (() => void)[] = [];

  constructor(meeting: Meeting<T>) {
    this.#meeting = meeting;
    this.#result.promise.catch(() => {}); // whoever waits for it hears of it
  }

  /** The winner's, or why its handshake has failed. */
  get result(): Promise<T> {
    return this.#result.promise;
  }

  get isRunning(): boolean {
    return this.#running.size > 0;
  }

  /** A connection has won; its handshake may still fail. */
  get hasWinner(): boolean {
    return this.#winner !== null;
  }

  /** Resolves when no handshake runs. */
  get idle(): Promise<void> {
    return new Promise((resolve) => {
      if (this.isRunning) this.#onIdle.push(resolve);
      else resolve();
    });
  }

  /** Takes ownership of a connection. */
  take(stream: Connection): void {
    if (this.#winner !== null || this.#isOver) return stream.reset();
    this.#running.add(stream);
    this.#meeting.meet(stream, () => this.#proved(stream)).then(
      (met) => this.#met(stream, met),
      (error) => this.#failed(stream, error),
    );
  }

  /** Closes all connections but the winner's. */
  end(): void {
    this.#isOver = true;
    for (const stream of this.#running) if (stream !== this.#winner) stream.reset();
  }

  #proved(stream: Connection): boolean {
    if (this.#isOver || this.#winner !== null) return this.#winner === stream;
    this.#winner = stream;
    for (const other of this.#running) if (other !== stream) other.reset();
    return true;
  }

  #met(stream: Connection, met: T): void {
    this.#left(stream);
    if (this.#winner === null) this.#proved(stream);
    if (this.#winner === stream) this.#result.resolve(met);
    else this.#meeting.discard(met);
  }

  #failed(stream: Connection, error: unknown): void {
    this.failure = toTtunError(error);
    if (this.#winner === stream) this.#result.reject(error);
    this.#left(stream);
  }

  #left(stream: Connection): void {
    this.#running.delete(stream);
    if (this.#running.size > 0) return;
    for (const run of this.#onIdle.splice(0)) run();
  }
}
