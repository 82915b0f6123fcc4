import { ProtocolError } from "../../base/errors.ts";
import type { Clock } from "../../contract/host.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Logger } from "../../base/log.ts";
import { type Target, targetText } from "../../base/target.ts";
import { FrameOpener, FrameSealer, MAX_RANDOM_SENT } from "../../core/tt/frame.ts";
import { minuteOf } from "../../core/tt/keys.ts";
import type { Peer } from "../../core/tt/mark.ts";
import type { RandomBlock } from "../../core/tt/random_pool.ts";
import { addressGroup, type HalfOpen } from "../net/half_open.ts";
import type { RateLimitedLog } from "../../base/rate_limited_log.ts";
import { startClose } from "../../base/start_close.ts";
import { ConnectError } from "../net/direct_outbound.ts";
import type { Admitted } from "./first_frame_reader.ts";
import type { ServedEvents } from "../net/served_events.ts";
import type { Holder, Quota } from "../net/connection_quota.ts";
import type { RelayCount } from "../net/relay.ts";
import type { ScratchBuffers } from "../net/scratch.ts";
import { TtStream } from "./tt_stream.ts";

/** How long a carrier whose connection is over is kept for the next: longer than a client keeps it. */
const IDLE_MS = 20_000;

/** After so many connections of a carrier the others have a turn. */
const TURN = 32;

/** What the carriers of a server share. */
export interface CarrierHost {
  readonly clock: Clock;
  readonly wallClock: () => number;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** The longest text of a frame; undefined = as long as the peer takes. */
  readonly mostText: number | undefined;
  readonly scratch: ScratchBuffers;
  readonly random: RandomBlock;
  readonly quota: Quota;
  /** Carriers that nobody uses: they make room for others, and no strangers are counted with them. */
  readonly pending: HalfOpen;
  /**
   * Serves one connection, which begins with `first` (lent for this call), as a listener on this host
   * serves a local program: what runs over a tt connection is the same SOCKS or HTTP that a program
   * speaks to its proxy. Returns as OnReady.
   */
  readonly serve: (stream: Connection, first: Uint8Array, events: ServedEvents) => boolean;
  readonly rejected: RateLimitedLog;
  /** Why something did not come about, or has ended: for the log. */
  readonly tell: (thrown: unknown, peer: string, owner: string) => void;
}

/**
 * A carrier whose client has shown the password: serves its connections, one behind the other
 * (docs/wire/tt-v1.md, 7). By callbacks, as SocksDriver is.
 */
export class ServerConnection implements ServedEvents, Holder {
  readonly #host: CarrierHost;
  readonly #stream: Connection;
  readonly #admitted: Admitted;
  readonly #peer: string;
  readonly #sealer: FrameSealer;
  readonly #opener: FrameOpener;
  readonly #over = Promise.withResolvers<void>();
  #text: TtStream;
  #count = 0;
  /** Of the connection at hand. */
  #place: Disposable | null = null;
  #target: Target | null = null;
  #since = 0;
  /** While there is none. */
  #pending: Disposable | null = null;
  #deadline: Disposable | null = null;

  /** Stream and keys stay the caller's. */
  constructor(host: CarrierHost, stream: Connection, admitted: Admitted, peer: string) {
    this.#host = host;
    this.#stream = stream;
    this.#admitted = admitted;
    this.#peer = peer;
    const { secrets } = admitted.minute;
    this.#sealer = new FrameSealer(secrets, host.random);
    this.#opener = new FrameOpener(secrets);
    const random = secrets.marker.markedRandom((length) => host.random.take(length));
    this.#text = this.#connection(random, admitted.rest);
  }

  /** Settles when no other connection can come. Never throws: what it meets is its own end only. */
  run(): Promise<void> {
    this.#serve(this.#admitted.text);
    return this.#over.promise;
  }

  /** The next connection, which begins so (lent for this call). */
  #serve(first: Uint8Array): boolean {
    const { quota, clock, rejected, serve } = this.#host;
    this.#place = quota.take(this.#stream.remote, this);
    if (this.#place === null) {
      rejected.warn("no place for another connection", { peer: this.#peer });
      this.#text.reset();
      this.#over.resolve();
      return false;
    }
    this.#since = clock.now();
    this.#target = null;
    return serve(this.#text, first, this);
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
    return this.#text.lastActive;
  }

  evict(): void {
    this.#host.rejected.info(
      "closed an idle connection: another account needs its place",
      this.#who,
    );
    this.#stream.reset();
  }

  /** A key at an address. */
  get owner(): string {
    return `${this.#admitted.account.name} ${addressGroup(this.#stream.remote)}`;
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
    if (!this.#text.isOver) return this.#over.resolve();
    // The next ones may all be there already.
    if (++this.#count % TURN > 0) return this.#next();
    clock.onTurn(this.#next);
    return true;
  }

  readonly #next = (): boolean => {
    const { clock, pending, random } = this.#host;
    try {
      const rest = this.#text.takeRest();
      this.#text = this.#connection(random.take(MAX_RANDOM_SENT), rest, this.#onFirst);
    } catch (error) {
      this.#end(error);
      return false;
    }
    this.#pending = pending.add(this.#stream.remote, this.#close);
    this.#deadline = clock.after(IDLE_MS, this.#close);
    return this.#read();
  };

  /** Closed, not reset: what the connection before has sent may not have arrived yet. */
  readonly #close = (): void => startClose(this.#stream);

  /** Waits for what the next connection begins with. */
  readonly #read = (): boolean => {
    try {
      const { scratch } = this.#host;
      const got = this.#text.readNow(scratch.plain);
      if (got === undefined) {
        this.#text.onReadable(this.#read);
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
    // Why there is no target has been told.
    if (!this.#host.signal.aborted && !(error instanceof ConnectError)) {
      this.#host.tell(error, this.#peer, this.owner);
    }
    this.#over.resolve();
  }

  readonly #onFirst = (random: Uint8Array): Peer => {
    const { account, minute, peer } = this.#admitted;
    const now = minuteOf(this.#host.wallClock());
    const verdict = account.nonces.noteReceived(minute.keys, random, now);
    if (verdict === "new") return peer;
    throw new ProtocolError(`Cannot serve another connection: its first frame is ${verdict}`);
  };

  #connection(
    firstRandom: Uint8Array,
    rest: Uint8Array | undefined,
    onFirst?: (random: Uint8Array) => Peer,
  ): TtStream {
    const { wallClock, mostText, clock, scratch } = this.#host;
    const { account, minute, peer } = this.#admitted;
    account.nonces.noteSent(minute.keys, firstRandom, minuteOf(wallClock()));
    return new TtStream({
      rest,
      onFirst,
      stream: this.#stream,
      sealer: this.#sealer,
      opener: this.#opener,
      scratch,
      clock,
      firstRandom,
      peer,
      mostText,
    });
  }
}
