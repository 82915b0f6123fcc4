import { TtunError } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";
import type { Stream } from "../../contract/stream.ts";
import type { HttpAction } from "../../core/proxy/http/action.ts";
import type { HttpProxy } from "../../core/proxy/http/proxy.ts";
import type { Target } from "../../base/target.ts";
import { startClose } from "../../base/start_close.ts";
import { LOOK_MS, lossOf } from "../net/blocked.ts";
import { resetBehind } from "../net/delivered.ts";
import type { NameOwner } from "../net/dial_host.ts";
import { type Connect, connectTo, toConnectError } from "../net/direct_outbound.ts";
import { linger } from "../net/lingering_close.ts";
import type { RelayCount, RelayOptions, Relays } from "../net/relay.ts";
import { WriteQueue } from "../loop/write_queue.ts";

/** What the driver is told by others. */
export interface HttpDriverOptions {
  readonly relays: Relays;
  readonly connect: Connect;
  readonly signal: AbortSignal;
  /** On whose behalf names are resolved. */
  readonly client?: NameOwner;
  /** A target is about to be connected to: for the log. */
  readonly onTarget: (target: Target) => void;
  /** Why there is no connection to it. */
  readonly onRefused: (thrown: unknown) => void;
}

/**
 * Does for one client's connection what the machine says (core/proxy/http/proxy.ts). `first`: bytes
 * that have come already. Nothing is read for which there would be no place to write it. Returns
 * what it has written to each side.
 * @throws {TtunError} lost, timeout
 */
export async function driveHttp(
  client: Stream,
  machine: HttpProxy,
  first: Uint8Array,
  o: HttpDriverOptions,
): Promise<RelayCount> {
  await using driver = new HttpDriver(client, machine, o);
  const { cut } = o.relays.options;
  using _cut = cut === undefined ? null : onAbort(cut, () => driver.reset());
  await driver.run(first);
  return driver.count;
}

/** A stream that is read when the machine wants it. */
interface Side {
  readonly stream: Stream;
  readonly sink: WriteQueue;
  /** Whether a read may have something: false while a call back is awaited. */
  mayRead: boolean;
  hasEnded: boolean;
}

const NOTHING = new Uint8Array();

/** After so many bytes without a wait the other connections have a turn. */
const BUDGET = 1024 * 1024;

/** How long a target has to take what was written to it before the machine closed it. */
const LET_GO_MS = 10_000;

type Ending = Extract<HttpAction, { kind: "endClient" | "raw" }>;

class HttpDriver implements AsyncDisposable {
  readonly count: RelayCount = { up: 0, down: 0 };
  readonly #machine: HttpProxy;
  readonly #o: HttpDriverOptions;
  readonly #shared: RelayOptions;
  readonly #client: Side;
  #target: Side | null = null;
  /** What is being connected to; a later answer than its own end is not its own. */
  #connecting: AbortController | null = null;
  #end: Ending | null = null;
  #failure: { error: unknown } | null = null;
  #bell = Promise.withResolvers<void>();
  #last: number;
  /** Bytes since the last wait. */
  #spent = 0;

  constructor(client: Stream, machine: HttpProxy, o: HttpDriverOptions) {
    this.#machine = machine;
    this.#o = o;
    this.#shared = o.relays.options;
    this.#client = this.#side(client);
    this.#last = this.#shared.clock.now();
  }

  #side(stream: Stream): Side {
    return {
      stream,
      sink: new WriteQueue(stream, () => this.#ring()),
      mayRead: true,
      hasEnded: false,
    };
  }

  readonly #ring = (): void => this.#bell.resolve();

  async run(first: Uint8Array): Promise<void> {
    try {
      await this.#run(first);
    } catch (error) {
      this.#letTargetGo("reset"); // it must not take that for an end
      throw error;
    }
  }

  async #run(first: Uint8Array): Promise<void> {
    this.#perform(this.#machine.fromClient(first));
    for (;;) {
      if (this.#failure !== null) throw this.#failure.error;
      if (this.#end !== null) return await this.#finish(this.#end);
      this.#bell = Promise.withResolvers<void>();
      if (!this.#step()) await this.#wait();
      else if (this.#spent >= BUDGET) {
        this.#spent = 0;
        await this.#shared.clock.turn();
      }
    }
  }

  /** The bell, or the end of patience. */
  async #wait(): Promise<void> {
    const { clock } = this.#shared;
    this.#o.signal.throwIfAborted();
    this.#spent = 0;
    const now = clock.now();
    const left = this.#last + this.#patience - now;
    if (left <= 0) return this.#giveUp();
    // A client that is held back, or has ended, is not read, and would be gone unheard.
    const isBlocked = this.#client.hasEnded ||
      (this.#target?.sink.isBusy === true && this.#machine.wantsClient);
    const most = isBlocked ? Math.min(left, LOOK_MS) : left;
    using _timer = most === Infinity ? null : clock.after(most, this.#ring);
    await this.#bell.promise;
    if (!isBlocked || clock.now() - now < LOOK_MS) return;
    const error = lossOf(this.#client.stream);
    if (error !== null) throw error;
  }

  /** Milliseconds of silence that are borne: fewer once the client has ended. */
  get #patience(): number {
    const { idleMs, halfClosedMs = idleMs } = this.#shared;
    return this.#client.hasEnded ? Math.min(idleMs, halfClosedMs) : idleMs;
  }

  /** Nobody has sent anything for long. */
  #giveUp(): void {
    if (!this.#machine.wantsTarget) {
      throw new TtunError(
        "timeout",
        `Closed a connection that was idle for ${this.#patience / 1000} s`,
      );
    }
    this.#last = this.#shared.clock.now();
    this.#perform(this.#machine.targetEnded("timeout"));
  }

  /** Reads each side once, as far as it is wanted; false when there was nothing. */
  #step(): boolean {
    const client = this.#client;
    const target = this.#target;
    if (client.sink.failure !== null) throw client.sink.failure.error;
    let any = false;
    if (this.#machine.wantsClient && target?.sink.isBusy !== true) {
      any = this.#read(client, (got) => {
        if (got !== null) return this.#machine.fromClient(got);
        return this.#machine.clientEnded();
      });
    }
    if (this.#end !== null || target !== this.#target) return true;
    if (target === null) return any;
    // Where it takes no more it may have said why: it is read to its end (RFC 9112 section 9.5).
    if (this.#machine.wantsTarget && !client.sink.isBusy) {
      any = this.#readTarget(target) || any;
    }
    return any;
  }

  #readTarget(target: Side): boolean {
    try {
      return this.#read(target, (got) => {
        if (got !== null) return this.#machine.fromTarget(got);
        return this.#machine.targetEnded("clean");
      });
    } catch (error) {
      if (!(error instanceof TtunError)) throw error;
      this.#perform(this.#machine.targetEnded("reset"));
      return true;
    }
  }

  #read(side: Side, use: (got: Uint8Array | null) => HttpAction[]): boolean {
    if (!side.mayRead || side.hasEnded) return false;
    const { scratch, clock } = this.#shared;
    const got = side.stream.readNow(scratch.plain);
    if (got === undefined) {
      side.mayRead = false;
      side.stream.onReadable(() => {
        side.mayRead = true;
        this.#ring();
      });
      return false;
    }
    if (got === null) side.hasEnded = true;
    else this.#spent += got;
    this.#last = clock.now();
    this.#perform(use(got === null ? null : scratch.plain.subarray(0, got)));
    return true;
  }

  #perform(actions: HttpAction[]): void {
    for (const action of actions) {
      switch (action.kind) {
        case "connect":
          this.#connect(action.target);
          break;
        case "toClient":
          this.#toClient(action.bytes);
          break;
        case "toTarget":
          this.#toTarget(action.bytes);
          break;
        case "endTarget":
          this.#target?.sink.end();
          break;
        case "closeTarget":
          this.#closeTarget();
          break;
        case "raw": // its bytes are lent for this call only
          this.#toClient(action.toClient);
          this.#toTarget(action.toTarget);
          this.#end = action;
          break;
        case "endClient":
          this.#end = action;
          break;
        default:
          action satisfies never;
      }
    }
  }

  #toClient(bytes: Uint8Array): void {
    this.count.down += bytes.length;
    this.#client.sink.write(bytes);
  }

  #toTarget(bytes: Uint8Array): void {
    this.count.up += bytes.length;
    this.#target?.sink.write(bytes);
  }

  #connect(target: Target): void {
    const own = this.#connecting = new AbortController();
    this.#o.onTarget(target);
    const isMine = () => this.#connecting === own;
    const signal = AbortSignal.any([this.#o.signal, own.signal]);
    const early = this.#machine.early ?? NOTHING;
    connectTo(this.#o.connect, target, { signal, early, client: this.#o.client }).then((stream) => {
      if (!isMine()) return startClose(stream);
      this.#connecting = null;
      this.#target = this.#side(stream);
      this.#last = this.#shared.clock.now();
      this.count.up += early.length;
      this.#perform(this.#machine.connected(early.length > 0));
    }, (thrown) => {
      if (!isMine()) return;
      if (!signal.aborted) this.#o.onRefused(thrown);
      this.#connecting = null;
      this.#perform(this.#machine.connectFailed(toConnectError(thrown, target).failure));
    }).catch((error) => void (this.#failure = { error })).finally(this.#ring);
  }

  #closeTarget(): void {
    this.#connecting?.abort();
    this.#connecting = null;
    this.#letTargetGo("clean");
  }

  #letTargetGo(how: "clean" | "reset"): void {
    const target = this.#target;
    this.#target = null;
    if (target !== null) void this.#letGo(target, how); // each of its steps handles its failure
  }

  /** What was written to it shall arrive, if it still can: who never reads is waited for a while. */
  async #letGo({ stream, sink }: Side, how: "clean" | "reset"): Promise<void> {
    const { clock } = this.#shared;
    using _timer = clock.after(LET_GO_MS, () => stream.reset());
    const flushed = sink.flushed();
    if (how === "clean") await flushed.then(() => stream.closeWrite()).catch(() => {});
    else await flushed.then(() => resetBehind(stream, clock)).catch(() => stream.reset());
    await stream[Symbol.asyncDispose]();
  }

  async #finish(end: Ending): Promise<void> {
    const { stream, sink } = this.#client;
    if (end.kind === "endClient") {
      if (end.how === "reset") return await this.#reset();
      await this.#inTime(async () => {
        await sink.flushed();
        await stream.closeWrite();
      });
      return this.#client.hasEnded ? undefined : await linger(stream, this.#shared.clock);
    }
    const target = this.#target!;
    // A target that takes no more is found out again by the relay.
    const toTarget = target.sink.flushed().catch(() => {});
    await this.#inTime(() => Promise.all([sink.flushed(), toTarget]));
    await this.#o.relays.run(stream, target.stream, this.count);
  }

  /** Behind what the client was given: it must not take that for whole, nor lose it. */
  async #reset(): Promise<void> {
    const { stream, sink } = this.#client;
    await this.#inTime(() => sink.flushed());
    await resetBehind(stream, this.#shared.clock);
  }

  /** Last writes, each to somebody who may never read. */
  async #inTime(write: () => Promise<unknown>): Promise<void> {
    const { clock, idleMs } = this.#shared;
    using _timer = idleMs === Infinity ? null : clock.after(idleMs, () => this.reset());
    await write();
  }

  /** Of both sides. */
  reset(): void {
    this.#client.stream.reset();
    this.#target?.stream.reset();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connecting?.abort();
    this.#connecting = null;
    await this.#target?.stream[Symbol.asyncDispose]();
  }
}
