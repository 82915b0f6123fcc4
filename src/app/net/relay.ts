import { TtunError } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";
import type { Clock } from "../../contract/host.ts";
import type { MaybePromise, OnReady, Stream } from "../../contract/stream.ts";
import { DONE, ReadyLoop, WOULD_BLOCK } from "../loop/ready_loop.ts";
import { type Blocked, BlockedStreams, LOOK_MS, lossOf } from "./blocked.ts";
import { whenDelivered } from "./delivered.ts";
import { LINGER_MS, LingerLimit } from "./lingering_close.ts";
import type { ScratchBuffers } from "./scratch.ts";

/** After so many bytes without a wait the other connections have a turn. */
const BUDGET = 1024 * 1024;

/** What all relays of a proxy share. */
export interface RelayOptions {
  readonly clock: Clock;
  readonly scratch: ScratchBuffers;
  /** After so long without a byte either way both ends are closed; Infinity = never. */
  readonly idleMs: number;
  /** Silence after which it is closed once one way has ended; undefined = `idleMs`. */
  readonly halfClosedMs?: number;
  /**
   * Aborts before the signals that the streams live under, which close them by FIN: what ttun's own
   * end cuts off must not look like an end. Both ends are reset.
   */
  readonly cut?: AbortSignal;
}

/** Bytes that each way has carried. */
export interface RelayCount {
  /** From the first stream to the second. */
  up: number;
  down: number;
}

/** Why a relay has ended before its streams had; null = they had. */
export type RelayFailure = { readonly error: unknown } | null;

/** The relays of a proxy. One timer and one tie serve them all: a relay is there for few bytes, often. */
export class Relays implements Disposable {
  readonly options: RelayOptions;
  readonly blocked: BlockedStreams;
  readonly #registration: Disposable | null;
  readonly #running: Relay[] = [];
  /** There is one, most often, as long as there is a relay. */
  #timer: Disposable | null = null;
  /** Of which one way has ended, and nobody reads any more: nothing tells that this end is gone. */
  readonly #halfClosed = new Set<Relay>();
  #halfTimer: Disposable | null = null;

  constructor(o: RelayOptions) {
    this.options = o;
    this.blocked = new BlockedStreams(o.clock);
    this.#registration = o.cut === undefined ? null : onAbort(o.cut, (reason) => {
      for (const relay of [...this.#running]) relay.fail(reason);
    });
  }

  /**
   * Carries bytes both ways until both have ended, and each end on its own: FIN as FIN, a reset as a
   * reset of the other. The second stream is the target's: where it takes no more, or is reset, what
   * it has said before is still delivered to the first. The streams stay the caller's to close.
   * `onEnd` is told what broke either of them (both are reset then), or that it was idle. Both return
   * as `OnReady`.
   */
  start(
    first: Stream,
    second: Stream,
    count: RelayCount,
    onEnd: (failure: RelayFailure) => boolean | void,
  ): boolean {
    const relay = new Relay(this, this.#running.length, first, second, count, onEnd);
    this.#running.push(relay);
    const { cut, clock, idleMs } = this.options;
    if (idleMs < Infinity) this.#timer ??= clock.after(idleMs, this.#look);
    if (cut?.aborted) relay.fail(cut.reason);
    return relay.start();
  }

  /** The same by a promise. @throws what broke it */
  run(first: Stream, second: Stream, count: RelayCount = { up: 0, down: 0 }): Promise<void> {
    return new Promise((resolve, reject) => {
      this.start(first, second, count, (failure) => {
        if (failure === null) resolve();
        else reject(failure.error);
      });
    });
  }

  /** A relay's own, when its first way has ended. */
  watch(relay: Relay): void {
    this.#halfClosed.add(relay);
    this.#halfTimer ??= this.options.clock.after(LOOK_MS, this.#lookAtHalfClosed);
  }

  readonly #lookAtHalfClosed = (): void => {
    const { clock, idleMs, halfClosedMs = idleMs } = this.options;
    const now = clock.now();
    for (const relay of [...this.#halfClosed]) {
      const gone = relay.loss;
      if (gone !== null) relay.fail(gone);
      else if (now - relay.last >= halfClosedMs) {
        const words =
          "Closed a connection of which one way had ended, and the other one was idle " +
          `for ${halfClosedMs / 1000} s`;
        relay.fail(new TtunError("timeout", words));
      }
    }
    const isNeeded = this.#halfClosed.size > 0;
    this.#halfTimer = isNeeded ? clock.after(LOOK_MS, this.#lookAtHalfClosed) : null;
  };

  /** A relay's own, when it has ended. */
  forget(relay: Relay): void {
    this.#halfClosed.delete(relay);
    const last = this.#running.pop()!;
    if (this.#running.length === 0) this.#watchNobody();
    if (last === relay) return;
    last.place = relay.place;
    this.#running[relay.place] = last;
  }

  /** Looks now and then: a timer for each byte would cost more than the byte. */
  readonly #look = (): void => {
    this.#timer = null;
    const { clock, idleMs } = this.options;
    let next = Infinity;
    for (const relay of [...this.#running]) {
      const left = relay.last + idleMs - clock.now();
      if (left > 0) next = Math.min(next, left);
      else {
        const words = `Closed a connection that was idle for ${idleMs / 1000} s`;
        relay.fail(new TtunError("timeout", words));
      }
    }
    if (next < Infinity) this.#timer = clock.after(next, this.#look);
  };

  /** What still runs goes on without us. */
  [Symbol.dispose](): void {
    this.#registration?.[Symbol.dispose]();
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
    this.#watchNobody();
  }

  #watchNobody(): void {
    this.#halfTimer?.[Symbol.dispose]();
    this.#halfTimer = null;
    this.blocked[Symbol.dispose]();
  }
}

/** One relay: two ways, which end by themselves. */
class Relay {
  /** Where Relays has it. */
  place: number;
  /** When there was a byte. */
  last: number;
  readonly count: RelayCount;
  readonly #relays: Relays;
  readonly #up: Way;
  readonly #down: Way;
  readonly #onEnd: (failure: RelayFailure) => boolean | void;
  /** Of `count.down`, without what others have sent. */
  readonly #downBefore: number;
  #failure: RelayFailure = null;
  /** Why the second stream takes no more. */
  #refusal: RelayFailure = null;
  #isDownOver = false;
  /** The end of which nothing is read any more, since its way has ended. */
  #finished: Stream | null = null;
  /** The second stream was reset, which the first is still to be told. */
  #isCut = false;
  #limit: LingerLimit | null = null;
  #ways = 2;

  constructor(
    relays: Relays,
    place: number,
    first: Stream,
    second: Stream,
    count: RelayCount,
    onEnd: (failure: RelayFailure) => boolean | void,
  ) {
    const { clock } = relays.options;
    this.#relays = relays;
    this.place = place;
    this.last = clock.now();
    this.count = count;
    this.#downBefore = count.down;
    this.#up = new Way(relays, this, first, second);
    this.#down = new Way(relays, this, second, first);
    this.#onEnd = onEnd;
  }

  start(): boolean {
    const isUpDone = this.#up.go();
    return this.#down.go() && isUpDone;
  }

  /** A way has carried so much. */
  moved(way: Way, bytes: number): void {
    this.last = this.#relays.options.clock.now();
    if (way === this.#up) this.count.up += bytes;
    else this.count.down += bytes;
  }

  /** Resets both ends, which ends both ways. */
  fail(error: unknown): void {
    if (this.#failure !== null) return;
    this.#failure = { error };
    this.#up.from.reset();
    this.#down.from.reset();
    this.#up.goOn();
  }

  /**
   * A way could not write. A target that has closed may have said why before it did (RFC 9112 section
   * 9.5): that is still read, while what is for it is dropped.
   */
  refused(way: Way, error: unknown): void {
    if (way === this.#down) return this.fail(error);
    this.#refusal ??= { error };
    if (this.#isDownOver) this.#linger(this.#refusal);
  }

  /** A stream was reset while it was held back. What a target has said is still to be read. */
  gone(way: Way, error: TtunError): void {
    if (way === this.#up) this.fail(error);
  }

  /** A way could not read. */
  unreadable(way: Way, error: unknown): void {
    const isLost = error instanceof TtunError && error.kind === "lost";
    const isOurs = this.#failure !== null || !isLost;
    if (way === this.#up || isOurs || !this.#hasAnswered) return this.fail(error);
    // A reset behind what was said. Whoever is in the middle of sending gets the time to read it; he
    // is held back meanwhile, and must not think that what he sends arrives.
    this.#isCut = true;
    const isSending = this.#refusal !== null || this.#up.isWriting;
    this.#up.stall();
    const { clock } = this.#relays.options;
    const reset = () => whenDelivered(this.#up.from, clock, () => this.fail(error));
    if (isSending) clock.after(LINGER_MS, reset);
    else reset();
  }

  get #hasAnswered(): boolean {
    return this.count.down > this.#downBefore;
  }

  /** The first stream has had all, and its end; what it still sends goes nowhere. */
  #linger({ error }: { error: unknown }): void {
    if (this.#isCut) return;
    if (!this.#hasAnswered) return this.fail(error);
    this.#limit ??= new LingerLimit(this.#relays.options.clock, () => this.fail(error));
  }

  /** Bytes of the first stream were dropped. */
  dropped(): void {
    this.#limit?.heard();
  }

  /** Why there is no more to wait for: the end whose way is over has gone meanwhile. */
  get loss(): TtunError | null {
    return this.#finished === null ? null : lossOf(this.#finished);
  }

  ended(way: Way): boolean | void {
    if (--this.#ways > 0) {
      this.#finished = way.from;
      this.last = this.#relays.options.clock.now(); // an end is a sign of life
      this.#relays.watch(this);
      this.#isDownOver = way === this.#down;
      if (this.#isDownOver && this.#refusal !== null) this.#linger(this.#refusal);
      return true;
    }
    this.#limit?.[Symbol.dispose]();
    this.#relays.forget(this);
    return this.#onEnd(this.#failure);
  }
}

/** One way, from the first byte to FIN. */
class Way extends ReadyLoop implements Blocked {
  readonly from: Stream;
  readonly #to: Stream;
  readonly #scratch: ScratchBuffers;
  readonly #blocked: BlockedStreams;
  readonly #relay: Relay;
  /** Input is read and dropped, since `to` takes no more. */
  #drops = false;
  /** Nothing is read until it settles. */
  #stalled: PromiseWithResolvers<number> | null = null;
  /** A write waits. */
  isWriting = false;

  constructor(relays: Relays, relay: Relay, from: Stream, to: Stream) {
    super(relays.options.clock, BUDGET);
    this.#scratch = relays.options.scratch;
    this.#blocked = relays.blocked;
    this.#relay = relay;
    this.from = from;
    this.#to = to;
  }

  /** Reads nothing more, until `goOn`. */
  stall(): void {
    this.#stalled ??= Promise.withResolvers<number>();
  }

  goOn(): void {
    this.#stalled?.resolve(0);
    this.#stalled = null;
  }

  protected step(): MaybePromise<number> {
    if (this.#stalled !== null) return this.#stalled.promise;
    const got = this.from.readNow(this.#scratch.plain);
    if (got === undefined) return WOULD_BLOCK;
    if (got === null) return this.#end();
    if (this.#drops) {
      this.#relay.dropped();
      return got;
    }
    this.#relay.moved(this, got);
    try {
      const writing = pass(this.#to, this.#scratch.plainTo(got));
      return writing instanceof Promise ? this.#written(writing, got) : got;
    } catch (error) {
      return this.#refused(error, got);
    }
  }

  #written(writing: Promise<void>, got: number): Promise<number> {
    this.isWriting = true;
    this.#blocked.add(this);
    return writing.then(() => {
      this.#unblock();
      return got;
    }, (error) => {
      this.#unblock();
      return this.#refused(error, got);
    });
  }

  #unblock(): void {
    this.isWriting = false;
    this.#blocked.delete(this);
  }

  gone(error: TtunError): void {
    this.#relay.gone(this, error);
  }

  #refused(error: unknown, count: number): number {
    this.#drops = true;
    this.#relay.refused(this, error);
    return count;
  }

  #end(): MaybePromise<number> {
    if (this.#drops) return DONE;
    try {
      const ending = this.#to.closeWrite();
      if (!(ending instanceof Promise)) return DONE;
      return ending.then(() => DONE, (error) => this.#refused(error, DONE));
    } catch (error) {
      return this.#refused(error, DONE);
    }
  }

  protected onReady(run: OnReady): void {
    this.from.onReadable(run);
  }

  protected ended(): boolean | void {
    return this.#relay.ended(this);
  }

  protected failed(error: unknown): void {
    this.#relay.unreadable(this, error);
    this.#relay.ended(this);
  }
}

/** Writes bytes that are lent for this call only: what has to wait is copied. */
export function pass(to: Stream, bytes: Uint8Array): MaybePromise<void> {
  const done = to.writeNow(bytes);
  if (done < bytes.length) return to.write(bytes.slice(done));
}
