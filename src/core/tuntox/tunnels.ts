import { readU16, readU32 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { Rng } from "../../contract/host.ts";
import { ChunkPool } from "../mux/chunk_pool.ts";
import { FrameTurns, MOST_ANSWERS } from "./frame_turns.ts";
import {
  type Frame,
  MAX_PAYLOAD,
  type NoFrame,
  packAck,
  packDeny,
  packFin,
  packPing,
  packPong,
  packRequest,
  parseFrame,
} from "./frames.ts";
import type { TunnelLimits } from "./limits.ts";
import { type TunnelOwner, TunnelStream } from "./tunnel_stream.ts";
import type { UnreadHolder, UnreadTotal } from "./unread_total.ts";

/** Frames that wait beyond which pings get no answer: theirs are as long as packets. */
const MOST_BEFORE_PONGS = 64;

/** Tunnels that have ended whose ids are not given again yet: the peer may still send to them. */
const RESTING_IDS = 1024;

export interface TunnelsEvents {
  /** Call `flush` soon, but not from within. */
  wake(): void;
  /** The client asks for a tunnel: a server calls `accept` or `refuse`, now or later. */
  requested(request: TunnelRequest): void;
  /** The payload is a view, valid during the call. */
  ponged(payload: Uint8Array): void;
}

/** Answer to a request of a client; one of them is called. */
export interface AnswerEvents {
  opened(stream: TunnelStream): void;
  /** `code`: a SOCKS5 reply; null = none has come. */
  refused(code: number | null, error: TtunError): void;
}

/** A request of the other end. Its host may hold any bytes. */
export class TunnelRequest {
  readonly forward: number;
  readonly host: string;
  readonly port: number;
  /** Called when the link is lost before the answer. */
  onGone: (() => void) | null = null;

  constructor({ forward, host, port }: { forward: number; host: string; port: number }) {
    this.forward = forward;
    this.host = host;
    this.port = port;
  }
}

/** A request of this end. */
export interface PendingTunnel {
  /** Nobody waits for the answer any more: no event is called. */
  cancel(): void;
}

interface Waiting {
  readonly to: string;
  readonly dueAt: number;
  readonly early: Uint8Array;
  readonly events: AnswerEvents;
}

export interface TunnelsOptions {
  readonly role: "client" | "server";
  /** Name of the other end for logs. */
  readonly peer: string;
  readonly limits: TunnelLimits;
  /** Counts what waits in the tunnels of all friends; absent = this one is alone. */
  readonly total?: UnreadTotal | undefined;
  /** Sends a packet, borrowed for the call; false = it must be given again later, as it is. */
  readonly send: (packet: Uint8Array<ArrayBuffer>) => boolean;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  readonly random: Rng;
  readonly events: TunnelsEvents;
}

/**
 * The tunnels of one friend over a link of packets (docs/wire/tuntox.md), which send in turns of a
 * frame.
 */
export class Tunnels implements TunnelOwner, UnreadHolder {
  readonly pool = new ChunkPool();
  readonly role: "client" | "server";
  readonly now: () => number;
  readonly #o: TunnelsOptions;
  readonly #streams = new Map<number, TunnelStream>();
  /** Requests of this end, by the forward's id. */
  readonly #waiting = new Map<number, Waiting>();
  /** Requests of the other end. */
  readonly #requests = new Set<TunnelRequest>();
  readonly #frames: FrameTurns<TunnelStream>;
  #nextForward: number;
  readonly #restingIds: number[] = [];
  /** Tunnels that have ended, of which bytes wait for a reader still. */
  readonly #draining = new Set<TunnelStream>();
  /** Half-closed tunnels whose FIN is held back. */
  readonly #halfClosed = new Set<TunnelStream>();
  #unread = 0;

  constructor(o: TunnelsOptions) {
    this.#o = o;
    this.#frames = new FrameTurns({ send: o.send, wake: () => o.events.wake() });
    this.role = o.role;
    this.now = o.now;
    this.#nextForward = readU32(o.random(4), 0);
  }

  /** Bytes that have come and wait for their readers. */
  get unread(): number {
    return this.#unread;
  }

  /** The link has taken all that there was to send. */
  get isFlushed(): boolean {
    return this.#frames.isFlushed;
  }

  /** Tunnels and requests, of either end. */
  get count(): number {
    return this.#streams.size + this.#waiting.size + this.#requests.size;
  }

  /** Something waits for a time: call `tick` every second or so. */
  get needsTicks(): boolean {
    return this.#waiting.size > 0 || this.#halfClosed.size > 0;
  }

  // For a client.

  /** Asks for a tunnel. `early`: first bytes of its data, copied. */
  open(
    target: { readonly host: string; readonly port: number },
    early: Uint8Array,
    events: AnswerEvents,
  ): PendingTunnel {
    const forward = this.#freshForward();
    const to = `${target.host}:${target.port}`;
    const dueAt = this.now() + this.#o.limits.answerMs;
    this.#waiting.set(forward, { to, dueAt, early: new Uint8Array(early), events });
    this.#frames.push(packRequest(forward, target));
    return { cancel: () => void this.#waiting.delete(forward) };
  }

  /** Another tunnel may be asked for. */
  get canOpen(): boolean {
    return this.count < this.#o.limits.tunnels;
  }

  #freshForward(): number {
    while (this.#waiting.has(this.#nextForward)) this.#nextForward = this.#nextForward + 1 >>> 0;
    const forward = this.#nextForward;
    this.#nextForward = forward + 1 >>> 0;
    return forward;
  }

  /** Sends a ping; its payload comes back. */
  ping(payload: Uint8Array): void {
    this.#frames.push(packPing(payload.subarray(0, MAX_PAYLOAD)));
  }

  // For a server.

  /** Answers with a tunnel; null = the one who asked is gone. */
  accept(request: TunnelRequest): TunnelStream | null {
    if (!this.#requests.delete(request)) return null;
    const id = this.#freshId();
    const stream = new TunnelStream(this, id, this.#o.peer);
    this.#streams.set(id, stream);
    this.#frames.push(packAck(request.forward, id));
    return stream;
  }

  /**
   * Answers that there is no tunnel. tuntox knows no such answer, and its clients wait for ever:
   * they get a tunnel that ends at once behind the one that ttun knows.
   */
  refuse(request: TunnelRequest, code: number): void {
    if (!this.#requests.delete(request)) return;
    const id = this.#freshId();
    this.#frames.push(packDeny(request.forward, code), packAck(request.forward, id), packFin(id));
    this.#rest(id);
  }

  /** A random id that no tunnel has or had lately. */
  #freshId(): number {
    for (;;) {
      const id = readU16(this.#o.random(2), 0);
      if (!this.#streams.has(id) && !this.#restingIds.includes(id)) return id;
    }
  }

  #rest(id: number): void {
    this.#restingIds.push(id);
    if (this.#restingIds.length > RESTING_IDS) this.#restingIds.shift();
  }

  // Frames that go.

  /** Sends what can be sent now, and tells readers what has come. Call it also when there is room. */
  flush(): void {
    this.#frames.flush();
  }

  schedule(stream: TunnelStream): void {
    this.#frames.schedule(stream);
  }

  // Frames that come.

  /** Takes a packet, a view; null = it was a frame, and else why it is none. */
  receive(packet: Uint8Array): NoFrame | null {
    const frame = parseFrame(packet);
    if (typeof frame === "string") return frame;
    this.#take(frame);
    return null;
  }

  #take(frame: Frame): void {
    switch (frame.kind) {
      case "ping":
        if (this.#frames.waiting < MOST_BEFORE_PONGS) this.#frames.push(packPong(frame.payload));
        return;
      case "pong":
        return this.#o.events.ponged(frame.payload);
      case "request":
        return this.#takeRequest(new TunnelRequest(frame));
      case "ack":
        return this.#takeAck(frame.forward, frame.tunnel);
      case "deny":
        return this.#takeDeny(frame.forward, frame.code);
      case "data":
        return this.#takeData(frame.tunnel, frame.payload);
      case "fin":
        return this.#streams.get(frame.tunnel)?.receiveFin();
    }
  }

  /** Requests beyond the limit get no answer, as of tuntox. */
  #takeRequest(request: TunnelRequest): void {
    if (this.role !== "server" || !this.canOpen) return;
    if (this.#frames.waiting >= MOST_ANSWERS) return;
    this.#requests.add(request);
    this.#o.events.requested(request);
  }

  #takeAck(forward: number, tunnel: number): void {
    if (this.role !== "client") return;
    const waiting = this.#waiting.get(forward);
    if (this.#streams.has(tunnel)) {
      if (waiting === undefined) return;
      this.#waiting.delete(forward);
      const words =
        `Cannot connect to ${waiting.to}: the server gave a tunnel that there is already`;
      return waiting.events.refused(null, new TtunError("protocol", words));
    }
    // Nobody waits for it any more: its server need not keep it.
    if (waiting === undefined) return this.#frames.answer(packFin(tunnel));
    this.#waiting.delete(forward);
    const stream = new TunnelStream(this, tunnel, this.#o.peer);
    this.#streams.set(tunnel, stream);
    if (waiting.early.length > 0) stream.push(waiting.early);
    waiting.events.opened(stream);
  }

  #takeDeny(forward: number, code: number): void {
    const waiting = this.#waiting.get(forward);
    if (waiting === undefined) return;
    this.#waiting.delete(forward);
    const words = `Cannot connect to ${waiting.to}: the server refused it`;
    waiting.events.refused(code, new TtunError("unreachable", words));
  }

  #takeData(tunnel: number, payload: Uint8Array): void {
    const stream = this.#streams.get(tunnel);
    if (stream === undefined) return;
    this.#unread += stream.receive(payload);
    this.#frames.heard(stream);
    const { limits: { unread, unreadOfTunnel }, total } = this.#o;
    if (stream.unread > unreadOfTunnel) this.#cut(stream);
    else if (this.#unread > unread) this.endSlowest();
    total?.set(this, this.#unread);
  }

  endSlowest(): void {
    this.#cut(this.#slowest());
  }

  #cut(stream: TunnelStream): void {
    const why = "its reader is slower than the link, and the wire has no flow control";
    stream.fail(new TtunError("lost", `Lost the connection with ${stream.peer}: ${why}`));
  }

  /** The tunnel of which most waits for its reader. */
  #slowest(): TunnelStream {
    const all = [...this.#streams.values(), ...this.#draining];
    return all.reduce((a, b) => a.unread >= b.unread ? a : b);
  }

  released(stream: TunnelStream, bytes: number): void {
    this.#unread -= bytes;
    this.#o.total?.set(this, this.#unread);
    if (stream.unread === 0) this.#draining.delete(stream);
  }

  waits(stream: TunnelStream): void {
    this.#halfClosed.add(stream);
    this.#o.events.wake();
  }

  finished(stream: TunnelStream): void {
    this.#halfClosed.delete(stream);
    if (this.#streams.get(stream.id) === stream) this.#streams.delete(stream.id);
    if (stream.unread > 0) this.#draining.add(stream);
    if (this.role === "server") this.#rest(stream.id);
  }

  /** Ends what has waited too long. */
  tick(): void {
    const { answerMs, halfClosedMs } = this.#o.limits;
    for (const stream of [...this.#halfClosed]) {
      stream.tick(halfClosedMs);
      if (!stream.isHalfClosed) this.#halfClosed.delete(stream);
    }
    const now = this.now();
    for (const [forward, waiting] of [...this.#waiting]) {
      if (waiting.dueAt > now || !this.#waiting.delete(forward)) continue;
      const words = `Cannot connect to ${waiting.to}: the server did not answer within ` +
        `${answerMs / 1000} s; tuntox does not say that a target is refused`;
      waiting.events.refused(null, new TtunError("timeout", words));
    }
  }

  /** The link is lost, and all that was on it. The tunnels can be used again. */
  lose(error: TtunError): void {
    this.#frames.clear();
    const streams = [...this.#streams.values()];
    const requests = [...this.#requests];
    this.#requests.clear();
    this.#restingIds.length = 0;
    for (const stream of streams) stream.abandon(error);
    for (const [forward, { events }] of [...this.#waiting]) {
      if (this.#waiting.delete(forward)) events.refused(null, error);
    }
    for (const { onGone } of requests) onGone?.();
  }
}
