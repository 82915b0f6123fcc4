import { TtunError } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";
import type { Clock } from "../../contract/host.ts";
import type { MaybePromise, OnReady, Stream } from "../../contract/stream.ts";
import { DONE, ReadyLoop, WOULD_BLOCK } from "../loop/ready_loop.ts";
import { type Blocked, BlockedStreams, LOOK_MS, lossOf } from "./blocked.ts";
import { whenDelivered } from "./delivered.ts";
import { LINGER_MS, LingerLimit } from "./lingering_close.ts";
import type { ScratchBuffers } from "./scratch.ts";

/** Bytes without a wait after which other connections get a turn. */
const BUDGET = 1024 * 1024;

export interface RelayOptions {
  readonly clock: Clock;
  readonly scratch: ScratchBuffers;
  /** Milliseconds without a byte in either direction; Infinity = never. */
  readonly idleMs: number;
  /** Idle time-out once one direction has ended; undefined = `idleMs`. */
  readonly halfClosedMs?: number;
  /**
   * Aborts before the signals of the streams, which close them by FIN: both ends are reset, so that
   * a truncated transfer does not look complete.
   */
  readonly cut?: AbortSignal;
}

export interface RelayCount {
  /** Bytes from the first stream to the second. */
  up: number;
  down: number;
}

/** Why a relay ended before its streams did; null = both streams ended. */
export type RelayFailure = { readonly error: unknown } | null;

/** The relays of a proxy share timers and an abort listener, as many carry few bytes. */
export class Relays implements Disposable {
  readonly options: RelayOptions;
  readonly blocked: BlockedStreams;
  /** Bytes of all connections since the beginning. */
  readonly total: RelayCount = { up: 0, down: 0 };
  readonly #registration: Disposable | null;
  readonly #running: Relay[] = [];
  /** Runs, most often, while there is a relay. */
  #timer: Disposable | null = null;
  /**
   * Running relays of which one end is no longer read: only polling detects its reset. Counted, as a
   * Set that things come to and leave keeps them alive from one minor collection to the next.
   */
  #halfClosed = 0;
  #halfTimer: Disposable | null = null;

  constructor(o: RelayOptions) {
    this.options = o;
    this.blocked = new BlockedStreams(o.clock);
    this.#registration = o.cut === undefined ? null : onAbort(o.cut, (reason) => {
      for (const relay of [...this.#running]) relay.fail(reason);
    });
  }

  /** Adds bytes to a connection's count, and to that of all. */
  addUp(count: RelayCount, bytes: number): void {
    count.up += bytes;
    this.total.up += bytes;
  }

  addDown(count: RelayCount, bytes: number): void {
    count.down += bytes;
    this.total.down += bytes;
  }

  /** The program ends: what broke a relay is that. */
  get isCut(): boolean {
    return this.options.cut?.aborted === true;
  }

  /**
   * Carries bytes in both directions until both have ended; FIN is passed on as FIN, a reset as a
   * reset. If the second stream, the target's, fails, bytes that it sent before still reach the
   * first. The caller still has to close the streams. `onEnd` gets the error that broke either
   * stream (both are reset then) or the idle time-out. Both functions return true as OnReady does.
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

  /** Promise form of `start`; throws the error that ended the relay. */
  run(first: Stream, second: Stream, count: RelayCount = { up: 0, down: 0 }): Promise<void> {
    return new Promise((resolve, reject) => {
      this.start(first, second, count, (failure) => {
        if (failure === null) resolve();
        else reject(failure.error);
      });
    });
  }

  /** Called by a relay when its first direction has ended. */
  watch(): void {
    this.#halfClosed++;
    this.#halfTimer ??= this.options.clock.after(LOOK_MS, this.#lookAtHalfClosed);
  }

  readonly #lookAtHalfClosed = (): void => {
    const { clock, idleMs, halfClosedMs = idleMs } = this.options;
    const now = clock.now();
    for (const relay of this.#running.filter(({ isHalfClosed }) => isHalfClosed)) {
      const gone = relay.loss;
      if (gone !== null) relay.fail(gone);
      else if (now - relay.last >= halfClosedMs) {
        const words =
          "Closed a connection of which one way had ended, and the other one was idle " +
          `for ${halfClosedMs / 1000} s`;
        relay.fail(new TtunError("timeout", words));
      }
    }
    const isNeeded = this.#halfClosed > 0;
    this.#halfTimer = isNeeded ? clock.after(LOOK_MS, this.#lookAtHalfClosed) : null;
  };

  /** Called by the relay when it has ended. */
  forget(relay: Relay): void {
    this.#halfClosed--;
    const last = this.#running.pop()!;
    if (this.#running.length === 0) this.#watchNobody();
    if (last === relay) return;
    last.place = relay.place;
    this.#running[relay.place] = last;
  }

  /** At intervals: a timer per byte would cost more than the byte. */
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

  /** Relays that still run continue. */
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

class Relay {
  place: number;
  last: number;
  readonly count: RelayCount;
  readonly #relays: Relays;
  readonly #up: Way;
  readonly #down: Way;
  readonly #onEnd: (failure: RelayFailure) => boolean | void;
  /** `count.down` at the start, which may include bytes sent before the relay. */
  readonly #downBefore: number;
  #failure: RelayFailure = null;
  /** Why the second stream accepts no more data. */
  #refusal: RelayFailure = null;
  #isDownOver = false;
  /** The stream that has ended and is no longer read. */
  #finished: Stream | null = null;
  /** The second stream was reset; the reset of the first is still pending. */
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

  moved(way: Way, bytes: number): void {
    this.last = this.#relays.options.clock.now();
    if (way === this.#up) this.#relays.addUp(this.count, bytes);
    else this.#relays.addDown(this.count, bytes);
  }

  fail(error: unknown): void {
    if (this.#failure !== null) return;
    this.#failure = { error };
    this.#up.from.reset();
    this.#down.from.reset();
    this.#up.resume();
  }

  /**
   * Handles a failed write. A target that has closed may have said why before (RFC 9112 section
   * 9.5), so its answer is still read while data for it is discarded.
   */
  refused(way: Way, error: unknown): void {
    if (way === this.#down) return this.fail(error);
    this.#refusal ??= { error };
    if (this.#isDownOver) this.#linger(this.#refusal);
  }

  /** Handles a reset found during backpressure. */
  gone(way: Way, error: TtunError): void {
    if (way === this.#up) this.fail(error);
  }

  unreadable(way: Way, error: unknown): void {
    const isLost = error instanceof TtunError && error.kind === "lost";
    const isOurs = this.#failure !== null || !isLost;
    if (way === this.#up || isOurs || !this.#hasAnswered) return this.fail(error);
    // The target was reset after an answer. A client in the middle of sending gets time to read it,
    // but is not read meanwhile, lest it believe that its data arrives.
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

  /** The first stream has got all data and FIN; its further input is discarded. */
  #linger({ error }: { error: unknown }): void {
    if (this.#isCut) return;
    if (!this.#hasAnswered) return this.fail(error);
    this.#limit ??= new LingerLimit(this.#relays.options.clock, () => this.fail(error));
  }

  dropped(): void {
    this.#limit?.heard();
  }

  /** The stream that has ended is gone, so nothing more can come. */
  get loss(): TtunError | null {
    return this.#finished === null ? null : lossOf(this.#finished);
  }

  /** One way has ended: the streams are closed behind the end of the other. */
  get isHalfClosed(): boolean {
    return this.#ways === 1;
  }

  ended(way: Way): boolean | void {
    if (--this.#ways > 0) {
      this.#finished = way.from;
      this.last = this.#relays.options.clock.now(); // an end counts as activity
      this.#relays.watch();
      this.#isDownOver = way === this.#down;
      if (this.#isDownOver && this.#refusal !== null) this.#linger(this.#refusal);
      return true;
    }
    this.#limit?.[Symbol.dispose]();
    this.#relays.forget(this);
    return this.#onEnd(this.#failure);
  }
}

const NOTHING = new Uint8Array();

class Way extends ReadyLoop implements Blocked {
  readonly from: Stream;
  readonly #to: Stream;
  readonly #scratch: ScratchBuffers;
  readonly #blocked: BlockedStreams;
  readonly #relay: Relay;
  /** Input is discarded, since `to` accepts no more. */
  #drops = false;
  /** Reading pauses until this resolves. */
  #stalled: PromiseWithResolvers<number> | null = null;
  /** Bytes that `to` has not taken yet; none = it only waits for room. */
  #rest: Uint8Array | null = null;
  /** Read behind bytes that were still to be written: the end, or an error. */
  #hasEnded = false;
  #failure: RelayFailure = null;

  constructor(relays: Relays, relay: Relay, from: Stream, to: Stream) {
    super(relays.options.clock, BUDGET);
    this.#scratch = relays.options.scratch;
    this.#blocked = relays.blocked;
    this.#relay = relay;
    this.from = from;
    this.#to = to;
  }

  get isWriting(): boolean {
    return this.#rest !== null;
  }

  stall(): void {
    this.#stalled ??= Promise.withResolvers<number>();
  }

  resume(): void {
    this.#stalled?.resolve(0);
    this.#stalled = null;
  }

  protected step(): MaybePromise<number> {
    if (this.#rest !== null) return this.#write(this.#rest);
    if (this.#stalled !== null) return this.#stalled.promise;
    const ready = this.#drops ? null : this.from.peekNow?.() ?? null;
    if (ready !== null) return this.#pass(ready);
    const space = this.#drops ? null : this.#to.reserveNow?.() ?? null;
    if (space?.length === 0) return this.#block(space);
    const got = this.#read(space ?? this.#scratch.plain);
    if (got === undefined) return WOULD_BLOCK;
    if (got === null) return this.#end();
    if (this.#drops) {
      this.#relay.dropped();
      return got;
    }
    this.#relay.moved(this, got);
    try {
      if (space !== null) {
        this.#to.commit!(got);
        return this.#hasEnded ? this.#end() : got;
      }
      const bytes = this.#scratch.plainTo(got);
      const done = this.#to.writeNow(bytes, this.#hasEnded);
      if (done < got) return this.#block(bytes.slice(done));
      return this.#hasEnded ? this.#end() : got;
    } catch (error) {
      return this.#refused(error, got);
    }
  }

  /** Writes bytes that lie in the memory of `from`, where those that are left stay. */
  #pass(bytes: Uint8Array): number {
    const { from } = this;
    let done = bytes.length;
    try {
      done = this.#to.writeNow(bytes);
    } catch (error) {
      this.#relay.moved(this, done);
      from.consume!(done);
      return this.#refused(error, done);
    }
    if (done > 0) {
      this.#relay.moved(this, done);
      from.consume!(done);
    }
    return done < bytes.length ? this.#block(NOTHING) : done;
  }

  #block(rest: Uint8Array): number {
    this.#rest = rest;
    this.#blocked.add(this);
    return WOULD_BLOCK;
  }

  /** Reads as `Stream.readNow` does, and looks for the end, which then goes with the last bytes. */
  #read(into: Uint8Array): number | null | undefined {
    if (this.#failure !== null) throw this.#failure.error;
    if (this.#hasEnded) return null;
    const { from } = this;
    const got = from.readNow(into);
    if (!got || got === into.length || from.mayEnd !== true) return got;
    try {
      const more = from.readNow(into.subarray(got));
      this.#hasEnded = more === null;
      return got + (more ?? 0);
    } catch (error) {
      this.#failure = { error }; // thrown behind the bytes
      return got;
    }
  }

  #write(rest: Uint8Array): number {
    if (rest.length === 0) { // there is room again
      this.#unblock();
      return 0;
    }
    try {
      const done = this.#to.writeNow(rest);
      if (done < rest.length) {
        this.#rest = rest.subarray(done);
        return WOULD_BLOCK;
      }
      this.#unblock();
      return done;
    } catch (error) {
      this.#unblock();
      return this.#refused(error, rest.length);
    }
  }

  #unblock(): void {
    this.#rest = null;
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
      const ending = this.#to.closeWrite(this.#relay.isHalfClosed);
      if (!(ending instanceof Promise)) return DONE;
      return ending.then(() => DONE, (error) => this.#refused(error, DONE));
    } catch (error) {
      return this.#refused(error, DONE);
    }
  }

  protected onReady(run: OnReady): void {
    if (this.#rest === null) this.from.onReadable(run);
    else this.#to.onWritable(run);
  }

  protected ended(): boolean | void {
    return this.#relay.ended(this);
  }

  protected failed(error: unknown): void {
    this.#relay.unreadable(this, error);
    this.#relay.ended(this);
  }
}
