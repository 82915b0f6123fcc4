import { startClose } from "../../base/start_close.ts";
import type { Clock } from "../../contract/host.ts";
import type { Stream } from "../../contract/stream.ts";
import type { ConnectionStep, WaitsFor } from "../../core/http/exchange.ts";
import { WriteQueue } from "../loop/write_queue.ts";
import { linger } from "../net/lingering_close.ts";

/** Reads in a row after which others get a turn. */
const BUDGET = 32;

/** Milliseconds between looks at a connection that is not read for now. */
const LOOK_MS = 2_000;

/** Milliseconds for the last bytes of an answer to a client that reads slowly. */
const FLUSH_MS = 60_000;

/**
 * Bytes that wait to be written, above which nothing is read: answers of HTTP/2 without a body, and
 * what answers its control frames, are under no window.
 */
const MOST_WAITING = 256 * 1024;

/** The half of a machine of HTTP that has to do with bytes (core/http/exchange.ts). */
export interface ByteMachine<Step> {
  readonly wantsInput: boolean;
  readonly waitsFor: WaitsFor;
  feed(bytes: Uint8Array): Step[];
  inputEnded(how: "clean" | "reset"): Step[];
}

export interface DriverOptions<Step> {
  readonly clock: Clock;
  /** Shared by all drivers of a thread: what is read is used up or copied before the next read. */
  readonly scratch: Uint8Array;
  /** Milliseconds of waiting until `onLate`; absent = no limit. */
  readonly patience?: Partial<Record<WaitsFor, number>>;
  /** Takes steps that are none of the connection's. */
  readonly onStep: (step: Exclude<Step, ConnectionStep>) => void;
  /** An end of the other side's bytes means that it has left, whatever it has sent before. */
  readonly endMeansLeft?: boolean;
  /** Called when all that was written has gone on its way. */
  readonly onIdle: () => void;
  readonly onLate?: () => void;
  /** Called once: nothing comes and goes any more. */
  readonly onOver: () => void;
}

/**
 * Carries the bytes of a machine of HTTP over a stream, which it owns. Steps are done in their order,
 * and no call reaches the machine while there are steps of an earlier one to do.
 */
export class MachineDriver<Step extends { readonly kind: string }> {
  readonly stream: Stream;
  readonly #machine: ByteMachine<Step>;
  readonly #o: DriverOptions<Step>;
  readonly #queue: WriteQueue;
  /** Calls that wait for the steps of an earlier one. */
  readonly #calls: (() => Step[])[] = [];
  #isBusy = false;
  #isPumping = false;
  /** A callback of the stream, or of the clock, will go on. */
  #isAwaiting = false;
  #hasEnded = false;
  #isBroken = false;
  #isClosing = false;
  #isOver = false;
  #waitsFor: WaitsFor | null = null;
  #timer: Disposable | null = null;
  #lookTimer: Disposable | null = null;
  /** While it is set, nothing is read. */
  #pause: Disposable | null = null;

  constructor(machine: ByteMachine<Step>, stream: Stream, o: DriverOptions<Step>) {
    this.#machine = machine;
    this.stream = stream;
    this.#o = o;
    this.#queue = new WriteQueue(stream, () => {
      if (this.#queue.failure !== null) this.#broken();
      else this.#o.onIdle();
      this.#resume();
      return true;
    });
  }

  /** Steps are being done: bytes of others do not outlive the call. */
  get isBusy(): boolean {
    return this.#isBusy;
  }

  /** Bytes wait for room in the stream. */
  get isBlocked(): boolean {
    return this.#queue.isBusy;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Begins to read. */
  start(): void {
    this.#watch();
    this.#pump();
  }

  /** Reads nothing for so many milliseconds: what the other end sends costs too much. */
  pause(ms: number): void {
    if (this.#isOver || ms <= 0) return;
    this.#pause?.[Symbol.dispose]();
    this.#pause = this.#o.clock.after(ms, () => {
      this.#pause = null;
      this.#resume();
    });
  }

  /** Looks whether the other end has ended it, or says something that nobody has asked for. */
  probe(): boolean {
    if (this.#isOver || this.#hasEnded || this.#isClosing) return false;
    try {
      if (this.stream.readNow(new Uint8Array(1)) === undefined) return true;
    } catch {
      // It has broken.
    }
    this.fail();
    return false;
  }

  /** Has the machine called, now or behind the steps that are being done. */
  call(run: () => Step[]): void {
    if (this.#isOver) return;
    this.#calls.push(run);
    if (this.#isBusy) return;
    this.#work();
    this.#resume();
  }

  /** Ends it at once. */
  fail(): void {
    if (this.#isOver) return;
    this.#hasEnded = true;
    this.call(() => this.#machine.inputEnded("reset"));
    this.stream.reset();
    this.#end();
  }

  /**
   * Nothing can be written any more, but an answer may have come before that: of a server that has
   * refused the rest of a request. It is read in a turn of its own, as another may be reading now.
   */
  #broken(): void {
    if (this.#isBroken || this.#isOver) return;
    this.#isBroken = true;
    this.#o.clock.onTurn(() => {
      this.#pump();
      this.fail();
      return true;
    });
  }

  #work(): void {
    this.#isBusy = true;
    try {
      for (let next = this.#calls.shift(); next !== undefined; next = this.#calls.shift()) {
        if (this.#isOver) continue;
        for (const step of next()) this.#do(step);
      }
    } finally {
      this.#isBusy = false;
    }
    if (this.#queue.failure !== null) this.#broken();
    else this.#watch();
  }

  #do(step: Step): void {
    const given = step as unknown as ConnectionStep;
    switch (given.kind) {
      case "write":
        return this.#queue.write(given.bytes);
      case "close":
        return this.#close(given.how);
      case "closeWrite":
        return void this.#queue.end();
      default:
        this.#o.onStep(step as Exclude<Step, ConnectionStep>);
    }
  }

  #close(how: "clean" | "reset"): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    if (how === "reset") {
      this.stream.reset();
      return this.#end();
    }
    this.#queue.end();
    if (this.#hasEnded && !this.#queue.isBusy) return this.#end();
    void this.#finish().then(() => this.#end()); // it never rejects
  }

  /** Waits for what is still to be written, and reads until the other end has ended too, for a while. */
  async #finish(): Promise<void> {
    const { clock } = this.#o;
    const late = Promise.withResolvers<void>();
    using _timer = clock.after(FLUSH_MS, late.resolve);
    const written = this.#queue.flushed().catch(() => {}); // it has left
    // The stream is read by `linger` alone from now on.
    const ended = this.#hasEnded ? null : linger(this.stream, clock);
    await Promise.all([Promise.race([written, late.promise]), ended]);
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#timer?.[Symbol.dispose]();
    this.#lookTimer?.[Symbol.dispose]();
    this.#pause?.[Symbol.dispose]();
    startClose(this.stream);
    this.#o.onOver();
  }

  /** Goes on reading where the machine wants more again; never from within a read of another one. */
  #resume(): void {
    if (this.#isPumping || this.#isAwaiting || this.#isClosing || this.#hasEnded) return;
    if (this.#isOver || !this.#wantsInput) return;
    this.#isAwaiting = true;
    this.#o.clock.onTurn(this.#onReady);
  }

  readonly #onReady = (): boolean => {
    this.#isAwaiting = false;
    this.#pump();
    return true;
  };

  #pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    try {
      for (let reads = 0; reads < BUDGET; reads++) {
        if (this.#isOver || this.#isClosing || this.#hasEnded) return;
        if (!this.#wantsInput) return this.#lookLater();
        if (!this.#read()) return;
      }
    } finally {
      this.#isPumping = false;
    }
    this.#resume();
  }

  /** While nothing is read, nothing tells that the other end has gone. */
  #lookLater(): void {
    this.#lookTimer ??= this.#o.clock.after(LOOK_MS, () => {
      this.#lookTimer = null;
      if (this.#isOver || this.#isAwaiting || this.#isClosing) return;
      if (this.#hasEnded && this.#o.endMeansLeft === true) return;
      const { isGone, peerClosed } = this.stream.stats?.() ?? {};
      const hasLeft = isGone === true || (this.#o.endMeansLeft === true && peerClosed === true);
      if (hasLeft) this.fail();
      else if (this.#hasEnded || !this.#wantsInput) this.#lookLater();
    });
  }

  get #wantsInput(): boolean {
    if (this.#pause !== null) return false;
    return this.#machine.wantsInput && this.#queue.waiting <= MOST_WAITING;
  }

  /** Returns false if there was nothing. */
  #read(): boolean {
    const { scratch } = this.#o;
    let got: number | null | undefined;
    try {
      got = this.stream.readNow(scratch);
    } catch {
      this.fail(); // the stream has broken, or the signal that it lives under has aborted
      return false;
    }
    if (got === undefined) {
      this.#isAwaiting = true;
      this.stream.onReadable(this.#onReady);
      return false;
    }
    if (got === null) {
      this.#hasEnded = true;
      this.call(() => this.#machine.inputEnded("clean"));
      if (this.#o.endMeansLeft !== true) this.#lookLater();
      return false;
    }
    this.call(() => this.#machine.feed(scratch.subarray(0, got)));
    return true;
  }

  /** Each state of waiting has its own time. */
  #watch(): void {
    const { waitsFor } = this.#machine;
    if (waitsFor === this.#waitsFor || this.#isOver) return;
    this.#waitsFor = waitsFor;
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
    const { patience = {}, clock, onLate } = this.#o;
    const ms = patience[waitsFor];
    if (ms === undefined) return;
    this.#timer = clock.after(ms, () => {
      if (!this.#isOver) onLate?.();
    });
  }
}
