import type { Clock } from "../../contract/host.ts";
import type { Logger } from "../../base/log.ts";
import { type Target, targetText } from "../../base/target.ts";
import { addressGroup } from "../net/address_group.ts";
import type { PendingConnections } from "../net/pending_connections.ts";
import { startClose } from "../../base/start_close.ts";
import { ConnectError } from "../net/connect_error.ts";
import type { Admitted } from "./first_frame_reader.ts";
import type { ServedEvents } from "../net/served_events.ts";
import type { Holder } from "../net/connection_quota.ts";
import type { RelayCount } from "../net/relay.ts";
import type { StreamService } from "../net/stream_service.ts";
import type { TtConnection } from "./tt_connection.ts";
import type { TtStream } from "./tt_stream.ts";

/** Milliseconds; longer than a client keeps an idle connection. */
const IDLE_MS = 20_000;

/** Proxied connections in a row after which others get a turn. */
const TURN = 32;

export interface ServerConnectionHost extends StreamService {
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Idle connections; strangers are not counted among them. */
  readonly pending: PendingConnections;
}

/** Serves a client's proxied connections in turn, by callbacks (docs/wire/tt-v1.md, 7). */
export class ServerConnection implements ServedEvents, Holder {
  readonly #host: ServerConnectionHost;
  readonly #connection: TtConnection;
  readonly #admitted: Admitted;
  readonly #peer: string;
  readonly #over = Promise.withResolvers<void>();
  #stream: TtStream;
  #count = 0;
  /** Of the present proxied connection, like the next two. */
  #place: Disposable | null = null;
  #target: Target | null = null;
  #since = 0;
  /** While the connection is idle, like the next one. */
  #pending: Disposable | null = null;
  #deadline: Disposable | null = null;

  /** The connection stays the caller's. */
  constructor(
    host: ServerConnectionHost,
    connection: TtConnection,
    admitted: Admitted,
    peer: string,
  ) {
    this.#host = host;
    this.#connection = connection;
    this.#admitted = admitted;
    this.#peer = peer;
    this.#stream = connection.begin();
  }

  /** Settles when no other proxied connection can come. Never rejects: errors end it alone. */
  run(): Promise<void> {
    this.#serve(this.#admitted.text);
    return this.#over.promise;
  }

  #serve(first: Uint8Array): boolean {
    const { quota, clock, rejected, serve } = this.#host;
    this.#place = quota.take(this.#connection.socket.remote, this);
    if (this.#place === null) {
      rejected.warn("no place for another connection", { peer: this.#peer });
      this.#stream.reset();
      this.#over.resolve();
      return false;
    }
    this.#since = clock.now();
    this.#target = null;
    return serve(this.#stream, first, this);
  }

  onTarget(target: Target): void {
    this.#target = target;
    const { log } = this.#host;
    if (log.isDebug) log.debug("connect", { ...this.#who, target: targetText(target) });
  }

  get account(): string {
    return this.#admitted.account.name;
  }

  get lastActive(): number {
    return this.#stream.lastActive;
  }

  evict(): void {
    this.#host.rejected.info(
      "closed an idle connection: another account needs its place",
      this.#who,
    );
    this.#connection.socket.reset();
  }

  /** A key at an address, for the limit of log lines. */
  get owner(): string {
    return `${this.#admitted.account.name} ${addressGroup(this.#connection.socket.remote)}`;
  }

  get #who(): { peer: string; user?: string } {
    const { name } = this.#admitted.account;
    return name === "" ? { peer: this.#peer } : { peer: this.#peer, user: name };
  }

  onRefused(thrown: unknown): void {
    this.#host.tell(thrown, this.#peer, this.owner);
  }

  onFailure(error: unknown): void {
    this.#place?.[Symbol.dispose]();
    this.#end(error);
  }

  onEnd(count: RelayCount): boolean | void {
    this.#place?.[Symbol.dispose]();
    const { log, clock } = this.#host;
    if (log.isDebug) {
      const seconds = Math.round((clock.now() - this.#since) / 100) / 10;
      log.debug("done", { ...this.#who, target: targetText(this.#target), seconds, ...count });
    }
    if (!this.#stream.isOver) return this.#over.resolve();
    // Many proxied connections may be here already.
    if (++this.#count % TURN > 0) return this.#next();
    clock.onTurn(this.#next);
    return true;
  }

  readonly #next = (): boolean => {
    const { clock, pending } = this.#host;
    try {
      this.#stream = this.#connection.begin();
    } catch (error) {
      this.#end(error);
      return false;
    }
    this.#pending = pending.add(this.#connection.socket.remote, this.#close);
    this.#deadline = clock.after(IDLE_MS, this.#close);
    return this.#read();
  };

  /** Closes without a reset: bytes of the proxied connection before may not have arrived yet. */
  readonly #close = (): void => startClose(this.#connection.socket);

  readonly #read = (): boolean => {
    try {
      const { scratch } = this.#host;
      const got = this.#stream.readNow(scratch.plain);
      if (got === undefined) {
        this.#stream.onReadable(this.#read);
        return true;
      }
      this.#unwait();
      if (got !== null) return this.#serve(scratch.plainTo(got));
      this.#over.resolve();
    } catch (error) {
      this.#unwait();
      this.#end(error);
    }
    return false;
  };

  #unwait(): void {
    this.#pending?.[Symbol.dispose]();
    this.#deadline?.[Symbol.dispose]();
  }

  #end(error: unknown): void {
    // A target that cannot be reached has been logged.
    if (!this.#host.signal.aborted && !(error instanceof ConnectError)) {
      this.#host.tell(error, this.#peer, this.owner);
    }
    this.#over.resolve();
  }
}
