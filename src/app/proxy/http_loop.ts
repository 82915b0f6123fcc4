import { TtunError } from "../../base/errors.ts";
import type { Target } from "../../base/target.ts";
import type { OnReady, Stream } from "../../contract/stream.ts";
import type { HttpAction } from "../../core/proxy/http/action.ts";
import { HttpProxy } from "../../core/proxy/http/proxy.ts";
import { DONE, ReadyLoop, WOULD_BLOCK } from "../loop/ready_loop.ts";
import { LOOK_MS, lossOf } from "../net/blocked.ts";
import { toConnectError } from "../net/connect_error.ts";
import type { RelayCount, RelayOptions } from "../net/relay.ts";
import type { ServedEvents } from "../net/served_events.ts";
import { HttpAttempt } from "./http_attempt.ts";
import { closeTarget } from "./http_close.ts";
import { HttpSide } from "./http_side.ts";
import type { InboundOptions } from "./inbound_options.ts";

const EMPTY = new Uint8Array();

/** Bytes without a wait after which other connections get a turn. */
const BUDGET = 1024 * 1024;

/** Ends the client's connection or hands it to a relay. */
export type HttpEnding = Extract<HttpAction, { kind: "endClient" | "raw" }>;

/**
 * Serves an HTTP client as the state machine says (core/proxy/http/proxy.ts).
 * A side is read only while the other one accepts what comes of it.
 */
export abstract class HttpLoop extends ReadyLoop {
  protected readonly o: InboundOptions;
  protected readonly events: ServedEvents;
  protected readonly client: HttpSide;
  protected target: HttpSide | null = null;
  /** Bytes written to either side. */
  protected readonly count: RelayCount = { up: 0, down: 0 };
  /** Set when the machine is over. */
  protected ending: HttpEnding | null = null;
  readonly #machine: HttpProxy;
  readonly #shared: RelayOptions;
  #attempt: HttpAttempt | null = null;
  /** Null while the loop runs, waits for its turn, or has ended. */
  #run: OnReady | null = null;
  #isPromised = false;
  /** Time of a side's last byte or end, or of the last wait's beginning. */
  #last: number;
  #waitingSince: number;
  #timer: Disposable | null = null;
  /** Runs until the first request is complete. */
  #deadline: Disposable | null = null;

  constructor(client: Stream, o: InboundOptions, events: ServedEvents) {
    const shared = o.relays.options;
    super(shared.clock, BUDGET);
    this.o = o;
    this.events = events;
    this.client = new HttpSide(client, this.#wake);
    this.#machine = new HttpProxy({ auth: o.auth, ownPage: o.ownPage });
    this.#shared = shared;
    this.#last = this.#waitingSince = shared.clock.now();
  }

  /** `first` is lent for this call. Returns true as OnReady does. */
  begin(first: Uint8Array): boolean {
    const { clock } = this.#shared;
    this.#deadline = clock.after(this.o.requestMs, () => this.client.stream.reset());
    try {
      this.#perform(this.#machine.fromClient(first));
    } catch (error) {
      this.failed(error);
      return false;
    }
    return this.go();
  }

  readonly #wake = (): boolean => {
    const run = this.#run;
    this.#run = null;
    this.#timer?.[Symbol.dispose]();
    return run === null || run() === true;
  };

  protected step(): number {
    const { failure } = this.client.sink;
    if (failure !== null) throw failure.error;
    if (this.ending !== null) return DONE;
    if (this.#takeOutcome()) return 0;
    const up = this.#readClient();
    if (this.ending !== null) return DONE;
    const down = this.#readTarget();
    if (up !== WOULD_BLOCK || down !== WOULD_BLOCK) return Math.max(up, 0) + Math.max(down, 0);
    return this.#isPatient() ? WOULD_BLOCK : 0;
  }

  #takeOutcome(): boolean {
    const attempt = this.#attempt;
    if (attempt === null) return false;
    const { stream, failure, target, early } = attempt;
    if (stream !== null) {
      this.#attempt = null;
      this.target = new HttpSide(stream, this.#wake);
      this.#last = this.#shared.clock.now();
      this.o.relays.addUp(this.count, early.length);
      this.#perform(this.#machine.connected(early.length > 0));
    } else if (failure !== null) {
      this.#attempt = null;
      if (!this.o.signal.aborted) this.events.onRefused(failure.error);
      const { failure: reason } = toConnectError(failure.error, target);
      this.#perform(this.#machine.connectFailed(reason));
    } else return false;
    return true;
  }

  #readClient(): number {
    if (!this.#machine.wantsClient || this.target?.sink.isBusy === true) return WOULD_BLOCK;
    const got = this.#read(this.client);
    if (got === undefined) return WOULD_BLOCK;
    if (got === null) this.#perform(this.#machine.clientEnded());
    else this.#perform(this.#machine.fromClient(this.#shared.scratch.plainTo(got)));
    return got ?? 0;
  }

  /** A target that accepts no more may have said why: read to its end (RFC 9112 section 9.5). */
  #readTarget(): number {
    const target = this.target;
    if (target === null || !this.#machine.wantsTarget || this.client.sink.isBusy) {
      return WOULD_BLOCK;
    }
    try {
      const got = this.#read(target);
      if (got === undefined) return WOULD_BLOCK;
      if (got === null) this.#perform(this.#machine.targetEnded("clean"));
      else this.#perform(this.#machine.fromTarget(this.#shared.scratch.plainTo(got)));
      return got ?? 0;
    } catch (error) {
      if (!(error instanceof TtunError)) throw error;
      this.#perform(this.#machine.targetEnded("reset"));
      return 0;
    }
  }

  #read(side: HttpSide): number | null | undefined {
    const got = side.readNow(this.#shared.scratch.plain);
    if (got !== undefined) this.#last = this.#shared.clock.now();
    return got;
  }

  /** Returns false if a silent target was given up, which the machine answers for. */
  #isPatient(): boolean {
    this.o.signal.throwIfAborted();
    const now = this.#shared.clock.now();
    if (now >= this.#last + this.#idleMs) {
      if (!this.#machine.wantsTarget) {
        const words = `Closed a connection that was idle for ${this.#idleMs / 1000} s`;
        throw new TtunError("timeout", words);
      }
      this.#last = now;
      this.#perform(this.#machine.targetEnded("timeout"));
      return false;
    }
    if (!this.#isClientRead && now >= this.#waitingSince + LOOK_MS) {
      const error = lossOf(this.client.stream);
      if (error !== null) throw error;
    }
    return true;
  }

  get #idleMs(): number {
    const { idleMs, halfClosedMs = idleMs } = this.#shared;
    return this.client.hasEnded ? Math.min(idleMs, halfClosedMs) : idleMs;
  }

  /** False while the target holds the client back, and after its end: no read finds a reset. */
  get #isClientRead(): boolean {
    if (this.client.hasEnded) return false;
    return this.target?.sink.isBusy !== true || !this.#machine.wantsClient;
  }

  protected onReady(run: OnReady): boolean {
    const { clock } = this.#shared;
    this.#run = run;
    this.#waitingSince = clock.now();
    const left = this.#last + this.#idleMs - this.#waitingSince;
    const most = this.#isClientRead ? left : Math.min(left, LOOK_MS);
    this.#timer = most === Infinity ? null : clock.after(most, this.#wake);
    const isPromised = this.#isPromised;
    this.#isPromised = false;
    return !isPromised;
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
          if (this.target?.sink.end() === false) this.#isPromised = true;
          break;
        case "closeTarget":
          this.#attempt?.drop();
          this.#attempt = null;
          this.closeTarget("clean");
          break;
        case "raw": // its bytes are lent for this call only
          this.#toClient(action.toClient);
          this.#toTarget(action.toTarget);
          this.ending = action;
          break;
        case "endClient":
          this.ending = action;
          break;
        default:
          action satisfies never;
      }
    }
  }

  #toClient(bytes: Uint8Array): void {
    this.o.relays.addDown(this.count, bytes.length);
    this.client.sink.write(bytes);
  }

  #toTarget(bytes: Uint8Array): void {
    this.o.relays.addUp(this.count, bytes.length);
    this.target?.sink.write(bytes);
  }

  #connect(target: Target): void {
    this.#deadline?.[Symbol.dispose]();
    this.events.onTarget(target);
    const attempt = new HttpAttempt(target, this.#machine.early ?? EMPTY, this.#wake);
    this.#attempt = attempt;
    const { outbound, signal } = this.o;
    if (attempt.start(outbound, { signal, client: this.events }) !== true) this.#isPromised = true;
  }

  protected closeTarget(how: "clean" | "reset"): void {
    const target = this.target;
    if (target === null) return;
    this.target = null;
    this.#isPromised = true;
    void closeTarget(target, how, this.#shared.clock); // each of its steps handles its failure
  }

  /** Ends the deadline and an attempt to connect; the sides stay open. */
  protected release(): void {
    this.#deadline?.[Symbol.dispose]();
    this.#attempt?.drop();
    this.#attempt = null;
  }
}
