import type { HostPort } from "../../base/addr.ts";
import { TtunError, UnreachableError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { onAbort } from "../../base/scope.ts";
import { startClose } from "../../base/start_close.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Dialer, Listener } from "../../contract/dial.ts";
import type { Clock, Rng } from "../../contract/host.ts";
import { CONNECT_MS, Punch, punchFailureWords, type PunchStep } from "../../core/punch/punch.ts";
import { acceptLoop } from "../net/accept_loop.ts";

export interface PunchTools {
  readonly peer: HostPort;
  readonly deadlineMs: number;
  /** Connects from the port on which `listener` listens; the caller's. */
  readonly dialer: Dialer;
  readonly listener: Listener;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  /** The connection lives under it. */
  readonly signal: AbortSignal;
}

/** Connects to a peer that does the same. @throws {TtunError} unreachable, at the deadline */
export function punch(tools: PunchTools): Promise<Connection> {
  return new Promise((resolve, reject) => new Punching(tools, { resolve, reject }).begin());
}

interface Settle {
  resolve(stream: Connection): void;
  reject(error: unknown): void;
}

class Punching {
  readonly #o: PunchTools;
  readonly #settle: Settle;
  readonly #machine: Punch;
  readonly #stack = new DisposableStack();
  #timer: Disposable | null = null;
  /** Gives up the connect that is under way. */
  #attempt: AbortController | null = null;

  constructor(o: PunchTools, settle: Settle) {
    this.#o = o;
    this.#settle = settle;
    const chance = () => o.rng(1)[0]! / 256;
    this.#machine = new Punch({ peer: o.peer, deadlineMs: o.deadlineMs, chance });
  }

  begin(): void {
    const { clock, signal } = this.#o;
    this.#stack.use(onAbort(signal, (reason) => this.#end(() => this.#settle.reject(reason))));
    if (this.#stack.disposed) return;
    this.#accept();
    this.#perform(this.#machine.begin(clock.now()));
  }

  get #isOver(): boolean {
    return this.#stack.disposed;
  }

  /** `stream`: the connection that the steps are about. */
  #perform(steps: readonly PunchStep[], stream: Connection | null = null): void {
    for (const step of steps) {
      if (this.#isOver && step.kind !== "drop") continue;
      switch (step.kind) {
        case "connect":
          this.#connect();
          break;
        case "drop":
          startClose(stream!);
          break;
        case "won":
          this.#o.log.debug("there is a connection", { attempts: this.#machine.attempts });
          this.#end(() => this.#settle.resolve(stream!));
          break;
        case "failed": {
          const words = punchFailureWords(this.#o, step.why);
          this.#end(() => this.#settle.reject(new UnreachableError("host", words)));
        }
      }
    }
    this.#schedule();
  }

  #schedule(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
    if (this.#isOver) return;
    const { clock } = this.#o;
    const wait = Math.max(0, this.#machine.dueAt - clock.now());
    this.#timer = clock.after(wait, () => {
      this.#timer = null;
      this.#perform(this.#machine.tick(clock.now()));
    });
  }

  #connect(): void {
    const { clock, dialer, peer, signal } = this.#o;
    const attempt = this.#attempt = new AbortController();
    const events = {
      connected: (stream: Connection) => this.#perform(this.#machine.connected(), stream),
      failed: (error: unknown) => {
        if (attempt.signal.aborted || this.#isOver) return;
        this.#machine.connectFailed(howFailed(error), clock.now());
        this.#schedule();
      },
    };
    dialer.start(peer, { signal, cancel: attempt.signal, timeoutMs: CONNECT_MS }, events);
  }

  /** A flood of foreign connections leaves the schedule its turns, and a lack of descriptors passes. */
  #accept(): void {
    const { listener, signal, clock, log } = this.#o;
    const over = new AbortController();
    this.#stack.defer(() => over.abort(new TtunError("lost", "Cannot accept: the punch is over")));
    const source: Listener = {
      addr: listener.addr,
      acceptNow: () => this.#isOver ? null : listener.acceptNow({ signal }),
      onAcceptable: (run) => listener.onAcceptable(run),
      [Symbol.asyncDispose]: () => listener[Symbol.asyncDispose](),
    };
    const take = (stream: Connection) => {
      const { remote } = stream;
      const from = "host" in remote ? remote : { host: "", port: 0 };
      this.#perform(this.#machine.accepted(from), stream);
    };
    const evictIdle = () => false;
    acceptLoop({ listener: source, clock, log, signal: over.signal, take, evictIdle })
      .catch((error) => this.#end(() => this.#settle.reject(error)));
  }

  #end(settle: () => void): void {
    if (this.#isOver) return;
    this.#timer?.[Symbol.dispose]();
    this.#stack.dispose();
    this.#attempt?.abort(new TtunError("lost", "Gave up: the connection came the other way"));
    settle();
  }
}

export function howFailed(error: unknown): "refused" | "unanswered" | "unsent" {
  if (error instanceof TtunError && error.kind === "timeout") return "unanswered";
  const wasSent = error instanceof UnreachableError && error.reason !== "network";
  return wasSent ? "refused" : "unsent";
}
