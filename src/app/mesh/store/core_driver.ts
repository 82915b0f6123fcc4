import { abortable, onAbort } from "../../../base/scope.ts";
import type { Clock } from "../../../contract/host.ts";
import type {
  CoreBatch,
  CoreChange,
  CoreChanges,
  CoreDisk,
  CoreState,
} from "../../../contract/mesh_disk.ts";
import { MeshError } from "../../../contract/mesh_store.ts";
import { Histogram, SECONDS } from "../../../core/mesh/histogram.ts";
import { CoreMachine, type CoreStep } from "../../../core/mesh/core/core_machine.ts";
import type { CoreAnswer, CoreRequest } from "../../../core/mesh/core/request.ts";
import type { CoreClient } from "./core_client.ts";

/** Milliseconds that a request for changes waits for one. */
const CHANGES_MS = 20_000;

/** Figures of a core since its start; counts of what it has now. */
export interface CoreFigures {
  readonly epoch: number;
  readonly revision: number;
  readonly keys: number;
  readonly bytes: number;
  readonly sessions: number;
  /** Times of commits, in seconds. */
  readonly commits: Histogram;
  /** Commits for which there was no room. */
  readonly refused: number;
}

/** Incidents of the core's disk. */
export interface CoreDiskEvents {
  /** The core has ended: its disk does not work any more. */
  failed(error: MeshError): void;
  /** It has no room, so that writes are refused; or it has room again. */
  full(isFull: boolean): void;
}

/** Somebody who waits for changes of keys with this prefix after a revision, and has all up to that. */
interface Watcher {
  readonly prefix: string;
  from: number;
  wake(): void;
}

interface Pending {
  resolve(answer: CoreAnswer): void;
  reject(error: unknown): void;
}

/** Runs the core of one: its machine, its disk (null: memory alone) and its clock. */
export class CoreDriver implements CoreClient, AsyncDisposable {
  readonly #machine: CoreMachine;
  readonly #disk: CoreDisk | null;
  readonly #clock: Clock;
  readonly #pending = new Map<number, Pending>();
  readonly #watchers = new Set<Watcher>();
  readonly #quiet = new Set<() => void>();
  readonly #commits = new Histogram(SECONDS);
  readonly #events: CoreDiskEvents | null;
  #refused = 0;
  #isFull = false;
  #lastId = 0;
  #timer: { at: number; registration: Disposable } | null = null;
  #ended: MeshError | null = null;

  /** Settled once all changes are here; null = they are. */
  #loading: Promise<void> | null = null;

  /** `later`: the changes that the state does not have yet. */
  constructor(
    state: CoreState,
    o: {
      disk: CoreDisk | null;
      clock: Clock;
      later?: Promise<CoreChanges> | null;
      events?: CoreDiskEvents;
    },
  ) {
    this.#events = o.events ?? null;
    this.#disk = o.disk;
    this.#clock = o.clock;
    const { later = null } = o;
    this.#machine = new CoreMachine(state, o.clock.now(), { areChangesLater: later !== null });
    if (later !== null) this.#loading = this.#complete(later);
    this.#setTimer();
  }

  /** Never rejects: a failure ends the driver. */
  async #complete(later: Promise<CoreChanges>): Promise<void> {
    try {
      this.#machine.complete(await later);
    } catch (error) {
      this.#fail(error);
    }
    this.#loading = null;
  }

  /** Undefined while it works, else why not: its disk has failed, or it was closed. */
  get failure(): MeshError | undefined {
    return this.#ended ?? undefined;
  }

  get revision(): number {
    return this.#machine.revision;
  }

  figures(): CoreFigures {
    return { ...this.#machine.figures(), commits: this.#commits, refused: this.#refused };
  }

  async call(request: CoreRequest, o: { signal: AbortSignal }): Promise<CoreAnswer> {
    if (request.type !== "changes") return await this.#call(request, o.signal);
    using patience = this.#alarm();
    let from = request.from;
    for (;;) {
      if (this.#loading !== null && this.#machine.lacks(from)) {
        await abortable(this.#loading, o.signal);
      }
      const answer = await this.#call({ ...request, from }, o.signal);
      if (answer.type !== "changes" || answer.changes.length > 0) return answer;
      from = answer.cursor;
      if (patience.rang) return answer;
      if (this.#machine.revision !== from) continue;
      from = await this.#change(patience, request.prefix, from, o.signal);
      if (patience.rang) return { ...answer, cursor: from };
    }
  }

  /**
   * Refuses writes for the reason, and resolves with everything once those on their way are done;
   * `thaw` takes writes again.
   */
  async freeze(reason: string): Promise<CoreState> {
    this.#machine.freeze(reason);
    await this.#loading;
    while (this.#ended === null && !this.#machine.isQuiet) {
      await new Promise<void>((resolve) => this.#quiet.add(resolve));
    }
    if (this.#ended !== null) throw this.#ended;
    return this.#machine.snapshot();
  }

  thaw(): void {
    this.#machine.freeze(null);
    this.#setTimer();
  }

  /** Everything that is safe on the disk now. */
  snapshot(): CoreState {
    return this.#machine.snapshot();
  }

  /** Answers all that wait with `error`, and takes no more requests. */
  end(error: MeshError): void {
    if (this.#ended !== null) return;
    this.#ended = error;
    this.#timer?.registration[Symbol.dispose]();
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
    this.#wake();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.end(new MeshError("closed", "The store is closed", { outcome: "unknown" }));
    await this.#disk?.[Symbol.asyncDispose]();
  }

  #call(request: CoreRequest, signal: AbortSignal): Promise<CoreAnswer> {
    if (this.#ended !== null) return Promise.reject(this.#ended);
    if (signal.aborted) return Promise.reject(signal.reason);
    const id = ++this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<CoreAnswer>();
    const registration = onAbort(signal, () => {
      this.#pending.delete(id);
      reject(signal.reason);
    });
    this.#pending.set(id, {
      resolve: (answer) => {
        registration[Symbol.dispose]();
        resolve(answer);
      },
      reject: (error) => {
        registration[Symbol.dispose]();
        reject(error);
      },
    });
    this.#do(this.#machine.feed(id, request, this.#clock.now()));
    return promise;
  }

  #do(steps: CoreStep[]): void {
    for (const step of steps) {
      switch (step.type) {
        case "store":
          if (this.#disk === null) this.#do(this.#machine.stored(step.token, this.#clock.now()));
          // Never rejects: a failure ends the driver.
          else void this.#store(this.#disk, step.batch, step.token);
          break;
        case "reply":
          this.#pending.get(step.id)?.resolve(step.answer);
          this.#pending.delete(step.id);
          break;
        case "changed":
          this.#changed(step);
          break;
        default:
          step satisfies never;
      }
    }
    this.#setTimer();
  }

  async #store(disk: CoreDisk, batch: CoreBatch, token: number): Promise<void> {
    let failure: "limit" | undefined;
    const began = this.#clock.now();
    try {
      await disk.commit(batch);
      this.#commits.add((this.#clock.now() - began) / 1000);
      this.#setFull(false);
    } catch (error) {
      if (!(error instanceof MeshError) || error.reason !== "limit") {
        return this.#fail(error);
      }
      failure = "limit";
      this.#refused++;
      this.#setFull(true);
    }
    if (this.#ended !== null) return;
    this.#do(this.#machine.stored(token, this.#clock.now(), failure));
    if (this.#machine.isQuiet) {
      for (const resolve of this.#quiet) resolve();
      this.#quiet.clear();
    }
  }

  #fail(cause: unknown): void {
    if (this.#ended !== null) return;
    const message = cause instanceof Error ? cause.message : String(cause);
    const error = new MeshError("unavailable", `The disk of the core has failed: ${message}`, {
      outcome: "unknown",
      cause,
    });
    this.end(error);
    this.#events?.failed(error);
  }

  #setFull(isFull: boolean): void {
    if (isFull === this.#isFull) return;
    this.#isFull = isFull;
    this.#events?.full(isFull);
  }

  #setTimer(): void {
    const at = this.#machine.due();
    if (this.#timer?.at === at || this.#ended !== null) return;
    this.#timer?.registration[Symbol.dispose]();
    this.#timer = null;
    if (at === Infinity) return;
    const registration = this.#clock.after(Math.max(0, at - this.#clock.now()), () => {
      this.#timer = null;
      this.#do(this.#machine.tick(this.#clock.now()));
    });
    this.#timer = { at, registration };
  }

  #alarm() {
    const alarm = { rang: false, run: () => {}, [Symbol.dispose]: () => {} };
    const registration = this.#clock.after(CHANGES_MS, () => {
      alarm.rang = true;
      alarm.run();
    });
    alarm[Symbol.dispose] = () => registration[Symbol.dispose]();
    return alarm;
  }

  /**
   * Waits for a change behind `from`, which is the newest one, or until the alarm rings. Resolves with
   * the revision up to which there was none.
   */
  async #change(
    alarm: { rang: boolean; run: () => void },
    prefix: string,
    from: number,
    signal: AbortSignal,
  ): Promise<number> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const watcher = { prefix, from, wake: resolve };
    this.#watchers.add(watcher);
    alarm.run = resolve;
    using _aborted = onAbort(signal, () => resolve());
    await promise;
    this.#watchers.delete(watcher);
    signal.throwIfAborted();
    return watcher.from;
  }

  /** Whoever watches other keys goes on waiting: there may be many, and a change costs each some time. */
  #changed({ revision, changes }: { revision: number; changes: readonly CoreChange[] }): void {
    for (const watcher of this.#watchers) {
      if (changes.some(({ key }) => key.startsWith(watcher.prefix))) {
        this.#watchers.delete(watcher);
        watcher.wake();
      } else watcher.from = revision;
    }
  }

  #wake(): void {
    for (const { wake } of this.#watchers) wake();
    this.#watchers.clear();
  }
}
