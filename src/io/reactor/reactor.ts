import { setImmediate } from "node:timers";
import { TtunError } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";
import type { Clock } from "../../contract/host.ts";
import type { OnReady } from "../../contract/stream.ts";
import {
  Epoll,
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLPRI,
  EPOLLRDHUP,
  WATCH_EDGES,
  WATCH_LEVEL,
} from "../../../ffi/linux/epoll.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import { BusyPoll } from "./busy_poll.ts";
import { DenoClock } from "./deno_clock.ts";
import { Timers } from "./timers.ts";

const END_EVENTS = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
const READ_EVENTS = EPOLLIN | END_EVENTS;
/** A read stops short of the peer's end, an error and TCP's urgent mark. */
const SHORT_EVENTS = END_EVENTS | EPOLLPRI;
const WRITE_EVENTS = EPOLLOUT | EPOLLHUP | EPOLLERR;

/**
 * Milliseconds that Deno's event loop waits for a turn, while all callbacks did their work
 * synchronously: a needless turn costs more than a packet. The loop of a thread that sleeps between
 * its events waits OWED_ASLEEP_MS, as it would have to be woken for a turn.
 */
const OWED_MS = 10;
const OWED_ASLEEP_MS = 1000;

/** A wait of more milliseconds for an event counts as sleep. */
const SLEPT_MS = 1;

/**
 * `blocking` waits in the thread itself, a dedicated Worker: least latency, but nothing of Deno's
 * own (timers, sockets, messages) runs meanwhile. `async` waits on a thread of Deno's pool.
 */
export type ReactorMode = "blocking" | "async";

/**
 * Descriptors are watched edge-triggered. Every operation first tries its system call and waits
 * only after EAGAIN: the call sees data of an earlier edge, and a later edge finds the waiter. No
 * event is lost in between because both happen in one thread. A level-triggered descriptor wakes
 * its reader for as long as there is input, so it may wait before EAGAIN.
 */
export class Reactor implements Clock, AsyncDisposable {
  readonly libc: Libc;
  readonly mode: ReactorMode;
  readonly #epoll: Epoll;
  readonly #denoClock = new DenoClock();
  readonly #timers = new Timers(() => performance.now());
  /** Descriptors by token; 0 is the wake-up eventfd. */
  readonly #watched: (Descriptor | null)[] = [null];
  readonly #free: number[] = [];
  /** Tokens that the current batch of events may still name; reusable after it. */
  readonly #freed: number[] = [];
  readonly #lives = new Map<AbortSignal, Lifetime>();
  /** Lifetime of the descriptor added last; the next one most often shares it. */
  #lastLife: Lifetime | null = null;
  readonly #ended = Promise.withResolvers<void>();
  /** Resolvers of `turn()`; the loop does not block while there are any. */
  #yielded: (() => void)[] = [];
  /** Callbacks of `onTurn`, which need no turn of Deno's event loop. */
  #yieldedCalls: OnReady[] = [];
  #onWake: () => void = () => {};
  #stopping = false;
  /** Time of the last wake-up: reading the clock costs as much as a small packet's header. */
  #now = performance.now();
  /** Something waits for a promise, which only continues in a turn of Deno's event loop. */
  #promised = false;

  readonly #busyPoll: BusyPoll | null;

  /**
   * With `busyPoll` the thread does not sleep between events at short intervals; on a machine of one
   * core it always does, as nobody else could make an event meanwhile.
   * @throws {NativeError} if epoll is unavailable or no descriptor is left
   */
  constructor(libc: Libc, mode: ReactorMode, o: { busyPoll?: boolean } = {}) {
    this.libc = libc;
    this.mode = mode;
    this.#busyPoll = o.busyPoll === true && navigator.hardwareConcurrency > 1
      ? new BusyPoll()
      : null;
    this.#epoll = new Epoll(libc);
    if (mode === "blocking") setImmediate(this.#blockingTurn);
    else void this.#asyncLoop(); // a loop that fails ends the program, as an exception in the other
  }

  /** Another thread wakes the loop by writing an 8-byte count to it. */
  get wakeFd(): number {
    return this.#epoll.wakeFd;
  }

  /** Runs in the loop's thread after each wake-up from outside. */
  set onWake(run: () => void) {
    this.#onWake = run;
  }

  /** Milliseconds. In blocking mode, the time of the loop's last wake-up or turn. */
  now(): number {
    return this.mode === "blocking" ? this.#now : performance.now();
  }

  after(ms: number, run: () => void): Disposable {
    if (this.mode === "blocking") return this.#timers.after(ms, run);
    return this.#denoClock.after(ms, run);
  }

  turn(): Promise<void> {
    if (this.mode === "async") return this.#denoClock.turn();
    return new Promise((resolve) => void this.#yielded.push(resolve));
  }

  onTurn(run: OnReady): void {
    if (this.mode === "async") this.#denoClock.onTurn(run);
    else this.#yieldedCalls.push(run);
  }

  /**
   * Takes ownership of a non-blocking descriptor. It is closed by `close`, by the signal's abort,
   * or with the reactor. `watch` (ffi/linux/epoll.ts) are its first events: an accepted socket can
   * be written to at once, and a level-triggered descriptor seldom waits to write.
   */
  own(
    fd: number,
    signal: AbortSignal,
    watch: number = WATCH_EDGES,
  ): Descriptor {
    const token = this.#free.pop() ?? this.#watched.push(null) - 1;
    const life = this.#life(signal);
    const descriptor = new Descriptor(this, this.#epoll, { fd, token, life, watch });
    this.#watched[token] = descriptor;
    try {
      signal.throwIfAborted();
      this.#epoll.add(fd, token, watch);
    } catch (error) {
      descriptor.close(() => error);
      throw error;
    }
    return descriptor;
  }

  /** Returns the state that all descriptors under a signal share, which saves registrations. */
  #life(signal: AbortSignal): Lifetime {
    const last = this.#lastLife;
    const known = last?.signal === signal && last.count > 0 ? last : this.#lives.get(signal);
    if (known !== undefined) {
      known.count++;
      return this.#lastLife = known;
    }
    const life: Lifetime = this.#lastLife = { signal, count: 1, registration: null };
    this.#lives.set(signal, life);
    if (!signal.aborted) {
      life.registration = onAbort(signal, (reason) => {
        for (const descriptor of this.#watched) {
          if (descriptor?.life === life) descriptor.close(() => reason);
        }
      });
    }
    return life;
  }

  /** Something waits for a microtask, and so for a turn of Deno's event loop. */
  oweTurn(): void {
    this.#promised = true;
  }

  /** Called by the descriptor when it is closed. */
  forget(token: number, life: Lifetime): void {
    this.#watched[token] = null;
    this.#freed.push(token);
    if (--life.count > 0) return;
    life.registration?.[Symbol.dispose]();
    this.#lives.delete(life.signal);
  }

  #visit(count: number): void {
    this.#epoll.each(count, this.#dispatch);
    while (this.#freed.length > 0) this.#free.push(this.#freed.pop()!);
  }

  readonly #dispatch = (token: number, events: number): void => {
    if (token === 0) {
      this.#promised = true;
      return this.#onWake();
    }
    const descriptor = this.#watched[token]; // null: closed earlier in this batch
    if (!descriptor) return;
    if ((events & SHORT_EVENTS) !== 0) descriptor.mayStopShort = true;
    if ((events & READ_EVENTS) !== 0 && descriptor.wakeReader()) this.#promised = true;
    if ((events & WRITE_EVENTS) !== 0 && descriptor.wakeWriter()) this.#promised = true;
  };

  /** Handles events until a promise has to continue, or a turn is owed to Deno's event loop. */
  readonly #blockingTurn = (): void => {
    if (this.#stopping) return this.#ended.resolve();
    this.#promised = false;
    this.#now = performance.now();
    /** Times of the first event since the last turn, and since the last sleep. */
    let owedSince = Infinity;
    let busySince = Infinity;
    for (;;) {
      const calls = this.#yieldedCalls.length;
      const isYielded = calls + this.#yielded.length > 0;
      const before = this.#now;
      const count = this.#wait(isYielded ? 0 : this.#timeout(before, owedSince));
      const now = this.#now = performance.now();
      this.#visit(count);
      if (this.#timers.fire(now)) this.#promised = true;
      if (calls > 0) this.#resume(calls);
      else if (count === 0) break;
      if (this.#promised || this.#stopping || this.#yielded.length > 0) break;
      if (owedSince === Infinity) owedSince = now;
      if (busySince === Infinity || now - before > SLEPT_MS) busySince = now;
      if (now - busySince >= OWED_MS || now - owedSince >= OWED_ASLEEP_MS) break;
    }
    const yielded = this.#yielded;
    if (yielded.length > 0) {
      this.#yielded = [];
      for (const resume of yielded) resume();
    }
    setImmediate(this.#blockingTurn); // lets the promises just resolved run first
  };

  /** Milliseconds until the next timer or the turn that is owed; -1 = for ever. */
  #timeout(now: number, owedSince: number): number {
    const timeout = this.#timers.untilNext(now);
    if (owedSince === Infinity) return timeout;
    const owed = Math.max(0, Math.ceil(owedSince + OWED_ASLEEP_MS - now));
    return timeout < 0 || timeout > owed ? owed : timeout;
  }

  /** Polls for the part below 1 ms, as epoll time-outs are whole milliseconds. */
  #wait(timeoutMs: number): number {
    const poll = this.#busyPoll;
    if (poll === null || timeoutMs === 0) return this.#epoll.wait(timeoutMs);
    const began = performance.now();
    const until = began + poll.budgetMs(began);
    for (let now = began; now < until;) {
      const count = this.#epoll.wait(0);
      if (count > 0) return count;
      const before = performance.now();
      this.libc.schedYield(); // lets another thread run first
      now = performance.now();
      if (poll.yielded(now - before, now)) break;
    }
    const count = this.#epoll.wait(timeoutMs);
    poll.waited(performance.now() - began);
    return count;
  }

  /** Callbacks added meanwhile wait for the next turn. */
  #resume(count: number): void {
    for (const run of this.#yieldedCalls.splice(0, count)) {
      if (run() !== true) this.#promised = true;
    }
  }

  async #asyncLoop(): Promise<void> {
    while (!this.#stopping) {
      // Events that are ready already need no other thread.
      let count = this.#epoll.wait(0);
      if (count === 0) count = await this.#epoll.waitAsync(-1);
      this.#visit(count);
      if (count > 0) await new Promise((resolve) => setImmediate(resolve));
    }
    this.#ended.resolve();
  }

  /** Closes every descriptor still owned. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stopping) return await this.#ended.promise;
    this.#stopping = true;
    this.#epoll.wake();
    await this.#ended.promise;
    const closed = () => new TtunError("lost", "Cannot go on: the reactor has been closed");
    for (const descriptor of this.#watched) descriptor?.close(closed);
    this.#epoll[Symbol.dispose]();
  }
}

/** State that all descriptors under one signal share. */
interface Lifetime {
  readonly signal: AbortSignal;
  count: number;
  registration: Disposable | null;
}

/** A descriptor on the reactor, with at most one waiting reader and one waiting writer. */
export class Descriptor {
  readonly fd: number;
  /** A read may return less than there is and has to be followed by another. */
  mayStopShort = false;
  /** Set by a read that emptied it: another would return EAGAIN. Cleared by the next event. */
  isEmpty = false;
  /** Its open file description stays open after the close, and must not be watched any more. */
  isShared = false;
  readonly life: Lifetime;
  readonly #reactor: Reactor;
  readonly #epoll: Epoll;
  readonly #token: number;
  /** `#isByLevel`: reading is level-triggered while there is a reader. */
  #watch: number;
  readonly #isByLevel: boolean;
  #onReadable: OnReady | null = null;
  #onWritable: OnReady | null = null;
  /** The close's reason, made on demand, as errors are expensive and rarely needed. */
  #reason: (() => unknown) | null = null;

  constructor(
    reactor: Reactor,
    epoll: Epoll,
    { fd, token, life, watch }: { fd: number; token: number; life: Lifetime; watch: number },
  ) {
    this.#reactor = reactor;
    this.#epoll = epoll;
    this.fd = fd;
    this.#token = token;
    this.life = life;
    this.#watch = watch;
    this.#isByLevel = watch === WATCH_LEVEL;
  }

  get closed(): boolean {
    return this.#reason !== null;
  }

  /** Must precede each system call: a closed number may be reused. @throws the close's reason */
  check(): void {
    if (this.#reason !== null) throw this.#reason();
  }

  /** Calls `run` once when writable or closed. Allowed only after EAGAIN. */
  onWritable(run: OnReady): void {
    this.check();
    this.#onWritable = run;
    this.#watchFor(WATCH_EDGES);
  }

  /** Calls `run` once when readable again or closed. Allowed only after EAGAIN. */
  onReadable(run: OnReady): void {
    this.check();
    this.#watchLevel();
    this.#onReadable = run;
  }

  /** Does nothing while a writer waits: writability is edge-triggered. */
  #watchLevel(): void {
    if (this.#isByLevel && this.#onWritable === null) this.#watchFor(WATCH_LEVEL);
  }

  #watchFor(watch: number): void {
    if (watch === this.#watch) return;
    this.#watch = watch;
    this.#epoll.change(this.fd, this.#token, watch);
  }

  /** Returns true if a promise continues, so that Deno's event loop needs a turn. */
  wakeReader(): boolean {
    this.isEmpty = false;
    const run = this.#onReadable;
    // A level-triggered event without a reader would repeat for ever.
    if (this.#isByLevel && run === null) this.#watchFor(WATCH_EDGES);
    this.#onReadable = null;
    return run !== null && run() !== true;
  }

  wakeWriter(): boolean {
    const run = this.#onWritable;
    this.#onWritable = null;
    return run !== null && run() !== true;
  }

  /** Waiting callbacks run in a microtask and get the reason from `check`. */
  close(reason: () => unknown): void {
    if (this.#reason !== null) return;
    this.#reason = reason;
    this.#reactor.forget(this.#token, this.life);
    if (this.isShared) this.#epoll.remove(this.fd);
    this.#reactor.libc.close(this.fd);
    this.#callSoon(this.#onReadable);
    this.#callSoon(this.#onWritable);
    this.#onReadable = this.#onWritable = null;
  }

  #callSoon(run: OnReady | null): void {
    if (run === null) return;
    this.#reactor.oweTurn();
    queueMicrotask(() => void run());
  }
}
