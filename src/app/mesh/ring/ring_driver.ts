import { onAbort } from "../../../base/scope.ts";
import type { Logger } from "../../../base/log.ts";
import type { Clock } from "../../../contract/host.ts";
import type { RingDisk } from "../../../contract/mesh_disk.ts";
import { MeshError } from "../../../contract/mesh_store.ts";
import type { Descriptor } from "../../../core/mesh/descriptor.ts";
import { Histogram, SECONDS } from "../../../core/mesh/histogram.ts";
import type { Frame } from "../../../core/mesh/frame.ts";
import type { NodeKey } from "../../../core/mesh/node_id.ts";
import type { MeshRecord } from "../../../core/mesh/record.ts";
import type { RingBatch } from "../../../core/mesh/ring_disk.ts";
import type { DeleteOptions, PutOptions, RingNode } from "../../../core/mesh/ring_node.ts";
import { rowsOf } from "../../../core/mesh/ring_rows.ts";
import type { Result, RingEvent, Step } from "../../../core/mesh/steps.ts";
import type { RingLinkEvents, RingLinks } from "./ring_links.ts";

/** Numbers of requests to the core begin here: those of the ring's own are below. */
const FIRST_CORE = 2 ** 40;

/** Milliseconds that a request to another node's core may take: changes are waited for. */
const CORE_MS = 30_000;

/** Milliseconds of the longest timer. */
const LONGEST = 60_000;

/** A result that is no failure. */
export type Done = Exclude<Result, { is: "failed" }>;

export interface RingDriverOptions {
  readonly node: RingNode;
  readonly disk: RingDisk;
  readonly links: RingLinks;
  readonly clock: Clock;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly log: Logger;
  /** Answers a request to this node's core; null = it has none. */
  readonly core: ((from: NodeKey, body: Uint8Array) => Promise<Uint8Array>) | null;
}

/** Counts of incidents since the start, by their names. */
export type RingCounts = Readonly<Record<RingEvent["name"], number>>;

/** Times of requests of this process, and how many of them failed. */
export class RequestTimes {
  readonly seconds = new Histogram(SECONDS);
  failed = 0;
}

const KINDS = { written: "write", record: "get", list: "list" } as const;

interface Pending<T> {
  resolve(result: T): void;
  reject(error: unknown): void;
}

interface PendingCore extends Pending<Uint8Array> {
  readonly node: NodeKey;
  /** Of the process that was asked, as far as it was known; 0 = it was not. */
  readonly incarnation: number;
}

/** Runs a node of the ring: its clock, disk and links, and requests of this process. */
export class RingDriver implements RingLinkEvents {
  readonly #o: RingDriverOptions;
  readonly #requests = new Map<number, Pending<Done>>();
  readonly #cores = new Map<number, PendingCore>();
  readonly #followers = new Map<string, Set<(record: MeshRecord) => void>>();
  readonly #counts: Record<RingEvent["name"], number> = {
    ...{ dead: 0, alive: 0, left: 0, merge: 0, state: 0, skew: 0, clock: 0, disk: 0 },
  };
  readonly #times = {
    write: new RequestTimes(),
    get: new RequestTimes(),
    list: new RequestTimes(),
  };
  readonly #commits = new Histogram(SECONDS);
  readonly #off = Promise.withResolvers<void>();
  #lastId = 0;
  #lastCore: number;
  #timer: { readonly at: number; readonly registration: Disposable } | null = null;
  #isClosed = false;
  #isDiskBad = false;

  constructor(o: RingDriverOptions) {
    this.#o = o;
    // An answer to the process that was this node before belongs to no request of this one.
    this.#lastCore = FIRST_CORE + Math.floor(o.now());
  }

  get node(): RingNode {
    return this.#o.node;
  }

  get counts(): RingCounts {
    return this.#counts;
  }

  get times(): Readonly<Record<string, RequestTimes>> {
    return this.#times;
  }

  /** Times of commits to the node's disk, in seconds. */
  get commits(): Histogram {
    return this.#commits;
  }

  /** Begins to be a member of the ring. */
  start(): void {
    this.#do(this.#o.node.start(this.#o.now()));
  }

  /** @throws {MeshError} */
  put(o: PutOptions, signal: AbortSignal): Promise<Extract<Done, { is: "written" }>> {
    return this.#ask("written", (id, now) => this.node.put(id, o, now), signal);
  }

  /** @throws {MeshError} */
  delete(o: DeleteOptions, signal: AbortSignal): Promise<Extract<Done, { is: "written" }>> {
    return this.#ask("written", (id, now) => this.node.delete(id, o, now), signal);
  }

  /** Returns a record, also the trace of a deleted one. @throws {MeshError} */
  async get(o: Parameters<RingNode["get"]>[1], signal: AbortSignal): Promise<MeshRecord | null> {
    return (await this.#ask("record", (id, now) => this.node.get(id, o, now), signal)).record;
  }

  /** @throws {MeshError} */
  async list(
    o: Parameters<RingNode["list"]>[1],
    signal: AbortSignal,
  ): Promise<Extract<Done, { is: "list" }>> {
    return await this.#ask("list", (id, now) => this.node.list(id, o, now), signal);
  }

  /** Calls `run` for each record of a bucket, and for each change, until it is disposed of. */
  follow(bucket: string, run: (record: MeshRecord) => void): Disposable {
    const { node, now } = this.#o;
    const before = this.#followers.get(bucket);
    const followers = before ?? new Set();
    followers.add(run);
    this.#followers.set(bucket, followers);
    if (before === undefined) this.#do(node.subscribe(bucket, now()));
    return {
      [Symbol.dispose]: () => {
        if (!followers.delete(run) || followers.size > 0) return;
        this.#followers.delete(bucket);
        this.#do(node.unsubscribe(bucket, now()));
      },
    };
  }

  /**
   * Asks the core of another node, which may wait for changes: it is not asked as the ring asks, where
   * a node that does not answer at once is called dead. @throws {MeshError} unavailable; the signal's reason */
  async askCore(node: NodeKey, body: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    signal.throwIfAborted();
    const number = ++this.#lastCore;
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    using _end = onAbort(signal, reject);
    using _late = this.#o.clock.after(CORE_MS, () => {
      reject(new MeshError("unavailable", "The core does not answer", { outcome: "unknown" }));
    });
    const { incarnation = 0 } = this.node.descriptorOf(node) ?? {};
    this.#cores.set(number, { node, incarnation, resolve, reject });
    try {
      this.#send(node, { type: "core", request: number, body });
      return await promise;
    } finally {
      this.#cores.delete(number);
    }
  }

  frame(from: NodeKey, frame: Frame): void {
    if (this.#isClosed) return;
    // Nodes without the core take parcels of the core's node.
    if (frame.type === "core") return void this.#answerCore(from, frame.request, frame.body);
    const isAnswer = frame.type === "answer" || frame.type === "error";
    if (isAnswer && frame.request >= FIRST_CORE) return this.#takeCore(from, frame);
    this.#do(this.node.feed(from, frame, this.#o.now()));
  }

  met(descriptor: Descriptor): void {
    if (this.#isClosed) return;
    // A process that was started again knows nothing of what the one before it was asked.
    for (const { node, incarnation, reject } of this.#cores.values()) {
      const isGone = node === descriptor.key && incarnation < descriptor.incarnation;
      if (isGone && incarnation > 0) reject(unreachable());
    }
    this.#do(this.node.met(descriptor, this.#o.now()));
  }

  refused(node: NodeKey): void {
    if (this.#isClosed) return;
    for (const pending of this.#cores.values()) {
      if (pending.node === node) pending.reject(unreachable());
    }
    this.#do(this.node.refused(node, this.#o.now()));
  }

  /** Takes a descriptor of this node's that holds longer. */
  renew(descriptor: Descriptor): void {
    this.#do(this.node.renew(descriptor, this.#o.now()));
  }

  /** Gives the node's records to others. Resolves when they have them, or after half a minute. */
  async leave(): Promise<void> {
    this.#do(this.node.leave(this.#o.now()));
    await this.#off.promise;
  }

  /** Ends all that waits; nothing is done any more. The disk is closed after it. */
  close(): void {
    if (this.#isClosed) return;
    this.#do(this.node.stop(this.#o.now()));
    this.#isClosed = true;
    this.#timer?.registration[Symbol.dispose]();
    const error = new MeshError("closed", "The node stops", { outcome: "unknown" });
    for (const { reject } of this.#requests.values()) reject(error);
    for (const { reject } of this.#cores.values()) reject(error);
    this.#off.resolve();
  }

  /** One promise for a request: each step of an async function would be a turn of the microtasks. */
  #ask<K extends keyof typeof KINDS>(
    kind: K,
    begin: (id: number, now: number) => Step[],
    signal: AbortSignal,
  ): Promise<Extract<Done, { is: K }>> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      if (this.#isClosed) throw new MeshError("closed", "The node stops");
      const id = ++this.#lastId;
      const times: RequestTimes = this.#times[KINDS[kind]];
      const { clock, now } = this.#o;
      const began = clock.now();
      const end = () => {
        registration[Symbol.dispose]();
        times.seconds.add((clock.now() - began) / 1000);
        this.#requests.delete(id);
      };
      const fail = (error: unknown) => {
        end();
        times.failed += 1;
        reject(error);
      };
      const registration = onAbort(signal, fail);
      this.#requests.set(id, {
        resolve: (result) => {
          end();
          resolve(result as Extract<Done, { is: K }>);
        },
        reject: fail,
      });
      try {
        this.#do(begin(id, now()));
      } catch (error) {
        fail(error);
      }
    });
  }

  #do(steps: readonly Step[]): void {
    if (this.#isClosed) return;
    for (const step of steps) this.#step(step);
    while (this.node.hasMore) {
      for (const step of this.node.tick(this.#o.now())) this.#step(step);
    }
    this.#setTimer();
  }

  #step(step: Step): void {
    switch (step.type) {
      case "send":
        return this.#send(step.to, step.frame, step.isPatient);
      case "dial":
        return this.#o.links.dial(step.address);
      case "store":
        // It never rejects: the node hears of a failure.
        return void this.#store(step.batch, step.token);
      case "reply":
        return this.#reply(step.id, step.result);
      case "record":
        return this.#followers.get(step.record.bucket)?.forEach((run) => run(step.record));
      case "core":
        // It never rejects: the other node hears of a failure.
        return void this.#answerCore(step.from, step.request, step.body);
      case "event":
        return this.#tell(step.event);
      default:
        return step satisfies never;
    }
  }

  #send(to: NodeKey, frame: Frame, isPatient = false): void {
    this.#o.links.send(to, frame, this.node.descriptorOf(to)?.addresses ?? [], isPatient);
  }

  async #store(batch: RingBatch, token: number): Promise<void> {
    let isGood = true;
    const began = this.#o.clock.now();
    try {
      await this.#o.disk.commit(rowsOf(batch));
      this.#commits.add((this.#o.clock.now() - began) / 1000);
    } catch (error) {
      isGood = false;
      const why = error instanceof Error ? error.message : String(error);
      const isNew = !this.#isDiskBad; // it is tried again each second
      if (!this.#isClosed && isNew) {
        this.#o.log.error("The ring's disk does not take records", { why });
      }
    }
    this.#isDiskBad = !isGood;
    this.#do(this.node.stored(token, this.#o.now(), isGood));
  }

  #reply(id: number, result: Result): void {
    const pending = this.#requests.get(id);
    if (pending === undefined) return; // nobody waits any more
    if (result.is !== "failed") return pending.resolve(result);
    const { reason, outcome, words } = result;
    pending.reject(new MeshError(reason, words, { outcome }));
  }

  #tell(event: RingEvent): void {
    this.#counts[event.name] += 1;
    const { log } = this.#o;
    switch (event.name) {
      case "state":
        log.info("Ring", { state: event.state });
        if (event.state === "off") this.#off.resolve();
        return;
      case "merge":
        return log.info("Another ring was found", { at: shown(event.node) });
      case "skew":
        return log.warn("A node's clock is ahead; its records are not taken", {
          node: shown(event.node),
          ms: event.aheadMs,
        });
      case "clock": {
        const { offsetMs: ms } = event;
        if (ms === 0) return log.info("This node's clock is near those of the others again");
        const way = ms > 0 ? "behind" : "ahead of";
        return log.warn(
          `This node's clock is ${way} those of the others; it writes nothing durable until it is set`,
          { ms: Math.abs(ms) },
        );
      }
      case "disk":
        if (event.isFull) return log.error("The ring's disk is full: writes are refused");
        return log.info("The ring's disk takes records again");
      case "dead":
      case "alive":
      case "left":
        return log.info("A node of the ring", { node: shown(event.node), is: event.name });
      default:
        return event satisfies never;
    }
  }

  async #answerCore(from: NodeKey, request: number, body: Uint8Array): Promise<void> {
    const { core, now, log } = this.#o;
    if (core === null) {
      const words = "This node has not the core";
      return this.#send(from, { type: "error", request, code: "unsupported", words });
    }
    try {
      const answered = await core(from, body);
      this.#do(this.node.answerCore(from, request, answered, now()));
    } catch (error) {
      if (this.#isClosed) return;
      const why = error instanceof Error ? error.message : String(error);
      const line = { node: shown(from), why };
      if (error instanceof MeshError) log.debug("No answer for the core", line);
      else log.warn("Cannot answer for the core", line);
      this.#send(from, { type: "error", request, code: "unavailable", words: "It failed" });
    }
  }

  #takeCore(from: NodeKey, frame: Extract<Frame, { type: "answer" | "error" }>): void {
    const pending = this.#cores.get(frame.request);
    if (pending === undefined || pending.node !== from) return;
    if (frame.type === "answer" && frame.body.to === "core") pending.resolve(frame.body.body);
    else pending.reject(unreachable());
  }

  #setTimer(): void {
    const { clock, now } = this.#o;
    const at = this.node.due();
    // One that is earlier stays: requests begin and end much more often than their times are up.
    if (this.#isClosed || (this.#timer !== null && this.#timer.at <= at)) return;
    this.#timer?.registration[Symbol.dispose]();
    this.#timer = null;
    if (at === Infinity) return;
    const ms = Math.min(LONGEST, Math.max(0, at - now()));
    const registration = clock.after(ms, () => {
      this.#timer = null;
      this.#do(this.node.tick(now()));
    });
    this.#timer = { at, registration };
  }
}

function unreachable(): MeshError {
  return new MeshError("unavailable", "The node with the core is not reached", {
    outcome: "unknown",
  });
}

function shown(node: NodeKey): string {
  return node.slice(0, 12);
}
