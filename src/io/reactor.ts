import { setImmediate } from "node:timers";
import { TtunError } from "../base/errors.ts";
import { onAbort } from "../base/scope.ts";
import type { Clock } from "../contract/host.ts";
import { Epoll, EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP } from "../../ffi/epoll.ts";
import type { Libc } from "../../ffi/libc.ts";
import { LONGEST_WAIT, Timers } from "./timers.ts";

const READ_EVENTS = EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR;
const WRITE_EVENTS = EPOLLOUT | EPOLLHUP | EPOLLERR;

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
 * finds the waiter. Nothing is lost between the two because both happen in one thread.
 */
export class Reactor implements Clock, AsyncDisposable {
  readonly libc: Libc;
  readonly mode: ReactorMode;
  readonly #epoll: Epoll;
  readonly #timers = new Timers(() => performance.now());
  readonly #watched = new Map<number, Descriptor>();
  readonly #ended = Promise.withResolvers<void>();
  #nextToken = 1;
  /** Who let the others run first; the wait must not block while there is one. */
  #yielded: (() => void)[] = [];
  #onWake: () => void = () => {};
  #stopping = false;

  /** @throws {NativeError} where there is no epoll or no descriptor left. */
  constructor(libc: Libc, mode: ReactorMode) {
    this.libc = libc;
    this.mode = mode;
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

  now(): number {
    return performance.now();
  }

  after(ms: number, run: () => void): Disposable {
    if (this.mode === "blocking") return this.#timers.after(ms, run);
    const id = setTimeout(run, Math.min(ms, LONGEST_WAIT)); // longer ones would fire at once
    return { [Symbol.dispose]: () => clearTimeout(id) };
  }

  turn(): Promise<void> {
    return new Promise((resolve) => {
      if (this.mode === "blocking") this.#yielded.push(resolve);
      else setImmediate(resolve);
    });
  }

  /**
   * Takes over a non-blocking descriptor: it is watched from now on, and closed by `close`, by
   * the signal's abort, or with the reactor.
   */
  own(fd: number, signal: AbortSignal): Descriptor {
    const token = this.#nextToken;
    this.#nextToken = token === 0xffff_ffff ? 1 : token + 1;
    const descriptor = new Descriptor(this.libc, fd, signal, () => this.#watched.delete(token));
    try {
      signal.throwIfAborted();
      this.#epoll.add(fd, token);
    } catch (error) {
      descriptor.close(error);
      throw error;
    }
    this.#watched.set(token, descriptor);
    return descriptor;
  }

  readonly #dispatch = (token: number, events: number): void => {
    if (token === 0) return this.#onWake();
    const descriptor = this.#watched.get(token); // absent: closed earlier in this same batch
    if (descriptor === undefined) return;
    if ((events & READ_EVENTS) !== 0) descriptor.wakeReader();
    if ((events & WRITE_EVENTS) !== 0) descriptor.wakeWriter();
  };

  readonly #blockingTurn = (): void => {
    if (this.#stopping) return this.#ended.resolve();
    const timeout = this.#yielded.length > 0 ? 0 : this.#timers.untilNext();
    this.#epoll.each(this.#epoll.wait(timeout), this.#dispatch);
    this.#timers.fire();
    const yielded = this.#yielded;
    if (yielded.length > 0) {
      this.#yielded = [];
      for (const resume of yielded) resume();
    }
    setImmediate(this.#blockingTurn); // lets the promises just resolved run, then comes back
  };

  async #asyncLoop(): Promise<void> {
    while (!this.#stopping) {
      // What is ready already costs no thread hop.
      let count = this.#epoll.wait(0);
      if (count === 0) count = await this.#epoll.waitAsync(-1);
      this.#epoll.each(count, this.#dispatch);
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
    const closed = new TtunError("lost", "Cannot go on: the reactor has been closed");
    for (const descriptor of [...this.#watched.values()]) descriptor.close(closed);
    this.#epoll[Symbol.dispose]();
  }
}

/** A descriptor on the reactor, with at most one waiting reader and one waiting writer. */
export class Descriptor {
  readonly fd: number;
  readonly #libc: Libc;
  readonly #forget: () => void;
  readonly #tie: Disposable;
  #reader: PromiseWithResolvers<void> | null = null;
  #writer: PromiseWithResolvers<void> | null = null;
  #closed: { reason: unknown } | null = null;

  constructor(libc: Libc, fd: number, signal: AbortSignal, forget: () => void) {
    this.#libc = libc;
    this.fd = fd;
    this.#forget = forget;
    this.#tie = signal.aborted
      ? { [Symbol.dispose]: () => {} }
      : onAbort(signal, (reason) => this.close(reason));
  }

  get closed(): boolean {
    return this.#closed !== null;
  }

  /** @throws the reason when closed. Call it before each system call: the number may be another's. */
  check(): void {
    if (this.#closed !== null) throw this.#closed.reason;
  }

  /** Settles when the descriptor may be readable again. Call it only after EAGAIN. */
  readable(): Promise<void> {
    this.check();
    this.#reader ??= Promise.withResolvers<void>();
    return this.#reader.promise;
  }

  /** Settles when the descriptor may be writable again. Call it only after EAGAIN. */
  writable(): Promise<void> {
    this.check();
    this.#writer ??= Promise.withResolvers<void>();
    return this.#writer.promise;
  }

  wakeReader(): void {
    const waiter = this.#reader;
    this.#reader = null;
    waiter?.resolve();
  }

  wakeWriter(): void {
    const waiter = this.#writer;
    this.#writer = null;
    waiter?.resolve();
  }

  /** Closes the descriptor (the kernel stops watching it); waiters get the reason. */
  close(reason: unknown): void {
    if (this.#closed !== null) return;
    this.#closed = { reason };
    this.#tie[Symbol.dispose]();
    this.#forget();
    this.#libc.call.close(this.fd);
    this.#reader?.reject(reason);
    this.#writer?.reject(reason);
    this.#reader = this.#writer = null;
  }
}
