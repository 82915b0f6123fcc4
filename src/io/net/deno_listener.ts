import type { Addr } from "../../base/addr.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Listener } from "../../contract/dial.ts";
import type { OnReady } from "../../contract/stream.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import { denoNetError } from "./deno_net_error.ts";
import { type DenoConn, DenoStream, inZone } from "./deno_stream.ts";
import { systemError } from "../deno_errors.ts";
import { Lifetime, Waiter } from "./lifetime.ts";
import { listenerClosed } from "./net_errors.ts";

type DenoAcceptor = Pick<Deno.TcpListener | Deno.TlsListener, "accept" | "addr" | "close">;

type Accepted = { conn: DenoConn } | { error: unknown };

/** Connections that an eager listener keeps for `acceptNow`. */
const MOST_WAITING = 128;

/** Accepts on one listener, or on one for each address family. */
export class DenoListener implements Listener {
  readonly addr: Addr;
  readonly #listeners: readonly DenoAcceptor[];
  readonly #libc: Libc | null;
  readonly #zone: string | null;
  readonly #life: Lifetime;
  readonly #acceptor = new Waiter();
  /** Listeners with an accept under way: Deno allows one at a time, and cannot cancel it. */
  readonly #busy = new Set<DenoAcceptor>();
  readonly #accepted: Accepted[] = [];
  readonly #isEager: boolean;

  /** `isEager`: accepts before anybody asks, as clients of TLS wait for their handshake. */
  constructor(
    listeners: readonly DenoAcceptor[],
    libc: Libc | null,
    signal: AbortSignal,
    zone: string | null,
    isEager = false,
  ) {
    this.#listeners = listeners;
    this.#zone = zone;
    this.#libc = libc;
    const { hostname, port } = listeners.at(-1)!.addr; // "::" if there are both families
    this.addr = { host: inZone(hostname, zone), port };
    this.#isEager = isEager;
    this.#life = new Lifetime(signal, () => this.#close());
    if (isEager && !signal.aborted) this.#acceptOnAll();
  }

  acceptNow(o: { signal: AbortSignal }): Connection | null {
    for (;;) {
      this.#life.check();
      o.signal.throwIfAborted();
      const accepted = this.#accepted.shift();
      if (accepted === undefined) return null;
      if ("conn" in accepted) {
        return new DenoStream(accepted.conn, this.#libc, o.signal, this.#zone);
      }
      if (!isPassing(accepted.error)) throw denoNetError(accepted.error, "accept", this.addr);
    }
  }

  /** Starts accepts, whose results are kept for `acceptNow`. */
  onAcceptable(run: OnReady): void {
    this.#life.check();
    this.#acceptor.set(run);
    if (this.#accepted.length > 0) return this.#acceptor.wakeSoon();
    this.#acceptOnAll();
  }

  #acceptOnAll(): void {
    for (const listener of this.#listeners) this.#acceptOn(listener);
  }

  #acceptOn(listener: DenoAcceptor): void {
    if (this.#busy.has(listener)) return;
    this.#busy.add(listener);
    listener.accept().then(
      (conn) => this.#keep(listener, { conn }),
      (error) => this.#keep(listener, { error }),
    );
  }

  #keep(listener: DenoAcceptor, accepted: Accepted): void {
    this.#busy.delete(listener);
    if (!this.#life.isOver) {
      this.#accepted.push(accepted);
      const mayGoOn = "conn" in accepted && this.#accepted.length < MOST_WAITING;
      if (this.#isEager && mayGoOn) this.#acceptOn(listener);
      this.#acceptor.wake();
    } else if ("conn" in accepted) accepted.conn.close();
  }

  #close(): void {
    for (const listener of this.#listeners) listener.close();
    for (const accepted of this.#accepted.splice(0)) {
      if ("conn" in accepted) accepted.conn.close();
    }
    this.#acceptor.wakeSoon();
  }

  // deno-lint-ignore require-await -- the contract's close is asynchronous elsewhere
  async [Symbol.asyncDispose](): Promise<void> {
    this.#life.end(listenerClosed());
  }
}

/** The connection was reset before it was accepted; the listener is still sound. */
function isPassing(thrown: unknown): boolean {
  const error = systemError(thrown, "accept");
  return error?.is("EPROTO", "ECONNABORTED", "ECONNRESET", "ENOTCONN") === true;
}
