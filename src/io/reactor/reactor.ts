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
/** There is something that a read stops before: the peer's end, an error, TCP's urgent mark. */
const SHORT_EVENTS = END_EVENTS | EPOLLPRI;
const WRITE_EVENTS = EPOLLOUT | EPOLLHUP | EPOLLERR;

/**
 * While only callbacks ran that have done everything, Deno's event loop waits so long for its turn.
 * Where packets come one by one, waking up in between for nothing makes the next one late.
 */
const OWED_MS = 10;

/**
 * How the loop waits. `blocking`: in the thread itself, for a Worker that has nothing else to do:
 * least latency, but nothing of Deno's own (timers, sockets, messages) runs meanwhile.
 * `async`: on a thread of Deno's pool, so that the event loop goes on.
 */
export type ReactorMode = "blocking" | "async";

/**
 * One loop that waits for many descriptors at once, and the clock of whoever runs on it.
 *
 * Descriptors are watched edge triggered. Every operation first tries its system call and waits
 * here only after EAGAIN: an edge that came before is then seen by the call, one that comes after
 * finds the waiter. Nothing is lost between the two because both happen in one thread. A descriptor
 * that is watched by level wakes its reader for as long as there is something: it may wait before
 * EAGAIN.
 */
export class Reactor implements Clock, AsyncDisposable {
  readonly libc: Libc;
  readonly mode: ReactorMode;
  readonly #epoll: Epoll;
  readonly #denoClock = new DenoClock();
  readonly #timers = new Timers(() => performance.now());
  /** By token. 0 is the wake-up's. */
  readonly #watched: (Descriptor | null)[] = [null];
  readonly #free: number[] = [];
  /** Tokens that a batch of events may still name: free when it has been dealt with. */
  readonly #freed: number[] = [];
  readonly #lives = new Map<AbortSignal, Lifetime>();
  /** That of the one which was owned last: most often of the next one as well. */
  #lastLife: Lifetime | null = null;
  readonly #ended = Promise.withResolvers<void>();
  /** Who let the others run first; the wait must not block while there is one. */
  #yielded: (() => void)[] = [];
  /** The same without promises: they need no turn of Deno's event loop either. */
  #yieldedCalls: OnReady[] = [];
  #onWake: () => void = () => {};
  #stopping = false;
  /** Asking for the time costs as much as a small packet's header: once for each wake-up. */
  #now = performance.now();
  /** Somebody waits who goes on only when the event loop has had its turn. */
  #promised = false;

  readonly #busyPoll: BusyPoll | null;

  /**
   * `busyPoll`: where events come at short intervals the thread does not sleep between them.
   * @throws {NativeError} where there is no epoll or no descriptor left.
   */
  constructor(libc: Libc, mode: ReactorMode, o: { busyPoll?: boolean } = {}) {
    this.libc = libc;
    this.mode = mode;
    this.#busyPoll = o.busyPoll === true ? new BusyPoll() : null;
    this.#epoll = new Epoll(libc);
    if (mode === "blocking") setImmediate(this.#blockingTurn);
    else this.#asyncLoop();
  }

  /** Another thread that writes an 8-byte count to this eventfd wakes the loop. */
  get wakeFd(): number {
    return this.#epoll.wakeFd;
  }

  /** What to do in the loop's thread after each wake-up from outside. */
  set onWake(run: () => void) {
    this.#onWake = run;
  }

  /** Where the loop waits in this thread: when it last woke up, or had its turn. */
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
   * Takes over a non-blocking descriptor: it is watched from now on, and closed by `close`, by
   * the signal's abort, or with the reactor. `watch` (ffi/linux/epoll.ts): what is waited for first; what
   * was accepted has room to write, and what is read by level is seldom written to in vain.
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

  /** One tie for all descriptors under a signal: each would come and go with its connection. */
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

  /** A descriptor's own, when it is closed. */
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
    const descriptor = this.#watched[token]; // null: closed earlier in this same batch
    if (!descriptor) return;
    if ((events & SHORT_EVENTS) !== 0) descriptor.mayStopShort = true;
    if ((events & READ_EVENTS) !== 0 && descriptor.wakeReader()) this.#promised = true;
    if ((events & WRITE_EVENTS) !== 0 && descriptor.wakeWriter()) this.#promised = true;
  };

  /**
   * Waits and wakes. A turn of Deno's event loop costs more than a packet: while nobody is woken
   * but callbacks it goes round by itself, for a while.
   */
  readonly #blockingTurn = (): void => {
    if (this.#stopping) return this.#ended.resolve();
    this.#promised = false;
    this.#now = performance.now();
    let owedUntil = Infinity;
    for (;;) {
      const calls = this.#yieldedCalls.length;
      const isYielded = calls + this.#yielded.length > 0;
      const timeout = isYielded ? 0 : this.#timers.untilNext(this.#now);
      const isOwed = owedUntil < Infinity;
      const count = this.#wait(isOwed && (timeout < 0 || timeout > OWED_MS) ? OWED_MS : timeout);
      this.#now = performance.now();
      this.#visit(count);
      if (this.#timers.fire(this.#now)) this.#promised = true;
      if (calls > 0) this.#resume(calls);
      else if (count === 0) break;
      if (this.#promised || this.#stopping || this.#yielded.length > 0) break;
      if (!isOwed) owedUntil = this.#now + OWED_MS;
      else if (this.#now >= owedUntil) break;
    }
    const yielded = this.#yielded;
    if (yielded.length > 0) {
      this.#yielded = [];
      for (const resume of yielded) resume();
    }
    setImmediate(this.#blockingTurn); // lets the promises just resolved run, then comes back
  };

  /** As epoll's, whose timeouts are whole milliseconds: a look before takes less than one. */
  #wait(timeoutMs: number): number {
    const poll = this.#busyPoll;
    if (poll === null || timeoutMs === 0) return this.#epoll.wait(timeoutMs);
    const began = performance.now();
    while (performance.now() - began < poll.budgetMs) {
      const count = this.#epoll.wait(0);
      if (count > 0) return count;
      this.libc.call.sched_yield(); // whoever has something to do goes first
    }
    const count = this.#epoll.wait(timeoutMs);
    poll.waited(performance.now() - began);
    return count;
  }

  /** Calls those that let the others run before: whoever does so now has not waited for them. */
  #resume(count: number): void {
    for (const run of this.#yieldedCalls.splice(0, count)) {
      if (run() !== true) this.#promised = true;
    }
  }

  async #asyncLoop(): Promise<void> {
    while (!this.#stopping) {
      // What is ready already costs no thread hop.
      let count = this.#epoll.wait(0);
      if (count === 0) count = await this.#epoll.waitAsync(-1);
      this.#visit(count);
      if (count > 0) await new Promise((resolve) => setImmediate(resolve));
    }
    this.#ended.resolve();
  }

  /** Ends the loop, then closes every descriptor that is still owned. */
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

/** What all descriptors under one signal share. */
interface Lifetime {
  readonly signal: AbortSignal;
  count: number;
  registration: Disposable | null;
}

/** A descriptor on the reactor, with at most one waiting reader and one waiting writer. */
export class Descriptor {
  readonly fd: number;
  /** A read may give less than there is, and has to be followed by another one. */
  mayStopShort = false;
  /**
   * A read has found all that there was: until it may be readable again, another one would only say
   * so. Whoever reads sets it.
   */
  isEmpty = false;
  readonly life: Lifetime;
  readonly #reactor: Reactor;
  readonly #epoll: Epoll;
  readonly #token: number;
  /** What is waited for now, and whether readers are woken by level: without one that is not so. */
  #watch: number;
  readonly #isByLevel: boolean;
  #onReadable: OnReady | null = null;
  #reader: PromiseWithResolvers<void> | null = null;
  #onWritable: OnReady | null = null;
  #writer: PromiseWithResolvers<void> | null = null;
  /** What is thrown since it was closed. An error is costly to make, and seldom asked for. */
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

  /** @throws the reason when closed. Call it before each system call: the number may be another's. */
  check(): void {
    if (this.#reason !== null) throw this.#reason();
  }

  /** Settles when the descriptor may be readable again. Call it only after EAGAIN. */
  readable(): Promise<void> {
    this.check();
    this.#watchLevel();
    this.#reader ??= Promise.withResolvers<void>();
    return this.#reader.promise;
  }

  /** Settles when the descriptor may be writable again. Call it only after EAGAIN. */
  writable(): Promise<void> {
    this.check();
    this.#writer ??= Promise.withResolvers<void>();
    this.#watchFor(WATCH_EDGES);
    return this.#writer.promise;
  }

  /** Calls `run` once, when the descriptor may be writable or is closed. As `writable`. */
  onWritable(run: OnReady): void {
    this.check();
    this.#onWritable = run;
    this.#watchFor(WATCH_EDGES);
  }

  /** Calls `run` once, when the descriptor may be readable again or is closed. As `readable`. */
  onReadable(run: OnReady): void {
    this.check();
    this.#watchLevel();
    this.#onReadable = run;
  }

  /** Not while room is waited for: that is told by edges alone. */
  #watchLevel(): void {
    if (this.#isByLevel && this.#writer === null && this.#onWritable === null) {
      this.#watchFor(WATCH_LEVEL);
    }
  }

  #watchFor(watch: number): void {
    if (watch === this.#watch) return;
    this.#watch = watch;
    this.#epoll.change(this.fd, this.#token, watch);
  }

  /** True when there is somebody who goes on only by a promise. */
  wakeReader(): boolean {
    this.isEmpty = false;
    const run = this.#onReadable;
    // A level that nobody listens to would never rest.
    if (this.#isByLevel && run === null && this.#reader === null) this.#watchFor(WATCH_EDGES);
    this.#onReadable = null;
    const isDone = run === null || run() === true;
    const waiter = this.#reader;
    this.#reader = null;
    waiter?.resolve();
    return waiter !== null || !isDone;
  }

  /** As `wakeReader`. */
  wakeWriter(): boolean {
    const run = this.#onWritable;
    this.#onWritable = null;
    const isDone = run === null || run() === true;
    const waiter = this.#writer;
    this.#writer = null;
    waiter?.resolve();
    return waiter !== null || !isDone;
  }

  /**
   * Closes the descriptor (the kernel stops watching it); who waits gets the reason, a callback by
   * `check`, a little later.
   */
  close(reason: () => unknown): void {
    if (this.#reason !== null) return;
    this.#reason = reason;
    this.#reactor.forget(this.#token, this.life);
    this.#reactor.libc.call.close(this.fd);
    callSoon(this.#onReadable);
    callSoon(this.#onWritable);
    this.#onReadable = this.#onWritable = null;
    this.#reader?.reject(reason());
    this.#writer?.reject(reason());
    this.#reader = this.#writer = null;
  }
}

function callSoon(run: OnReady | null): void {
  if (run !== null) queueMicrotask(() => void run());
}
