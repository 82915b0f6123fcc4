import { WAKE } from "../../../ffi/linux/epoll.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import { errorFromPlain, plainError, toTtunError, TtunError } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";
import type { Lease } from "../../core/ip/address_pool.ts";
import type { RunContext } from "../command/context.ts";
import type { PlaneCommand, PlaneConfig, PlaneEvent, WorkerInit } from "./messages.ts";
import { resolveHost } from "../platform/resolve.ts";

/** How long the data plane may take to end before it is left behind, in milliseconds. */
const STOP_PATIENCE = 900;

/** Never called: so that `deno cache` and `deno install` know the Worker's file to be part of this. */
export const planeModule: () => Promise<unknown> = () => import("../data_plane.ts");

/** What the main thread does in the course of a data plane's life. */
export interface PlaneLife<Facts, Go> {
  /** Everything is open: what there is to do before the plane goes to work, and with what it goes. */
  prepare(facts: Facts): Promise<Go>;
  /** The plane has ended, after `prepare`; also after one that failed. */
  afterwards?(facts: Facts): Promise<void>;
  /** A tunnel's server has spoken version 2. */
  reportV2?(): Promise<void>;
  /** A client's session has these addresses, and waits. What this throws ends the plane. */
  addresses?(addresses: readonly string[]): Promise<void>;
  /** A tunnel's clients have these addresses, to be kept for after a restart. */
  leases?(leases: readonly Lease[]): void;
}

/**
 * The data plane, a Worker, as the main thread sees it: answers its questions, prints its log, and
 * ends it when the context's signal aborts. `Facts` is what it tells when it is ready, `Go` what it
 * is told then (messages.ts).
 */
export class PlaneWorker<Facts extends object, Go> implements AsyncDisposable {
  readonly #context: RunContext;
  readonly #libc: Libc | null;
  readonly #worker: Worker;
  readonly #port: MessagePort;
  #wakeFd: number | null = null;
  #life: Omit<PlaneLife<Facts, Go>, "prepare"> = {};
  readonly #ready = Promise.withResolvers<Facts>();
  /** null = as it was asked to. */
  readonly #ended = Promise.withResolvers<TtunError | null>();
  /** A failure outside the plane that must end it. */
  readonly #failed = Promise.withResolvers<TtunError>();
  #stopped: Promise<void> | null = null;

  /**
   * Starts it. `libc`: to wake a plane whose loop blocks; null where none does. `entry`: the
   * Worker's file, for tests.
   */
  constructor(
    config: PlaneConfig,
    o: { libc: Libc | null; context: RunContext; entry?: URL },
  ) {
    this.#libc = o.libc;
    this.#context = o.context;
    const entry = o.entry ?? new URL("../data_plane.ts", import.meta.url);
    this.#worker = new Worker(entry, { type: "module" });
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#ended.resolve(toTtunError(event.error ?? new Error(event.message)));
    };
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    port1.onmessage = (event) => this.#take(event.data as PlaneEvent<Facts>);
    const { logLevel } = this.#context;
    this.#worker.postMessage({ config, port: port2, logLevel } satisfies WorkerInit, [port2]);
  }

  /**
   * From the first sign of life to the end. Returns when it was asked to stop.
   * @throws {TtunError} what else ended it, or what `prepare` throws
   */
  async run(life: PlaneLife<Facts, Go>): Promise<void> {
    this.#life = life;
    using _stop = onAbort(this.#context.signal, () => this.#order({ kind: "stop" }));
    using _status = this.#context.onStatus(() => this.#order({ kind: "status" }));
    const first = await this.#orStopped(Promise.race([this.#ready.promise, this.#ended.promise]));
    if (first instanceof TtunError) throw first;
    if (first === null) return;
    this.#context.begin?.();
    try {
      const go = await this.#orStopped(life.prepare(first).then((value) => ({ value })));
      if (go === null || this.#context.signal.aborted) return;
      this.#order({ kind: "go", with: go.value });
      const failure = await this.#orStopped(
        Promise.race([this.#ended.promise, this.#failed.promise]),
      );
      if (failure !== null) throw failure;
    } finally {
      await this.#stop();
      await life.afterwards?.(first);
    }
  }

  /** What comes first: the outcome, or null when ttun is asked to stop. */
  async #orStopped<T>(outcome: Promise<T>): Promise<T | null> {
    const { promise: asked, resolve } = Promise.withResolvers<null>();
    using _tie = onAbort(this.#context.signal, () => resolve(null));
    return await Promise.race([outcome, asked]);
  }

  /** Lets the plane close what it has opened; one that does not is left behind, not waited for. */
  #stop(): Promise<void> {
    return this.#stopped ??= this.#stopNow();
  }

  async #stopNow(): Promise<void> {
    this.#order({ kind: "stop" });
    const { promise: late, resolve } = Promise.withResolvers<"late">();
    const timer = setTimeout(() => resolve("late"), STOP_PATIENCE);
    if (await Promise.race([this.#ended.promise, late]) === "late") {
      this.#context.log.warn("the data plane does not stop: it is left behind");
    }
    clearTimeout(timer);
  }

  #take(report: PlaneEvent<Facts>): void {
    switch (report.kind) {
      case "listening":
        this.#wakeFd = report.wakeFd;
        if (this.#context.signal.aborted) this.#order({ kind: "stop" });
        return;
      case "log":
        return this.#context.printRecord(report.record);
      case "ready":
        return this.#ready.resolve(report.facts);
      case "resolve":
        return void this.#resolve(report.id, report.host); // the plane gets its failure
      case "reportV2":
        return void this.#life.reportV2?.().catch(this.#fail);
      case "addresses":
        return void this.#takeAddresses(report.id, report.addresses).catch(this.#fail);
      case "leases":
        return this.#life.leases?.(report.leases);
      case "ended":
        this.#wakeFd = null; // the plane has closed it: the number may be another's by now
        return this.#ended.resolve(report.error === null ? null : errorFromPlain(report.error));
      default:
        report satisfies never;
    }
  }

  async #takeAddresses(id: number, addresses: readonly string[]): Promise<void> {
    await this.#life.addresses?.(addresses);
    this.#order({ kind: "taken", id });
  }

  readonly #fail = (error: unknown): void => this.#failed.resolve(toTtunError(error));

  async #resolve(id: number, host: string): Promise<void> {
    try {
      this.#order({ kind: "resolved", id, addresses: await resolveHost(host) });
    } catch (error) {
      this.#order({ kind: "unresolved", id, error: plainError(error) });
    }
  }

  #order(order: PlaneCommand<Go>): void {
    this.#port.postMessage(order);
    if (this.#wakeFd !== null) this.#libc?.call.write(this.#wakeFd, WAKE, 8n);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop();
    this.#port.close();
    this.#worker.terminate();
  }
}
