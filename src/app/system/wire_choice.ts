import { toTtunError, TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { onAbort } from "../../base/scope.ts";
import type { Target } from "../../base/target.ts";
import type { Connection } from "../../contract/connection.ts";
import type { DialEvents } from "../../contract/dial.ts";
import type { Clock } from "../../contract/host.ts";
import type { OpenOptions, Outbound } from "../../contract/outbound.ts";
import type { Stream } from "../../contract/stream.ts";
import { CloseCode } from "../../core/link/v2/frames.ts";
import { PeerClosed } from "../../core/link/v2/handshake.ts";
import { sleep } from "../loop/sleep.ts";
import { ConnectError } from "../net/connect_error.ts";
import type { Meeting, Reach } from "../net/reach.ts";
import { noWay } from "../tt/server_errors.ts";

/** Milliseconds, beside two round trips, in which a server of version 2 has answered. */
const ANSWER_MS = 1_000;

/** Milliseconds that stand for the round trip where the system does not tell it. */
const UNKNOWN_RTT = 500;

/** Milliseconds until version 2 is tried again with a server that did not answer it. */
const TT_MS = 600_000;

/** Milliseconds that a program waits for the server, and how many wait. */
const WAIT_MS = 15_000;
const MOST_WAITING = 1024;

/** Sessions of version 2 with the server. */
export interface LinkWay {
  readonly outbound: Outbound;
  readonly isConnected: boolean;
  /** Connects soon, if it is about to. */
  hurry(): void;
}

export interface WireChoiceOptions {
  readonly reach: Reach;
  /** The other way to the server; null = version 2 alone is spoken. */
  readonly tt: Outbound | null;
  readonly clock: Clock;
  readonly log: Logger;
  /** The server does not answer version 2: tt is spoken with it. */
  readonly onTt: () => void;
}

/**
 * A client's way to targets through a server that may speak tt alone, which is found out by its
 * silence (docs/wire/link-v2.md, "Hello"). A server that has spoken version 2 once is spoken to in
 * nothing else.
 */
export class WireChoice implements Outbound {
  readonly #o: WireChoiceOptions;
  readonly #waiting = new Set<Waiting>();
  #wire: "unknown" | "tt" | "v2";
  #link: LinkWay | null = null;
  /** When version 2 is tried again. */
  #ttUntil = 0;

  constructor(o: WireChoiceOptions) {
    this.#o = o;
    this.#wire = o.tt === null ? "v2" : "unknown";
  }

  /** `link` connects by `reach`. Programs wait for it. */
  use(link: LinkWay): void {
    this.#link = link;
  }

  readonly open = (
    target: Target,
    o: OpenOptions,
    events: DialEvents<Stream>,
  ): boolean | void => {
    if (this.#wire === "tt") return this.#o.tt!.open(target, o, events);
    const link = this.#link;
    if (link?.isConnected === true) return link.outbound.open(target, o, events);
    if (this.#waiting.size >= MOST_WAITING) {
      return events.failed(new ConnectError("tunnel", "there is no connection to the server"));
    }
    new Waiting(target, o, events, this.#waiting, this.#o.clock);
    link?.hurry();
  };

  /** The server speaks version 2. */
  get isLink(): boolean {
    return this.#wire === "v2" && this.#link !== null;
  }

  /** Connects to the server for sessions of version 2; waits for as long as tt is spoken. */
  readonly reach: Reach = async (meeting) => {
    const { clock } = this.#o;
    for (;;) {
      if (this.#wire === "tt") await sleep(clock, this.#ttUntil - clock.now(), meeting.signal);
      try {
        const met = await (this.#wire === "v2" ? this.#o.reach(meeting) : this.#find(meeting));
        this.#release(this.#link!.outbound);
        return met;
      } catch (thrown) {
        meeting.signal.throwIfAborted();
        if (this.#wire === "v2" || this.#wire === "unknown" && !(thrown instanceof Unanswered)) {
          // A client whose session is over connects again at once, for a new one.
          if (!isUnknownSession(thrown)) {
            const error = noWay(toTtunError(thrown));
            for (const one of [...this.#waiting]) one.fail(error);
          }
          throw thrown;
        }
        this.#speakTt();
      }
    }
  };

  #speakTt(): void {
    const { clock, log, onTt, tt } = this.#o;
    this.#ttUntil = clock.now() + TT_MS;
    if (this.#wire === "tt") return;
    this.#wire = "tt";
    log.info("the server does not answer version 2 of the link: tt is spoken (--wire)");
    onTt();
    this.#release(tt!);
  }

  #release(outbound: Outbound): void {
    for (const one of [...this.#waiting]) one.begin(outbound);
  }

  /** @throws {Unanswered} if the server accepts a connection, and does not answer on it */
  async #find<T>(meeting: Meeting<T>): Promise<T> {
    const silence = new AbortController();
    const signal = AbortSignal.any([meeting.signal, silence.signal]);
    const meet = async (stream: Connection, proved: () => boolean): Promise<T> => {
      const rtt = stream.stats().rttMs ?? UNKNOWN_RTT;
      const unanswered = () => silence.abort(new Unanswered(stream.peer));
      using timer = this.#o.clock.after(ANSWER_MS + 2 * rtt, unanswered);
      try {
        return await meeting.meet(stream, () => {
          timer[Symbol.dispose]();
          this.#wire = "v2";
          return proved();
        });
      } catch (error) {
        const { kind } = toTtunError(error);
        if (this.#wire !== "v2" && (kind === "protocol" || kind === "auth")) unanswered();
        throw error;
      }
    };
    try {
      return await this.#o.reach({ ...meeting, signal, meet });
    } catch (error) {
      if (this.#wire !== "v2") silence.signal.throwIfAborted();
      throw error;
    }
  }
}

function isUnknownSession(thrown: unknown): boolean {
  return thrown instanceof PeerClosed && thrown.code === CloseCode.unknownSession;
}

/** A server that has accepted a connection, and says nothing to version 2. */
class Unanswered extends TtunError {
  constructor(server: string) {
    super("timeout", `No answer from the server ${server} to version 2 of the link`);
  }
}

/** A program that waits for the server. */
class Waiting {
  readonly #target: Target;
  readonly #o: OpenOptions;
  readonly #events: DialEvents<Stream>;
  readonly #all: Set<Waiting>;
  readonly #timer: Disposable;
  #registration: Disposable | null = null;

  constructor(
    target: Target,
    o: OpenOptions,
    events: DialEvents<Stream>,
    all: Set<Waiting>,
    clock: Clock,
  ) {
    this.#target = target;
    this.#o = o;
    this.#events = events;
    this.#all = all;
    all.add(this);
    const late = new ConnectError("tunnel", "there is no connection to the server");
    this.#timer = clock.after(WAIT_MS, () => void this.fail(late));
    const registration = onAbort(o.cancel ?? o.signal, (reason) => void this.fail(reason));
    // A signal that has aborted already has made it leave.
    if (all.has(this)) this.#registration = registration;
  }

  begin(outbound: Outbound): void {
    if (this.#leave()) outbound.open(this.#target, this.#o, this.#events);
  }

  fail(error: unknown): void {
    if (this.#leave()) this.#events.failed(error);
  }

  /** Returns false if it has left before. */
  #leave(): boolean {
    if (!this.#all.delete(this)) return false;
    this.#timer[Symbol.dispose]();
    this.#registration?.[Symbol.dispose]();
    return true;
  }
}
