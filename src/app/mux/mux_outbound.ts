import { onAbort } from "../../base/scope.ts";
import type { TtunError } from "../../base/errors.ts";
import { formatTarget, type ForwardTarget } from "../../base/target.ts";
import type { DatagramFlow, DatagramFlowEvents } from "../../contract/datagrams.ts";
import type { DialEvents } from "../../contract/dial.ts";
import type { Clock } from "../../contract/host.ts";
import type { OpenOptions, Outbound } from "../../contract/outbound.ts";
import type { Stream } from "../../contract/stream.ts";
import type { Mux } from "../../core/mux/mux.ts";
import { type Open, OpenKind } from "../../core/mux/frames.ts";
import type { MuxStream } from "../../core/mux/mux_stream.ts";
import { type Failure, failureOfSocks5 } from "../../core/proxy/failure.ts";
import { sleep } from "../loop/sleep.ts";
import { ConnectError } from "../net/connect_error.ts";
import { promised } from "../net/dial_events.ts";
import { openDatagramFlow } from "./datagram_flow.ts";
import type { EarlyOpens } from "./client_session.ts";
import type { StreamSession } from "./stream_session.ts";

/** Milliseconds that an open waits for a session: longer than a handshake, which may say more. */
const SESSION_MS = 15_000;

/** Longest wait for acknowledgements, and the interval of looks at them, in milliseconds. */
const DELIVERY_MS = 10_000;
const LOOK_MS = 20;

/** Opens that wait for a session, and those that may go along with its setup. */
const MOST_WAITING = 1024;
const MOST_EARLY = 16;

const EMPTY = new Uint8Array();

const NO_WAY = "the other end has no way there, or finds no address of the name";

/** Reasons of the other end that could not connect to a target. */
const WHY: Partial<Record<Failure, string>> = {
  denied: "the other end's rules do not permit it (--permit-open)",
  refused: "it refused the connection",
  timeout: "it did not answer in time",
  network_unreachable: NO_WAY,
  host_unreachable: NO_WAY,
};

/** Opens streams on the session that there is; without one they wait for it a while. */
export class MuxOutbound implements Outbound<ForwardTarget>, EarlyOpens {
  readonly #clock: Clock;
  readonly #waitMs: number;
  readonly #waiting = new Set<Opening>();
  #session: StreamSession | null = null;
  #isClosed = false;

  /** Opens wait `waitMs` milliseconds for a session; Infinity = as long as it takes. */
  constructor(clock: Clock, waitMs = SESSION_MS) {
    this.#clock = clock;
    this.#waitMs = waitMs;
  }

  /** Null: there is none for now. */
  useSession(session: StreamSession | null): void {
    this.#session = session;
    if (session === null) return;
    for (const opening of [...this.#waiting]) opening.begin(session);
  }

  get wait(): boolean {
    return this.#waiting.size > 0;
  }

  begin(session: Pick<StreamSession, "mux">): void {
    for (const opening of [...this.#waiting].slice(0, MOST_EARLY)) opening.beginEarly(session);
  }

  takeBack(): void {
    for (const opening of this.#waiting) opening.takeBack();
  }

  /** There will be no session any more. */
  close(): void {
    this.#isClosed = true;
    for (const opening of [...this.#waiting]) opening.fail("tunnel", "there is no server any more");
  }

  /** Resolves when the server has acknowledged all that was sent, or after DELIVERY_MS. */
  async delivered(signal: AbortSignal): Promise<void> {
    const until = this.#clock.now() + DELIVERY_MS;
    for (;;) { // what was written just now is sent after the first wait
      await sleep(this.#clock, LOOK_MS, signal);
      if (this.#unacknowledged === 0 || this.#clock.now() >= until) return;
    }
  }

  get #unacknowledged(): number {
    return this.#session?.mux.keptBytes ?? 0;
  }

  /** The server that there is carries datagrams. */
  get hasDatagrams(): boolean {
    return this.#session?.hasDatagrams === true;
  }

  /** Opens a flow of datagrams that say their targets; null = there can be none now. */
  readonly openDatagrams = (events: DatagramFlowEvents): DatagramFlow | null => {
    if (this.#session === null || !this.hasDatagrams) return null;
    const open: Open = { kind: OpenKind.udp, address: null };
    return openDatagramFlow(this.#session.mux, { open, clock: this.#clock }, events);
  };

  readonly open = (
    target: ForwardTarget,
    o: OpenOptions,
    events: DialEvents<Stream>,
  ): boolean | void => {
    return this.#ask(
      { kind: OpenKind.connect, address: target },
      formatTarget(target),
      o,
      events,
    );
  };

  /** Opens a stream to a service of the server's own. */
  openService(service: string, o: OpenOptions): Promise<Stream> {
    const open: Open = { kind: OpenKind.service, address: null, service };
    return promised((events) => this.#ask(open, service, o, events));
  }

  #ask(open: Open, to: string, o: OpenOptions, events: DialEvents<Stream>): boolean | void {
    const opening = new Opening(open, to, o, events, this.#waiting);
    if (this.#session !== null) return opening.begin(this.#session);
    if (this.#isClosed || this.#waiting.size >= MOST_WAITING) {
      return opening.fail("tunnel", "there is no connection to the server");
    }
    opening.wait(this.#clock, this.#waitMs);
  }
}

/** Opens a stream on a session that is there; `to` names its other end. */
export function openStream(
  mux: Mux,
  open: Open,
  to: string,
  o: OpenOptions,
  events: DialEvents<Stream>,
): boolean | void {
  return new Opening(open, to, o, events, new Set()).begin({ mux });
}

/** One open, from the request to the answer. */
class Opening {
  readonly #open: Open;
  /** Names the other end. */
  readonly #to: string;
  readonly #o: OpenOptions;
  readonly #events: DialEvents<Stream>;
  readonly #waiting: Set<Opening>;
  #timer: Disposable | null = null;
  #registration: Disposable | null = null;
  #stream: MuxStream | null = null;
  /** The answer was given, or nobody waits for one any more. */
  #isOver = false;

  constructor(
    open: Open,
    to: string,
    o: OpenOptions,
    events: DialEvents<Stream>,
    waiting: Set<Opening>,
  ) {
    this.#open = open;
    this.#to = to;
    this.#o = o;
    this.#events = events;
    this.#waiting = waiting;
  }

  wait(clock: Clock, ms: number): void {
    const { signal, cancel = signal } = this.#o;
    this.#waiting.add(this);
    const late = () => {
      this.#stream?.reset();
      this.fail("tunnel", "there is no connection to the server");
    };
    if (ms < Infinity) this.#timer = clock.after(ms, late);
    this.#registration = onAbort(cancel, this.#cancelled);
  }

  begin({ mux }: Pick<StreamSession, "mux">): boolean | void {
    this.#leave();
    if (this.#stream === null) {
      if (!mux.canOpen) return this.fail("exhausted", "the other end takes no more streams");
      this.#send(mux);
    }
    const { signal, cancel = signal } = this.#o;
    this.#registration = onAbort(cancel, this.#cancelled);
    return true;
  }

  /** Opens it on a session whose server has not answered yet, if it can: it waits on. */
  beginEarly({ mux }: Pick<StreamSession, "mux">): void {
    if (mux.canOpen) this.#send(mux);
  }

  /** Waits as before, for another session. */
  takeBack(): void {
    this.#stream = null;
  }

  #send(mux: Mux): void {
    const stream: MuxStream = mux.open(this.#open, this.#to, {
      opened: () => this.#opened(),
      refused: (code, error) => {
        if (this.#stream === stream) this.#refused(code, error);
      },
    });
    this.#stream = stream;
    const { early = EMPTY } = this.#o;
    if (early.length > 0) stream.writeNow(early);
  }

  #opened(): void {
    this.#leave();
    const stream = this.#stream!;
    this.#isOver = true;
    this.#lives(stream);
    this.#events.connected(stream);
  }

  /** The stream lives under the opener's signal. */
  #lives(stream: MuxStream): void {
    const registration = onAbort(this.#o.signal, () => stream.reset());
    stream.onOver = () => registration[Symbol.dispose]();
  }

  #refused(code: number | null, error: TtunError): void {
    if (code === null) this.fail("tunnel", error.message);
    else {
      const failure = failureOfSocks5(code);
      this.fail(failure, WHY[failure] ?? "the other end could not connect; its log says why");
    }
  }

  readonly #cancelled = (reason: unknown): void => {
    this.#leave();
    this.#stream?.reset();
    if (this.#isOver) return;
    this.#isOver = true;
    this.#events.failed(reason);
  };

  fail(failure: Failure, why: string): boolean | void {
    this.#leave();
    if (this.#isOver) return;
    this.#isOver = true;
    return this.#events.failed(new ConnectError(failure, `${this.#to}: ${why}`));
  }

  #leave(): void {
    this.#waiting.delete(this);
    this.#timer?.[Symbol.dispose]();
    this.#registration?.[Symbol.dispose]();
    this.#timer = this.#registration = null;
  }
}
