import type { HostPort } from "../../base/addr.ts";
import { toTtunError, TtunError, UnreachableError } from "../../base/errors.ts";
import { abortable, onAbort, type Scope, scope } from "../../base/scope.ts";
import { startClose } from "../../base/start_close.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Dialer, Listener } from "../../contract/dial.ts";
import type { Rng } from "../../contract/host.ts";
import type { EndAddress } from "../../core/meet/messages.ts";
import { misplaced, type NoRelay, type Signal } from "../meet/meet.ts";
import { sleep } from "../loop/sleep.ts";
import { acceptLoop } from "../net/accept_loop.ts";
import { tell } from "../net/dial_events.ts";
import type { Meeting, Reach } from "../net/reach.ts";
import { TRY_MS } from "../../core/punch/candidate_schedule.ts";
import { raceCandidates } from "../punch/candidate_race.ts";
import { ProvedRace } from "../punch/proved_race.ts";
import { KnownAddresses } from "./known_addresses.ts";
import { type MeetingOptions, peerCandidates } from "./meeting_options.ts";
import { findOwnAddress } from "./own_address.ts";
import { RelayedConnection } from "./relayed_connection.ts";
import { ViaSession } from "./via_session.ts";

/**
 * Tries after which a relay is asked for: later ones hardly ever change anything. Where both NATs
 * change ports only a network that both are in helps, which shows at once.
 */
const TRIES_BEFORE_RELAY = 2;
const HOPELESS_TRIES = 1;

/** Milliseconds for a handshake on a direct connection before a relay is asked for. */
const HANDSHAKE_MS = 3000;

/** Milliseconds for one through the relay, at whose other end is the right program. */
const RELAYED_HANDSHAKE_MS = 6000;

export interface MeetingDialOptions extends MeetingOptions {
  /** Names the meeting: 16 bytes. */
  readonly id: Uint8Array;
  /** Addresses of the other end for when the server cannot be reached. */
  readonly known: readonly HostPort[];
  /** Listen on `port`, for connections that the other end makes; the attempt's. */
  readonly listeners: readonly Listener[];
  /** Milliseconds for all of it; the other end may come as late. */
  readonly deadlineMs: number;
}

/** A way to the end that listens at a meeting (`openMeetingListener`). */
export interface MeetingDialer extends Dialer<void> {
  /** Runs the handshake on every connection, and takes the first that is proved. */
  readonly reach: Reach;
}

/**
 * Returns a way to the end that listens at a meeting: straight, by hole punching, else through the
 * server, if that permits it. As a plain dialer it gives the first connection. `attempt`: opens what
 * one attempt takes, with a port that no other has: a connection that is lost keeps its two
 * addresses for a while.
 */
export function openMeetingDialer(
  { rng, attempt }: { readonly rng: Rng; readonly attempt: () => MeetingDialOptions },
): MeetingDialer {
  const end = rng(16); // comes again in its own place
  const reach: Reach = async (meeting) => await new MeetingDial(attempt(), end, meeting).run();
  return {
    reach,
    start: (_, { signal, cancel = signal }, events) =>
      tell(events, firstConnection(reach, signal, cancel)),
  };
}

/** Takes the first connection, whoever is at its other end. */
export async function firstConnection(
  reach: Reach,
  signal: AbortSignal,
  cancel: AbortSignal,
): Promise<Connection> {
  const first = reach<Connection>({
    signal,
    isLeaving: false,
    meet: (stream, proved) => proved() ? Promise.resolve(stream) : Promise.reject(late()),
    discard: startClose,
  });
  first.then((stream) => cancel.aborted && startClose(stream), () => {}); // told below
  return await abortable(first, cancel);
}

function late(): TtunError {
  return new TtunError("lost", "Another connection was quicker");
}

function noDirectWay(): UnreachableError {
  return new UnreachableError("host", "Cannot connect to the other end directly");
}

class MeetingDial<T> {
  readonly #o: MeetingDialOptions;
  readonly #end: Uint8Array;
  readonly #race: ProvedRace<T>;
  /** The connection lives under it. */
  readonly #life: AbortSignal;
  /** No relay is asked for. */
  readonly #isDirect: boolean;
  /** The server has told the other end's addresses. */
  #isSignalled = false;
  /** Time of the last direct connection. */
  #connectedAt = -Infinity;

  constructor(o: MeetingDialOptions, end: Uint8Array, meeting: Meeting<T>) {
    this.#o = o;
    this.#end = end;
    this.#race = new ProvedRace(meeting);
    this.#life = meeting.signal;
    this.#isDirect = meeting.isDirect === true;
  }

  async run(): Promise<T> {
    const { clock, deadlineMs, listeners } = this.#o;
    await using owned = new AsyncDisposableStack();
    for (const listener of listeners) owned.use(listener);
    try {
      return await scope(this.#life, async (tasks) => {
        using _deadline = clock.after(deadlineMs, () => tasks.fail(this.#tooLate()));
        for (const listener of listeners) tasks.spawn((signal) => this.#accept(listener, signal));
        tasks.spawn((signal) => this.#seek(tasks, signal));
        const met = await abortable(this.#race.result, tasks.signal);
        tasks.cancel();
        return met;
      });
    } finally {
      this.#race.end();
    }
  }

  /** Connections that come may be from the other end, which connects at the same time. */
  #accept(listener: Listener, signal: AbortSignal): Promise<never> {
    const { clock, log } = this.#o;
    const source: Listener = {
      addr: listener.addr,
      acceptNow: () => signal.aborted ? null : listener.acceptNow({ signal: this.#life }),
      onAcceptable: (run) => listener.onAcceptable(run),
      [Symbol.asyncDispose]: () => listener[Symbol.asyncDispose](),
    };
    const take = this.#take;
    return acceptLoop({ listener: source, clock, log, signal, take, evictIdle: () => false });
  }

  readonly #take = (stream: Connection): void => {
    this.#connectedAt = this.#o.clock.now();
    this.#race.take(stream);
  };

  async #seek(tasks: Scope, signal: AbortSignal): Promise<void> {
    using known = new KnownAddresses({
      ...{ ...this.#o, via: this.#o.via.name, signal },
      race: this.#race,
      life: this.#life,
    });
    try {
      await this.#attend(known, tasks, signal);
    } catch (thrown) {
      const error = toTtunError(thrown);
      if (signal.aborted || error.kind === "internal" || this.#isSignalled) throw error;
      await known.reachWithout(error);
    }
  }

  /** Goes to the meeting, and connects as the server says. */
  async #attend(known: KnownAddresses<T>, tasks: Scope, signal: AbortSignal): Promise<void> {
    const { clock, id, log, via: server } = this.#o;
    using owned = new DisposableStack();
    const via = owned.adopt(
      new ViaSession({ ...server, clock, log }, this.#life),
      startClose, // it takes its leave of the server while the connection is used
    );
    const join = { side: "dials", id, end: this.#end, clock, signal: this.#life } as const;
    const joining = onAbort(signal, () => startClose(via));
    const meeting = owned.adopt(await via.join(join), startClose);
    joining[Symbol.dispose]();
    known.rest();
    const cancelled = owned.use(onAbort(signal, () => meeting.stream.reset()));
    signal.throwIfAborted();
    const own = await findOwnAddress(this.#o, meeting, signal);
    await meeting.ready(own);
    log.info("waiting for the other end", { via: server.name });
    let last: Signal | null = null;
    let punching = Promise.resolve();
    let stop = new AbortController();
    for (;;) {
      const news = await meeting.news();
      switch (news.kind) {
        case "gone":
          log.debug("the other end has left the meeting");
          break;
        case "signal":
          last = news;
          this.#isSignalled = true;
          stop.abort();
          stop = new AbortController();
          punching = this.#punch(news, AbortSignal.any([stop.signal, signal]));
          await this.#untilRelay(news, own, signal);
          if (this.#race.hasWinner) return; // its handshake ends the attempt
          if (this.#isDirect) {
            await punching;
            if (this.#race.isRunning) await this.#race.idle;
            if (this.#race.hasWinner) return;
            return tasks.fail(this.#race.failure ?? noDirectWay());
          }
          await meeting.askRelay();
          break;
        case "late":
          return tasks.fail(this.#tooLate());
        case "noRelay":
          if (last === null) throw misplaced();
          await punching;
          return tasks.fail(await this.#failure(news, last, own));
        case "relayed":
          stop.abort();
          cancelled[Symbol.dispose]();
          owned.move();
          log.warn("no direct connection: it goes through the relay of the server", {
            via: server.name,
          });
          this.#race.take(new RelayedConnection(meeting.stream, server.name, via));
          await Promise.race([this.#race.idle, sleep(clock, RELAYED_HANDSHAKE_MS, signal)]);
          if (!this.#race.hasWinner) tasks.fail(this.#unproved());
          return;
      }
    }
  }

  /** Returns when no try is left. */
  async #punch({ at, peer }: Signal, signal: AbortSignal): Promise<void> {
    const { clock, dialer, log, rng } = this.#o;
    const facts = await raceCandidates({
      ...{ dialer, clock, rng, startAt: at, signal: this.#life, cancel: signal },
      candidates: peerCandidates(this.#o, peer),
      take: this.#take,
    });
    const words = this.#race.hasWinner ? "there is a direct connection" : "no direct connection";
    log.debug(words, { ...facts });
  }

  /** Returns when the tries that promise something are over, and when a connection has won. */
  async #untilRelay({ at, peer }: Signal, own: EndAddress, signal: AbortSignal): Promise<void> {
    const { clock } = this.#o;
    const isHopeless = !own.keepsPort && !peer.keepsPort;
    const tries = isHopeless ? HOPELESS_TRIES : TRIES_BEFORE_RELAY;
    await sleep(clock, Math.max(0, at + tries * TRY_MS - clock.now()), signal);
    while (this.#race.isRunning && !this.#race.hasWinner) {
      const left = this.#connectedAt + HANDSHAKE_MS - clock.now();
      if (left <= 0) return;
      await Promise.race([this.#race.idle, sleep(clock, left, signal)]);
    }
  }

  async #failure(
    { reason }: NoRelay,
    { peer }: Signal,
    { keepsPort }: EndAddress,
  ): Promise<TtunError> {
    const { via } = this.#o;
    if (this.#race.isRunning) await this.#race.idle;
    if (this.#race.failure !== null) return this.#unproved();
    const why = keepsPort && peer.keepsPort
      ? "nothing gets through between the two, as where a firewall lets no connection out"
      : !keepsPort && !peer.keepsPort
      ? "both NATs change ports, which nothing can foresee"
      : `${keepsPort ? "its" : "this end's"} NAT changes ports, and the other one lets nothing in`;
    const relay = reason === "relaysFull"
      ? `${via.name} relays for as many as it may; try again later`
      : `a relay would help (--permit-relay at ${via.name}), or a port that one end's NAT forwards`;
    return new UnreachableError("host", `Cannot connect to the other end: ${why}; ${relay}`);
  }

  /** There was a connection, and nobody at its other end has proved the key. */
  #unproved(): TtunError {
    const { failure } = this.#race;
    if (failure !== null && failure.kind !== "timeout") return failure;
    return new TtunError(
      "auth",
      "Cannot authenticate with the other end: it is there, but has another ticket, code or key",
      { cause: failure },
    );
  }

  #tooLate(): TtunError {
    const { deadlineMs, via } = this.#o;
    const seconds = Math.round(deadlineMs / 1000);
    const words = `Cannot connect to the other end within ${seconds} s: ` +
      `is it there, and does it meet at ${via.name} too?`;
    return this.#race.failure ?? new TtunError("timeout", words);
  }
}
