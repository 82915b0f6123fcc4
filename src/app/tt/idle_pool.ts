import { startClose } from "../../base/start_close.ts";
import type { Clock } from "../../contract/host.ts";
import type { Connection } from "../../contract/connection.ts";
import type { TtConnection } from "./tt_connection.ts";

/** Milliseconds; a server keeps idle ones longer, so that it seldom closes one about to be used. */
const KEPT_MS = 10_000;

const ONE = new Uint8Array(1);

/** Most connections that are kept: a browser's end together, and soon come again. */
const MOST = 64;

interface Idle {
  readonly connection: TtConnection;
  readonly since: number;
}

/** Idle connections for the next proxied connections of the same minute. */
export class IdlePool implements Disposable {
  readonly #clock: Clock;
  /** The one that has been idle longest comes first. */
  #idle: Idle[] = [];
  #timer: Disposable | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes ownership. A connection whose other end closes, or says something, is closed at once. */
  put(connection: TtConnection): void {
    if (!isQuiet(connection.socket)) return startClose(connection);
    const idle: Idle = { connection, since: this.#clock.now() };
    this.#idle.push(idle);
    connection.socket.onReadable(() => this.#drop(idle));
    if (this.#idle.length > MOST) this.dropOldest();
    this.#timer ??= this.#clock.after(KEPT_MS, this.#look);
  }

  /** Does nothing if the connection was taken meanwhile. */
  #drop(idle: Idle): void {
    const at = this.#idle.indexOf(idle);
    if (at >= 0) startClose(this.#idle.splice(at, 1)[0]!.connection);
  }

  dropOldest(): boolean {
    const oldest = this.#idle.shift();
    if (oldest !== undefined) startClose(oldest.connection);
    return oldest !== undefined;
  }

  /** The one used last, which the caller owns; null = none of that minute. */
  take(minute: number): TtConnection | null {
    for (let at = this.#idle.length - 1; at >= 0; at--) {
      const { connection } = this.#idle[at]!;
      if (!connection.isFlushed) continue; // an end frame is still under way
      this.#idle.splice(at, 1);
      if (connection.minute.keys.minute === minute && isQuiet(connection.socket)) return connection;
      startClose(connection);
    }
    return null;
  }

  clear(): void {
    for (const { connection } of this.#idle) startClose(connection);
    this.#idle = [];
  }

  readonly #look = (): void => {
    this.#timer = null;
    const oldest = this.#clock.now() - KEPT_MS;
    const left = this.#idle.findIndex(({ since }) => since > oldest);
    const old = this.#idle.splice(0, left < 0 ? this.#idle.length : left);
    for (const { connection } of old) startClose(connection);
    const [first] = this.#idle;
    if (first !== undefined) this.#timer = this.#clock.after(first.since - oldest, this.#look);
  };

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
    this.clear();
  }
}

function isQuiet(socket: Connection): boolean {
  try {
    return socket.readNow(ONE) === undefined;
  } catch {
    return false;
  }
}
