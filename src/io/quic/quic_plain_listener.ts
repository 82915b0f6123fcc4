import { TtunError } from "../../base/errors.ts";
import type { HostPort } from "../../base/addr.ts";
import type { Logger } from "../../base/log.ts";
import type { Connection } from "../../contract/connection.ts";
import { Lifetime } from "../net/lifetime.ts";
import { listenerClosed } from "../net/net_errors.ts";
import { bindQuic } from "./bind_quic.ts";
import type { QuicEvent, QuicServerEnd } from "./messages.ts";
import type { QuicHost } from "./quic_host.ts";
import { QuicStream, type StreamRings } from "./quic_stream.ts";
import { RingPool } from "./ring_pool.ts";

/** One connection of a client, as the engine has told of it. */
export interface PlainConnection {
  readonly local: HostPort;
  readonly remote: HostPort;
  /** Ends it with all of its streams. */
  abort(): void;
}

/** Calls for what comes of a connection. Nothing is called behind `ended`. */
export interface PlainEvents {
  /** The client has opened a stream, which the callee owns. */
  stream(stream: Connection): void;
  /** Bytes of the client's stream `id` of one direction. */
  oneWay(id: number, bytes: Uint8Array): void;
  oneWayEnded(id: number): void;
  ended(): void;
}

export interface PlainListenerOptions {
  readonly log: Logger;
  /** Streams live under it. */
  readonly signal: AbortSignal;
  /** Takes a connection; null = it is ended. */
  readonly accept: (connection: PlainConnection) => PlainEvents | null;
}

/** Listens for connections whose streams are each by itself, as those of HTTP/3. Borrows the host. */
export class QuicPlainListener implements AsyncDisposable {
  readonly addr: HostPort;
  readonly #host: QuicHost;
  readonly #o: PlainListenerOptions;
  readonly #life: Lifetime;
  readonly #pool = new RingPool();

  /** Listens; this thread waits until the port is bound. @throws {TtunError} in_use, usage, … */
  constructor(host: QuicHost, end: QuicServerEnd, o: PlainListenerOptions) {
    o.signal.throwIfAborted();
    this.#host = host;
    this.#o = o;
    const { id, addr } = bindQuic(host, end, (event) => this.#take(event));
    this.addr = addr;
    this.#life = new Lifetime(o.signal, () => {
      host.send({ kind: "unlisten", id });
      host.forget(id);
    });
  }

  /** Connections that there are go on. */
  // deno-lint-ignore require-await -- disposal of listeners is asynchronous elsewhere
  async [Symbol.asyncDispose](): Promise<void> {
    this.#life.end(listenerClosed());
  }

  #take(event: QuicEvent): boolean {
    if (event.kind === "plain") this.#begin(event);
    else if (event.kind === "refused") {
      this.#o.log.debug("QUIC handshake failed", { peer: event.peer, why: event.words });
    } else if (event.kind === "lost") {
      this.#life.end(new TtunError("internal", `QUIC's thread has failed: ${event.words}`));
    }
    return true;
  }

  #begin({ id, local, remote }: Extract<QuicEvent, { readonly kind: "plain" }>): void {
    const host = this.#host;
    const abort = () => host.send({ kind: "abort", id });
    const events = this.#o.accept({ local, remote, abort });
    if (events === null) return abort();
    const { signal } = this.#o;
    const rings = new Map<number, { hasOne: boolean; give: () => void }>();
    /** Both threads must be done with them. */
    const take = (stream: number): StreamRings => {
      const pair = this.#pool.take();
      const use = {
        hasOne: false,
        give: () => {
          if (use.hasOne) this.#pool.give(pair);
          use.hasOne = true;
        },
      };
      rings.set(stream, use);
      return { ...pair, release: use.give };
    };
    host.adopt(id, (event) => {
      switch (event.kind) {
        case "plain_stream": {
          const ends = { local, remote };
          events.stream(
            new QuicStream(host, event.stream, ends, { signal, rings: take(event.stream) }),
          );
          break;
        }
        case "over":
          rings.get(event.stream)?.give();
          rings.delete(event.stream);
          break;
        case "one_way":
          events.oneWay(event.stream, event.bytes);
          break;
        case "one_way_end":
          events.oneWayEnded(event.stream);
          break;
        case "lost":
          host.forget(id);
          events.ended();
      }
      return true;
    });
  }
}
