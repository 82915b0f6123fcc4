import type { Addr } from "../../base/addr.ts";
import { type ErrorKind, toTtunError, TtunError } from "../../base/errors.ts";
import { onAbort, type Scope, scope } from "../../base/scope.ts";
import { startClose } from "../../base/start_close.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Listener } from "../../contract/dial.ts";
import type { OnReady } from "../../contract/stream.ts";
import type { EndAddress } from "../../core/meet/messages.ts";
import { meetingIdOfNumber } from "../../core/meet/meeting_id.ts";
import { Backoff } from "../../core/net/backoff.ts";
import type { Signal } from "../meet/meet.ts";
import { sleep } from "../loop/sleep.ts";
import { raceCandidates } from "../punch/candidate_race.ts";
import { type MeetingOptions, peerCandidates } from "./meeting_options.ts";
import { findOwnAddress } from "./own_address.ts";
import { RelayedConnection } from "./relayed_connection.ts";
import { ViaSession } from "./via_session.ts";

/** Connections that nobody has accepted; more are closed. */
const MOST_WAITING = 64;

/** Signals that are followed at once, and milliseconds that one more takes: each costs connects. */
const SIGNALS = 10;
const SIGNAL_MS = 15_000;

/** Failures to reach a server that may be there later. */
const ABSENCES: readonly ErrorKind[] = ["unreachable", "timeout", "lost", "name", "busy"];

export interface MeetingListenOptions extends MeetingOptions {
  /** Names the meeting: 16 bytes. Null = the server gives it a number. */
  readonly id: Uint8Array | null;
  /** Called when the meeting is there, with its number; 0 = `id` names it. */
  readonly onMeeting?: (number: number) => void;
  /**
   * Called when the server cannot be reached at the beginning; it is tried again and again then.
   * Absent = that is the end.
   */
  readonly onAbsent?: () => void;
  /** The listener and its connections live under it. */
  readonly signal: AbortSignal;
}

/**
 * Waits at a meeting for ends that dial (`openMeetingDialer`), and gives the connections with them
 * that were made from here, or go through the server. Those that they make come to a listener on
 * the same port. A connection may be a wrong machine's: its handshake tells. When the server cannot
 * be reached at the beginning, `acceptNow` throws why, unless the owner goes on without
 * (`onAbsent`); later it is tried again and again.
 */
export function openMeetingListener(o: MeetingListenOptions): Listener {
  return new MeetingListener(o);
}

class MeetingListener implements Listener {
  readonly addr: Addr;
  readonly #o: MeetingListenOptions;
  readonly #stop = new AbortController();
  readonly #registration: Disposable;
  readonly #end: Uint8Array;
  readonly #backoff = new Backoff();
  readonly #queue: Connection[] = [];
  readonly #running: Promise<void>;
  #id: Uint8Array | null;
  #waiter: OnReady | null = null;
  #failure: { readonly error: unknown } | null = null;
  /** It has been at the meeting. */
  #wasThere = false;
  #signals = SIGNALS;
  #signalsAt: number;

  constructor(o: MeetingListenOptions) {
    this.#o = o;
    this.addr = { host: "", port: o.port };
    this.#id = o.id;
    this.#end = o.rng(16);
    this.#signalsAt = o.clock.now();
    this.#registration = onAbort(o.signal, (reason) => this.#stop.abort(reason));
    this.#running = this.#run().catch((error) => this.#fail(error));
  }

  acceptNow({ signal }: { signal: AbortSignal }): Connection | null {
    if (this.#failure !== null) throw this.#failure.error;
    signal.throwIfAborted();
    return this.#queue.shift() ?? null;
  }

  onAcceptable(run: OnReady): void {
    if (this.#failure !== null) throw this.#failure.error;
    this.#waiter = run;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new TtunError("lost", "Cannot accept: the listener has been closed"));
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, log, rng } = this.#o;
    for (;;) {
      try {
        await scope(this.#stop.signal, (tasks) => tasks.spawn(() => this.#attend(tasks)));
      } catch (thrown) {
        this.#stop.signal.throwIfAborted();
        const error = toTtunError(thrown);
        if (!this.#mayComeBack(error)) throw error;
        if (!this.#wasThere) this.#o.onAbsent?.();
        const pause = this.#backoff.pause(rng(1)[0]! / 256);
        log.warn(error.message, { retry_in_seconds: Math.round(pause / 100) / 10 });
        await sleep(clock, pause, this.#stop.signal);
      }
    }
  }

  #mayComeBack({ kind }: TtunError): boolean {
    if (this.#wasThere) return kind !== "internal";
    return this.#o.onAbsent !== undefined && ABSENCES.includes(kind);
  }

  /** Runs over one connection with the server, until that ends. */
  async #attend(tasks: Scope): Promise<void> {
    const { clock, log, via: server } = this.#o;
    await using via = new ViaSession({ ...server, clock, log }, this.#stop.signal);
    let own: EndAddress | null = null;
    for (;;) own = await this.#meet(via, tasks, own);
  }

  /**
   * Stays at the meeting until a pair is relayed, and its stream is that pair's, or for an hour in
   * which nobody comes. `known`: what an earlier stay has returned, over the same connection.
   */
  async #meet(via: ViaSession, tasks: Scope, known: EndAddress | null): Promise<EndAddress> {
    const { clock, log, onMeeting, via: { name } } = this.#o;
    const { signal } = tasks;
    using owned = new DisposableStack();
    const join = { side: "listens", id: this.#id, end: this.#end, clock, signal } as const;
    const meeting = owned.adopt(await via.join(join), startClose);
    if (this.#id === null) this.#id = meetingIdOfNumber(meeting.number);
    const own = known ?? await findOwnAddress(this.#o, meeting, signal);
    await meeting.ready(own);
    if (!this.#wasThere) {
      log.debug("at the server where both ends meet", { via: name });
      onMeeting?.(meeting.number);
    }
    this.#wasThere = true;
    this.#backoff.restart();
    let race = new AbortController();
    owned.defer(() => race.abort());
    for (;;) {
      const news = await meeting.news();
      race.abort();
      race = new AbortController();
      switch (news.kind) {
        case "signal":
          this.#punch(news, tasks, race.signal);
          break;
        case "relayed":
          owned.move();
          log.warn("no direct connection: it goes through the relay of the server", { via: name });
          this.#take(new RelayedConnection(meeting.stream, name, null));
          return own;
        case "late": // nobody has come for an hour
          return own;
        case "gone":
        case "noRelay":
          log.debug("the other end has left the meeting");
      }
    }
  }

  #punch({ at, peer }: Signal, tasks: Scope, cancel: AbortSignal): void {
    const { clock, dialer, log, rng } = this.#o;
    if (!this.#takeSignal()) return log.warn("others come too often: not connecting to this one");
    tasks.spawn(async () => {
      const facts = await raceCandidates({
        ...{ dialer, clock, rng, startAt: at, signal: this.#stop.signal },
        cancel: AbortSignal.any([cancel, tasks.signal]),
        candidates: peerCandidates(this.#o, peer),
        take: (stream) => this.#take(stream),
      });
      if (!cancel.aborted) log.debug("no direct connection so far", { ...facts });
    });
  }

  /** Nobody who knows the meeting can have this end connect to one address after the other. */
  #takeSignal(): boolean {
    const now = this.#o.clock.now();
    this.#signals = Math.min(SIGNALS, this.#signals + (now - this.#signalsAt) / SIGNAL_MS);
    this.#signalsAt = now;
    if (this.#signals < 1) return false;
    this.#signals--;
    return true;
  }

  #take(stream: Connection): void {
    if (this.#queue.length >= MOST_WAITING || this.#stop.signal.aborted) return stream.reset();
    this.#queue.push(stream);
    this.#wake();
  }

  #wake(): void {
    const run = this.#waiter;
    this.#waiter = null;
    run?.();
  }

  #fail(error: unknown): void {
    this.#failure = { error };
    this.#registration[Symbol.dispose]();
    for (const stream of this.#queue.splice(0)) stream.reset();
    this.#wake();
  }
}
