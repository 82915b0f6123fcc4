import type { HostPort } from "../../base/addr.ts";
import { constantTimeEqual, toHex } from "../../base/bytes.ts";
import { ProtocolError } from "../../base/errors.ts";
import { meetingIdOfNumber } from "./meeting_id.ts";
import {
  type EndMessage,
  type Join,
  MOST_MS,
  type Ready,
  type RefusedReason,
  type ServerMessage,
  type Side,
} from "./messages.ts";

/** Milliseconds in which an end says where it goes, and where it may be reached. */
const JOIN_MS = 10_000;

/** Milliseconds that an end waits for the other. */
export const WAIT_MS = 3_600_000;

/** Milliseconds that the two have to connect once they are told to. */
export const PAIR_MS = 60_000;

/** Milliseconds from one signal of a meeting to the next: each makes both ends connect. */
export const REST_MS = 1000;

/** Milliseconds that the signal's wait is longer, for whoever is slow to look. */
const LEAD_MS = 20;

export type MeetingStep =
  | { readonly kind: "send"; readonly to: MeetingEnd; readonly message: ServerMessage }
  /** Nothing follows what was sent. */
  | { readonly kind: "close"; readonly end: MeetingEnd }
  /** Carry bytes between the two from now on, behind what was sent; tell of the end by `unrelayed`. */
  | { readonly kind: "relay"; readonly dials: MeetingEnd; readonly listens: MeetingEnd };

/** Facts about an end's connection. */
export interface EndOrigin {
  /** Address from which it comes; null = none. */
  readonly observed: HostPort | null;
  /** False once the connection is lost, though its client may come back by another one. */
  readonly isConnected: () => boolean;
}

/** One end's stream. */
export class MeetingEnd {
  readonly origin: EndOrigin;
  join: Join | null = null;
  ready: Ready | null = null;
  /** Null: in none (yet), or no more. */
  meeting: Meeting | null = null;
  /** Time at which it has waited too long. */
  dueAt: number;

  constructor(origin: EndOrigin, dueAt: number) {
    this.origin = origin;
    this.dueAt = dueAt;
  }
}

interface Meeting {
  readonly id: string;
  /** 0 = none. */
  readonly number: number;
  readonly ends: Map<Side, MeetingEnd>;
  /** Both were told to connect, and both are there. */
  isPaired: boolean;
  /** Time of the last signal; -Infinity = there was none. */
  signalledAt: number;
}

export interface MeetingsOptions {
  /** Pairs whose bytes go through the server at a time; 0 = none. */
  readonly relays: number;
}

/**
 * The meetings of a server: two ends that name the same one learn each other's addresses, and
 * connect at the same moment. It does not limit how many ends there are: whoever calls `enter`
 * does. Times are milliseconds.
 */
export class Meetings {
  readonly #o: MeetingsOptions;
  readonly #meetings = new Map<string, Meeting>();
  readonly #numbers = new Set<number>();
  readonly #ends = new Set<MeetingEnd>();
  #relays = 0;

  constructor(o: MeetingsOptions) {
    this.#o = o;
  }

  get count(): number {
    return this.#meetings.size;
  }

  /** Pairs whose bytes are relayed now. */
  get relays(): number {
    return this.#relays;
  }

  enter(origin: EndOrigin, now: number): MeetingEnd {
    const end = new MeetingEnd(origin, now + JOIN_MS);
    this.#ends.add(end);
    return end;
  }

  /** @throws {ProtocolError} which ends the stream */
  received(end: MeetingEnd, message: EndMessage, now: number): MeetingStep[] {
    switch (message.kind) {
      case "join":
        return this.#join(end, message, now);
      case "ready":
        if (end.meeting === null || end.ready !== null) throw misplaced();
        end.ready = message;
        end.dueAt = now + WAIT_MS;
        return this.#signal(end.meeting, now);
      case "relay":
        if (end.ready === null || end.join!.side !== "dials") throw misplaced();
        return this.#relay(end);
    }
  }

  /** The end's stream is over. */
  left(end: MeetingEnd, now: number): MeetingStep[] {
    this.#ends.delete(end);
    const { meeting } = end;
    if (meeting === null) return [];
    const other = this.#leave(end, meeting);
    if (other?.ready == null) return [];
    other.dueAt = now + WAIT_MS;
    return [{ kind: "send", to: other, message: { kind: "gone" } }];
  }

  unrelayed(): void {
    this.#relays--;
  }

  /** Time at which `tick` is to be called; takes a look at all ends. */
  get dueAt(): number {
    let due = Infinity;
    for (const end of this.#ends) due = Math.min(due, this.dueOf(end));
    return due;
  }

  /** Time at which `tick` is to be called for what this end has just done. */
  dueOf({ dueAt, meeting }: MeetingEnd): number {
    return meeting === null ? dueAt : Math.min(dueAt, signalDue(meeting));
  }

  tick(now: number): MeetingStep[] {
    const steps: MeetingStep[] = [];
    for (const end of [...this.#ends]) {
      if (now >= end.dueAt) steps.push(...this.#refuse(end, "late"), ...this.left(end, now));
    }
    for (const meeting of [...this.#meetings.values()]) {
      if (now >= signalDue(meeting)) steps.push(...this.#signal(meeting, now));
    }
    return steps;
  }

  #join(end: MeetingEnd, join: Join, now: number): MeetingStep[] {
    if (end.join !== null) throw misplaced();
    end.join = join;
    const steps: MeetingStep[] = [];
    const number = join.id === null ? this.#freeNumber() : 0;
    const id = toHex(join.id ?? meetingIdOfNumber(number));
    let meeting = this.#meetings.get(id);
    const before = meeting?.ends.get(join.side);
    if (before !== undefined) {
      const isOwn = constantTimeEqual(before.join!.end, join.end);
      if (!isOwn && before.origin.isConnected()) {
        return [...this.#refuse(end, "taken"), ...this.left(end, now)];
      }
      steps.push(...this.#refuse(before, "replaced"));
      this.#ends.delete(before);
      before.meeting = null;
    }
    if (meeting === undefined) {
      meeting = { id, number, ends: new Map(), isPaired: false, signalledAt: -Infinity };
      this.#meetings.set(id, meeting);
      if (number > 0) this.#numbers.add(number);
    }
    meeting.isPaired = false;
    for (const other of meeting.ends.values()) {
      if (other.ready !== null) other.dueAt = now + WAIT_MS;
    }
    meeting.ends.set(join.side, end);
    end.meeting = meeting;
    end.dueAt = now + JOIN_MS;
    const { observed } = end.origin;
    steps.push({ kind: "send", to: end, message: { kind: "joined", number, observed } });
    return steps;
  }

  /** Returns the smallest that no meeting has. */
  #freeNumber(): number {
    for (let number = 1;; number++) {
      const isTaken = this.#numbers.has(number) ||
        this.#meetings.has(toHex(meetingIdOfNumber(number)));
      if (!isTaken) return number;
    }
  }

  /** Tells two ends that are ready to connect; not too soon after the last time. */
  #signal(meeting: Meeting, now: number): MeetingStep[] {
    if (now < signalDue(meeting)) return [];
    const [one, other] = readyEnds(meeting)!;
    meeting.isPaired = true;
    meeting.signalledAt = now;
    for (const end of [one, other]) { // who listens goes on to wait when the other is late
      end.dueAt = end.join!.side === "dials" ? now + PAIR_MS : Infinity;
    }
    const longest = Math.max(one.ready!.roundTripMs, other.ready!.roundTripMs);
    const tell = (to: MeetingEnd, from: MeetingEnd): MeetingStep => {
      const waitMs = Math.min(MOST_MS, LEAD_MS + ((longest - to.ready!.roundTripMs) >> 1));
      return { kind: "send", to, message: { kind: "go", waitMs, address: from.ready!.address } };
    };
    return [tell(one, other), tell(other, one)];
  }

  #relay(dials: MeetingEnd): MeetingStep[] {
    const { meeting } = dials;
    const listens = meeting?.ends.get("listens");
    if (listens === undefined || !meeting!.isPaired) return this.#refuse(dials, "alone");
    if (this.#o.relays === 0) return this.#refuse(dials, "relayOff");
    if (this.#relays >= this.#o.relays) return this.#refuse(dials, "relaysFull");
    this.#relays++;
    const ends = [dials, listens];
    for (const end of ends) {
      this.#leave(end, meeting!);
      this.#ends.delete(end);
    }
    return [
      ...ends.map((to): MeetingStep => ({ kind: "send", to, message: { kind: "relayed" } })),
      { kind: "relay", dials, listens },
    ];
  }

  /** Says why; an end that may go on stays as it is. */
  #refuse(end: MeetingEnd, reason: RefusedReason): MeetingStep[] {
    const said: MeetingStep = { kind: "send", to: end, message: { kind: "refused", reason } };
    const goesOn = reason === "alone" || reason === "relayOff" || reason === "relaysFull";
    return goesOn ? [said] : [said, { kind: "close", end }];
  }

  /** Returns the other end, which waits for another one. */
  #leave(end: MeetingEnd, meeting: Meeting): MeetingEnd | null {
    end.meeting = null;
    meeting.ends.delete(end.join!.side);
    meeting.isPaired = false;
    const [other = null] = meeting.ends.values();
    if (other === null) {
      this.#meetings.delete(meeting.id);
      this.#numbers.delete(meeting.number);
    }
    return other;
  }
}

/** Time at which the two are to be told; Infinity = they are not both there, or know it. */
function signalDue(meeting: Meeting): number {
  if (meeting.isPaired || readyEnds(meeting) === null) return Infinity;
  return meeting.signalledAt + REST_MS;
}

function readyEnds({ ends }: Meeting): [MeetingEnd, MeetingEnd] | null {
  const [one, other] = ends.values();
  return one?.ready == null || other?.ready == null ? null : [one, other];
}

function misplaced(): ProtocolError {
  return new ProtocolError("Cannot read a meeting's message: it comes at the wrong time");
}
