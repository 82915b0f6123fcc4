import type {
  Answer,
  AnswerBody,
  Failure,
  FailureCode,
  Frame,
  RelayRequest,
  Request,
} from "./frame.ts";
import type { Peer } from "./peer.ts";
import type { Timer, Timers } from "./timers.ts";

/** A request without its number. */
export type Unnumbered<T extends Request = Request> = T extends Request ? Omit<T, "request">
  : never;

/** Part of the verdict's time after which a request is repeated, also over a relay. */
const REPEAT_AT = 0.4;

/** Timers that fire later than this tell of an own delay, not of a peer's. */
const LATE_MS = 200;

/** Highest number of a request, of four bytes on the wire. */
const MAX_NUMBER = 0x3fff_ffff;

/** Most that a late process stretches its verdicts by. */
const MAX_LOAD = 4;

export interface CallEvents<B extends AnswerBody = AnswerBody> {
  onAnswer(body: B, answer: Answer): void;
  /** The code that the peer sent, or null where it is called dead. */
  onFail(code: FailureCode | null): void;
  /** The answer takes longer than usual: another one may be asked too. */
  onSlow?(): void;
}

/** Answers by the type of the request. */
type BodyOf<T extends Request["type"]> = Extract<AnswerBody, { to: T }>;

interface Call {
  readonly peer: Peer;
  readonly frame: Request;
  readonly sentAt: number;
  readonly events: CallEvents;
  readonly isRelay: boolean;
  /** It may have waited before it went out: its time is no measure of the peer's. */
  readonly isPatient: boolean;
  verdictAt: number;
  isRepeated: boolean;
  isSlowTold: boolean;
  isExcused: boolean;
  /** The neighbour over which it was repeated. */
  relay: Peer | null;
  timer: Timer | null;
}

/** Parts of a node that its calls need. */
export interface CallHost {
  /** Unix milliseconds. */
  readonly context: { readonly now: number; readonly wall: number };
  readonly timers: Timers;
  /** `isPatient`: nobody waits for the answer. */
  send(to: Peer, frame: Frame, isPatient: boolean): void;
  /** A neighbour over which a request for `peer` is repeated, or null. */
  relayFor(peer: Peer): Peer | null;
  /** Tells that a peer did not answer in time. */
  onSilent(peer: Peer): void;
  /** Tells that another node is where this one was. */
  onLeft(peer: Peer): void;
}

/**
 * Requests to peers and their answers. Two clocks that are never one: after the first another peer is
 * asked too and nobody is blamed; after the second the peer is called dead.
 */
export class Calls {
  /** From 1 to 4: how late the own timers fire. */
  load = 1;
  readonly #host: CallHost;
  readonly #open = new Map<number, Call>();
  #number: number;

  /**
   * `startedAt`: Unix milliseconds. Numbers begin there, so that answers to requests of a process that
   * was this node before belong to none of this one's.
   */
  constructor(host: CallHost, startedAt: number) {
    this.#host = host;
    this.#number = Math.floor(startedAt) % MAX_NUMBER;
  }

  get size(): number {
    return this.#open.size;
  }

  /**
   * Sends a request. `isRelay`: for another node, so that silence is not blamed on the peer.
   * `isPatient`: it may wait a moment for others to the same peer.
   */
  call<T extends Request["type"]>(
    peer: Peer,
    body: Unnumbered<Extract<Request, { type: T }>>,
    events: CallEvents<BodyOf<T>>,
    { isRelay = false, isPatient = false } = {},
  ): void {
    const number = this.#number = this.#number % MAX_NUMBER + 1;
    const frame = { ...body, request: number } as unknown as Request;
    const { now } = this.#host.context;
    const call: Call = {
      peer,
      frame,
      sentAt: now,
      events: events as unknown as CallEvents,
      isRelay,
      isPatient,
      verdictAt: now + peer.verdictMs(this.load),
      isRepeated: isRelay,
      isSlowTold: events.onSlow === undefined,
      isExcused: false,
      relay: null,
      timer: null,
    };
    this.#open.set(number, call);
    this.#arm(call);
    this.#host.send(peer, frame, isPatient);
  }

  /** Takes an answer or a failure from a peer. */
  receive(from: Peer, frame: Answer | Failure): void {
    const call = this.#open.get(frame.request);
    if (call === undefined) return;
    if (from === call.relay && frame.type === "answer" && frame.body.to === "relay") {
      return this.#receiveRelayed(call, frame.body.frame);
    }
    if (call.peer !== from) return;
    if ((!call.isRepeated || call.isRelay) && !call.isPatient) {
      from.measure(this.#host.context.now - call.sentAt);
    }
    if (frame.type === "answer" && frame.body.to !== call.frame.type) return;
    this.#finish(call, frame);
  }

  /** A peer's link was refused: all that it was asked has failed. */
  refuse(peer: Peer): void {
    for (const call of [...this.#open.values()]) {
      if (call.peer === peer && this.#open.delete(call.frame.request)) {
        this.#host.timers.cancel(call.timer);
        call.events.onFail(null);
      }
    }
  }

  /** Own timers fire late by so much: verdicts take longer for a while. */
  observeLateness(lateMs: number): void {
    this.load = lateMs > LATE_MS
      ? Math.min(MAX_LOAD, this.load + lateMs / 1000)
      : Math.max(1, this.load * 0.98);
  }

  #receiveRelayed(call: Call, inner: Answer | Failure): void {
    if (inner.type === "error" && inner.code === "busy") return;
    if (inner.type === "answer" && inner.body.to !== call.frame.type) return;
    call.peer.hear(this.#host.context.now);
    this.#finish(call, inner);
  }

  #finish(call: Call, frame: Answer | Failure): void {
    this.#open.delete(call.frame.request);
    this.#host.timers.cancel(call.timer);
    if (frame.type === "error") {
      if (frame.code === "left") this.#host.onLeft(call.peer);
      return call.events.onFail(frame.code);
    }
    const { peer } = call;
    peer.state = frame.state;
    const { now, wall } = this.#host.context;
    peer.offset = frame.stamp - wall + (now - call.sentAt) / 2;
    peer.offsetAt = now;
    call.events.onAnswer(frame.body, frame);
  }

  #arm(call: Call): void {
    let time = call.verdictAt;
    if (!call.isSlowTold) time = Math.min(time, call.sentAt + call.peer.hedgeMs());
    if (!call.isRepeated) time = Math.min(time, repeatAt(call));
    call.timer = this.#host.timers.at(time, () => this.#onTimer(call, time));
  }

  #onTimer(call: Call, time: number): void {
    const { now } = this.#host.context;
    if (now > time + LATE_MS && !call.isExcused) {
      // The own process stood still: an answer may lie among what it has not read yet.
      call.isExcused = true;
      call.verdictAt = Math.max(call.verdictAt, now + call.peer.verdictMs(this.load));
    }
    if (now >= call.verdictAt) return this.#silent(call);
    if (!call.isRepeated && now >= repeatAt(call)) {
      call.isRepeated = true;
      this.#repeat(call);
    }
    if (!call.isSlowTold && now >= call.sentAt + call.peer.hedgeMs()) {
      call.isSlowTold = true;
      call.events.onSlow!();
    }
    if (this.#open.has(call.frame.request)) this.#arm(call);
  }

  /** Sends a request again, straight and by way of a neighbour; answers to both are one. */
  #repeat(call: Call): void {
    this.#host.send(call.peer, call.frame, false);
    if (call.frame.type === "relay") return;
    const relay = this.#host.relayFor(call.peer);
    if (relay === null) return;
    call.relay = relay;
    const frame: RelayRequest = {
      type: "relay",
      request: call.frame.request,
      to: call.peer.key,
      frame: call.frame,
    };
    this.#host.send(relay, frame, false);
  }

  #silent(call: Call): void {
    this.#open.delete(call.frame.request);
    if (!call.isRelay) this.#host.onSilent(call.peer);
    call.events.onFail(null);
  }
}

function repeatAt(call: Call): number {
  const wait = (call.verdictAt - call.sentAt) * REPEAT_AT;
  return call.sentAt + Math.max(wait, 1.2 * call.peer.srtt);
}
