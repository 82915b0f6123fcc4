import { readU16, writeU16 } from "../../base/bytes.ts";
import { toTtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { startClose } from "../../base/start_close.ts";
import type { Connection } from "../../contract/connection.ts";
import { type DatagramPath, type Datagrams, noDatagrams } from "../../contract/datagrams.ts";
import type { Listener } from "../../contract/dial.ts";
import type { Clock } from "../../contract/host.ts";
import type { MaybePromise } from "../../contract/stream.ts";
import { truncatedAnswer, type Way } from "../../core/dns/server/answer.ts";
import { ResponseRate } from "../../core/dns/server/response_rate.ts";
import { runLoop, WOULD_BLOCK } from "../loop/ready_loop.ts";
import { read, write } from "../loop/stream_io.ts";
import { acceptLoop } from "../net/accept_loop.ts";
import { Quota } from "../net/connection_quota.ts";

/** Datagrams in a row after which others get a turn. */
const BUDGET = 64;

/** Bytes of the longest question that is read; those of resolvers have less than 300. */
const MOST_QUERY = 4096;

/** Bytes of datagrams that come at once. */
const MOST_RECEIVED = 65_536;

/** Questions over UDP whose answer waits for the store; more are dropped, and asked again. */
const MOST_WAITING = 256;

/** Connections in total, and of one address. */
const PLACES = { total: 256, perAddress: 16 };

/** Milliseconds in which a whole question has to come, and an answer to be taken (RFC 7766). */
const IDLE_MS = 10_000;

export interface DnsServerOptions {
  readonly sockets: readonly Datagrams[];
  readonly listeners: readonly Listener[];
  /** Returns the answer, which is null for what deserves none. Never throws or rejects. */
  readonly answer: (query: Uint8Array, way: Way) => MaybePromise<Uint8Array | null>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Answers questions of DNS over UDP and TCP. */
export class DnsServer {
  readonly #o: DnsServerOptions;
  readonly #rate = new ResponseRate();
  readonly #places = new Quota(PLACES);
  readonly #scratch = new Uint8Array(MOST_RECEIVED);
  #waiting = 0;
  #asked = 0;

  constructor(o: DnsServerOptions) {
    this.#o = o;
  }

  /** Questions so far. */
  get asked(): number {
    return this.#asked;
  }

  /** Runs until the signal aborts. @throws its reason; TtunError of a socket */
  async run(signal: AbortSignal): Promise<never> {
    const { sockets, listeners, clock, log } = this.#o;
    return await Promise.race([
      ...sockets.map((socket) => this.#serveDatagrams(socket)),
      ...listeners.map((listener) =>
        acceptLoop({
          ...{ listener, clock, log, signal, evictIdle: () => false },
          take: (stream) => {
            this.#serveStream(stream).catch((error) => {
              log.debug("A connection for DNS failed", { why: toTtunError(error).message });
            }).finally(() => startClose(stream));
          },
        })
      ),
    ]);
  }

  #serveDatagrams(socket: Datagrams): Promise<never> {
    const { clock } = this.#o;
    const onReady = (run: () => boolean | void) => socket.onReceivable(run);
    const got = noDatagrams();
    return runLoop<never>({ clock, budget: BUDGET, onReady }, () => {
      if (!socket.receiveNow(this.#scratch, got)) return WOULD_BLOCK;
      const { size, segment, path } = got;
      let count = 1;
      for (let at = 0; at < size && segment > 0; at += segment, count++) {
        const query = this.#scratch.subarray(at, Math.min(at + segment, size));
        this.#received(socket, query, path);
      }
      return count;
    });
  }

  /** The answer goes from the address that was asked. */
  #received(socket: Datagrams, query: Uint8Array, path: DatagramPath): void {
    const { clock, answer } = this.#o;
    const { host, port } = path.remote;
    const send = (bytes: Uint8Array | null) => {
      if (bytes !== null) socket.sendNow(bytes, bytes.length, path); // without room it is asked again
    };
    this.#asked++;
    if (port === 0 || query.length > MOST_QUERY) return;
    const verdict = this.#rate.allow(host, clock.now());
    if (verdict === "drop") return;
    if (verdict === "truncate") return send(truncatedAnswer(query));
    const answered = answer(query.slice(), "udp");
    if (!(answered instanceof Promise)) return send(answered);
    if (this.#waiting >= MOST_WAITING) return;
    this.#waiting++;
    // The socket may be closed by then, which ends the server by itself.
    void answered.then(send).catch(() => {}).finally(() => this.#waiting--); // it never rejects
  }

  async #serveStream(stream: Connection): Promise<void> {
    const { clock } = this.#o;
    using place = this.#places.take(stream.remote, {
      account: "",
      lastActive: clock.now(),
      evict: () => stream.reset(),
    });
    if (place === null) return stream.reset();
    for (;;) {
      using _deadline = clock.after(IDLE_MS, () => stream.reset());
      const head = new Uint8Array(2);
      if (!await fill(stream, head)) return;
      const size = readU16(head, 0);
      if (size > MOST_QUERY) return stream.reset();
      const query = new Uint8Array(size);
      if (!await fill(stream, query)) return;
      this.#asked++;
      const answer = await this.#o.answer(query, "tcp");
      if (answer === null) return;
      const framed = new Uint8Array(2 + answer.length);
      writeU16(framed, 0, answer.length);
      framed.set(answer, 2);
      await write(stream, framed);
    }
  }
}

/** Returns false if the client has ended before. */
async function fill(stream: Connection, bytes: Uint8Array): Promise<boolean> {
  for (let at = 0; at < bytes.length;) {
    const got = await read(stream, bytes.subarray(at));
    if (got === null) return false;
    at += got;
  }
  return true;
}
