import { receiveMessageOnPort } from "node:worker_threads";
import { TtunError } from "../../base/errors.ts";
import { check } from "../../../ffi/native.ts";
import type { Descriptor, Reactor } from "../reactor/reactor.ts";
import type { QuicCommand, QuicEvent } from "./messages.ts";
import type { QuicWorkerInit } from "./quic_worker.ts";

/** Milliseconds until the Worker has begun, or has bound a port. */
const ANSWER_MS = 10_000;
/** Milliseconds for what is on its way when all ends. */
const STOP_MS = 600;

/** Constants of sys/eventfd.h. */
const EFD_NONBLOCK = 0o4000;
const EFD_CLOEXEC = 0o2000000;

/** Gets the events of one listener or stream. It returns as `OnReady`. */
export type TakeEvent = (event: QuicEvent) => boolean;

/**
 * This thread's side of the Worker in which QUIC runs: a thread whose reactor blocks has no event
 * loop of Deno's for it.
 */
export class QuicHost implements AsyncDisposable {
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #reactor: Reactor | null;
  readonly #isWoken = new SharedArrayBuffer(4);
  readonly #taken = new SharedArrayBuffer(4);
  readonly #takers = new Map<number, TakeEvent>();
  readonly #stopped = Promise.withResolvers<void>();
  #wake: Descriptor | null = null;
  #lastId = 0;
  #failure: TtunError | null = null;

  /**
   * Waits in this thread until the Worker has begun. `reactor`: the loop of this thread; null = Deno's
   * own. @throws {TtunError} privilege, timeout
   */
  constructor(reactor: Reactor | null) {
    if (typeof Deno.QuicEndpoint !== "function") throw lacksQuic();
    this.#reactor = reactor?.mode === "blocking" ? reactor : null;
    const wakeFd = this.#openWake();
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#worker = new Worker(new URL("./quic_worker.ts", import.meta.url), { type: "module" });
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#fail(event.message);
    };
    if (wakeFd === null) port1.onmessage = ({ data }) => void this.#take(data as QuicEvent);
    const init: QuicWorkerInit = {
      port: port2,
      wakeFd,
      isWoken: this.#isWoken,
      taken: this.#taken,
    };
    this.#worker.postMessage(init, [port2]);
    // It loads its code with the permissions that this thread has now.
    const taken = new Int32Array(this.#taken);
    this.await(() => Atomics.load(taken, 0) > 0);
  }

  /** Calls `run` in a microtask, and sees to it that there is one soon. */
  soon(run: () => void): void {
    this.#reactor?.oweTurn();
    queueMicrotask(run);
  }

  /** Returns a number for a listener or a dial, whose events `take` gets. */
  add(take: TakeEvent): number {
    const id = this.#lastId += 2;
    this.#takers.set(id, take);
    return id;
  }

  /** Has `take` get the events of an accepted stream. */
  adopt(id: number, take: TakeEvent): void {
    this.#takers.set(id, take);
  }

  forget(id: number): void {
    this.#takers.delete(id);
  }

  /** @throws {TtunError} internal, if the Worker has failed */
  check(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  send(command: QuicCommand): void {
    if (this.#failure === null) this.#port.postMessage(command);
  }

  /**
   * Waits in this thread until `isAnswered`, and has what has come taken.
   * @throws {TtunError} timeout
   */
  await(isAnswered: () => boolean): void {
    const taken = new Int32Array(this.#taken);
    const until = performance.now() + ANSWER_MS;
    for (;;) {
      const before = Atomics.load(taken, 0);
      this.#fetch();
      if (isAnswered()) return;
      const left = until - performance.now();
      if (left <= 0 || this.#failure !== null) {
        throw this.#failure ??
          new TtunError("timeout", "Cannot start QUIC: its thread does not answer; try again");
      }
      Atomics.wait(taken, 0, before, left);
    }
  }

  /** Returns the descriptor that the Worker writes to; null = messages arrive by themselves. */
  #openWake(): number | null {
    const reactor = this.#reactor;
    if (reactor === null) return null;
    const { libc } = reactor;
    const fd = check("eventfd", libc.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    this.#wake = reactor.own(fd, new AbortController().signal);
    this.#wake.onReadable(this.#onWake);
    return fd;
  }

  readonly #onWake = (): boolean => {
    const wake = this.#wake!;
    if (wake.closed) return true;
    const { libc } = this.#reactor!;
    libc.read(wake.fd, new Uint8Array(8));
    Atomics.store(new Int32Array(this.#isWoken), 0, 0);
    wake.onReadable(this.#onWake);
    return this.#fetch();
  };

  #fetch(): boolean {
    let isDone = true;
    for (;;) {
      const found = receiveMessageOnPort(this.#port as never) as
        | { readonly message: QuicEvent }
        | undefined;
      if (found === undefined) return isDone;
      isDone = this.#take(found.message) && isDone;
    }
  }

  #take(event: QuicEvent): boolean {
    if (event.kind === "stopped") {
      this.#stopped.resolve();
      return false;
    }
    const id = "listener" in event ? event.listener : event.id;
    const take = this.#takers.get(id);
    if (take !== undefined) return take(event);
    if (event.kind === "accepted" || event.kind === "plain") {
      this.send({ kind: "abort", id: event.id });
    }
    return true;
  }

  #fail(words: string): void {
    this.#failure = new TtunError("internal", `QUIC's thread has failed: ${words}`);
    this.#stopped.resolve();
    for (const [id, take] of [...this.#takers]) take({ kind: "lost", id, words });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#failure === null) {
      this.#port.postMessage({ kind: "stop" } satisfies QuicCommand);
      const late = Promise.withResolvers<void>();
      const timer = this.#reactor === null ? setTimeout(late.resolve, STOP_MS) : null;
      using _timer = this.#reactor?.after(STOP_MS, late.resolve);
      await Promise.race([this.#stopped.promise, late.promise]);
      if (timer !== null) clearTimeout(timer);
    }
    this.#worker.terminate();
    this.#port.close();
    this.#wake?.close(() => new TtunError("lost", "QUIC has been closed"));
  }
}

export function lacksQuic(): TtunError {
  return new TtunError(
    "privilege",
    "Cannot use quic: URLs: Deno was started without --unstable-net; add it, as in " +
      "deno run -A --unstable-net jsr:@tt/cli",
  );
}
