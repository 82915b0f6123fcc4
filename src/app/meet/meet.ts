import type { HostPort } from "../../base/addr.ts";
import { ProtocolError, TtunError } from "../../base/errors.ts";
import type { Clock } from "../../contract/host.ts";
import type { OpenOptions } from "../../contract/outbound.ts";
import type { Stream } from "../../contract/stream.ts";
import {
  type EndAddress,
  type Gone,
  type Join,
  MOST_MS,
  packMessage,
  readServerMessage,
  type RefusedReason,
  type Relayed,
} from "../../core/meet/messages.ts";
import { write } from "../loop/stream_io.ts";
import { ConnectError } from "../net/connect_error.ts";
import { readMessage } from "./message_io.ts";

/** Name of the service (docs/wire/meeting.md). */
export const MEETING_SERVICE = "meeting";

/** Opens streams to services of a server: a `MuxOutbound`. */
export interface ServiceOpener {
  openService(service: string, o: OpenOptions): Promise<Stream>;
}

export interface MeetOptions extends Omit<Join, "kind"> {
  readonly clock: Clock;
  /** The stream lives under it. */
  readonly signal: AbortSignal;
}

/** The other end is there: connect at `at` on the clock. */
export interface Signal {
  readonly kind: "signal";
  readonly at: number;
  readonly peer: EndAddress;
}

/** The server does not carry the bytes between the two; null = for a reason that is not known. */
export interface NoRelay {
  readonly kind: "noRelay";
  readonly reason: RefusedReason | null;
}

/** The server has ended the stream: nobody has come, or the two could not connect in time. */
export interface Late {
  readonly kind: "late";
}

export type MeetingNews = Signal | Gone | Relayed | NoRelay | Late;

/** Goes to a meeting. @throws {TtunError} busy, protocol, lost; {ConnectError} */
export async function joinMeeting(
  service: ServiceOpener,
  { clock, signal, ...join }: MeetOptions,
): Promise<MeetingStream> {
  const opening = clock.now();
  const stream = await open(service, signal);
  await using owned = new AsyncDisposableStack();
  owned.use(stream);
  const began = clock.now();
  await write(stream, packMessage({ kind: "join", ...join }));
  const answer = await readMessage(stream, readServerMessage);
  if (answer === null) throw ended();
  if (answer.kind === "refused") throw refused(answer.reason);
  if (answer.kind !== "joined") throw misplaced();
  owned.move();
  // Both have taken a round trip at least: what is more was a wait for a processor.
  const roundTripMs = Math.min(began - opening, clock.now() - began);
  return new MeetingStream(stream, { clock, answer, roundTripMs });
}

async function open(service: ServiceOpener, signal: AbortSignal): Promise<Stream> {
  try {
    return await service.openService(MEETING_SERVICE, { signal });
  } catch (error) {
    if (!(error instanceof ConnectError) || error.failure === "tunnel") throw error;
    const why = "the server has no meetings: update it, or wait if too many are there";
    throw new TtunError("unreachable", `Cannot meet the other end: ${why}`);
  }
}

interface Beginning {
  readonly clock: Clock;
  readonly answer: { readonly number: number; readonly observed: HostPort | null };
  readonly roundTripMs: number;
}

/** An end's stream to a meeting. */
export class MeetingStream implements AsyncDisposable {
  /** Carries the other end's bytes once it is relayed. */
  readonly stream: Stream;
  /** 0 = the meeting has none, or this end knows it already. */
  readonly number: number;
  /** Address from which the server sees this end; null = none. */
  readonly observed: HostPort | null;
  readonly #clock: Clock;
  readonly #roundTripMs: number;

  constructor(stream: Stream, { clock, answer, roundTripMs }: Beginning) {
    this.stream = stream;
    this.number = answer.number;
    this.observed = answer.observed;
    this.#clock = clock;
    this.#roundTripMs = Math.min(MOST_MS, Math.round(roundTripMs));
  }

  /** Says where this end may be reached: the server may then give the signal. To be called once. */
  async ready(address: EndAddress): Promise<void> {
    await write(
      this.stream,
      packMessage({ kind: "ready", roundTripMs: this.#roundTripMs, address }),
    );
  }

  /** Asks the server to carry the bytes, at the end that dials; the answer is news. */
  async askRelay(): Promise<void> {
    await write(this.stream, packMessage({ kind: "relay" }));
  }

  /** Waits for what the server says next. @throws {TtunError} lost, busy, protocol */
  async news(): Promise<MeetingNews> {
    const message = await readMessage(this.stream, readServerMessage);
    if (message === null) throw ended();
    switch (message.kind) {
      case "go":
        return { kind: "signal", at: this.#clock.now() + message.waitMs, peer: message.address };
      case "gone":
      case "relayed":
        return message;
      case "refused": {
        const { reason } = message;
        if (reason === "alone") return { kind: "gone" };
        if (reason === "late") return { kind: "late" };
        if (reason === "relayOff" || reason === "relaysFull") return { kind: "noRelay", reason };
        throw refused(reason);
      }
      case "joined":
        throw misplaced();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stream[Symbol.asyncDispose]();
  }
}

function refused(reason: RefusedReason | null): TtunError {
  const begin = "Cannot meet the other end: ";
  switch (reason) {
    case "taken":
      return new TtunError("busy", `${begin}another program is there in its place already`);
    case "replaced":
      return new TtunError("lost", `${begin}this end came again by another connection`);
    default:
      return new TtunError("unreachable", `${begin}the server refused`);
  }
}

function ended(): TtunError {
  return new TtunError("lost", "Lost the meeting: the server has ended it");
}

/** A message of the server that cannot be its next. */
export function misplaced(): ProtocolError {
  return new ProtocolError("Cannot read the server's message: it comes at the wrong time");
}
