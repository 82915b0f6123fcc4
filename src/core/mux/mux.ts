import { ProtocolError, type TtunError } from "../../base/errors.ts";
import type { Reader } from "../../base/varint.ts";
import type { OnReady } from "../../contract/stream.ts";
import type { ChunkPool } from "./chunk_pool.ts";
import { DatagramQueue, MOST_DATAGRAM } from "./datagram_queue.ts";
import {
  isNumbered,
  MAX_DATA_HEADER,
  MAX_DATAGRAM_HEAD,
  type MuxAddress,
  type MuxFrameHandler,
  MuxFrameType,
  type Open,
  type OpenKind,
  packAck,
  packDatagram,
  packMove,
  packOpenBody,
  packPosition,
  packWindow,
  readMuxFrame,
} from "./frames.ts";
import {
  MAX_DATA,
  MuxStream,
  type OpenEvents,
  type OwnOpen,
  QUANTUM,
  QUEUE,
  type StreamOwner,
} from "./mux_stream.ts";
import { KeptAllowance } from "./kept_allowance.ts";
import { ReceiveWindow, type WindowBudget } from "./receive_window.ts";
import { Scheduler } from "./scheduler.ts";
import { type LoggedFrame, SendLog, sizeOf } from "./send_log.ts";
import { TotalWindow } from "./total_window.ts";

/** Bytes of the longest frame that is not numbered. */
const MAX_SMALL_FRAME = 1 + 8 + 8;

/** Latest time of an acknowledgement, in milliseconds, and in bytes of what it covers. */
export const ACK_MS = 25;
const ACK_BYTES = 256 * 1024;

/**
 * Bytes of data for which a record is filled up with a part of what lies together: each frame is a
 * write at the other end.
 */
const LEAST_CUT = QUANTUM;

/** Bytes that wait in all streams for their turn, beside some of each. */
const MOST_QUEUED = 32 << 20;
const LEAST_QUEUE = 16 * 1024;

/** Least round trip in milliseconds that is told apart: two event loops take so long. */
export const LEAST_RTT = 0.25;

/**
 * Round trips that are measured by windows on a carrier, and milliseconds between two of them. Its
 * first ping is answered by code that has not been compiled yet, as the first windows are; the least
 * of very many would be far below what is usual on some paths.
 */
const RTT_SAMPLES = 64;
const RTT_SAMPLE_MS = 20;

/** Numbered frames that wait for an acknowledgement: a peer that gives none makes the rest wait. */
const MOST_UNACKNOWLEDGED = 65_536;

/** Flow control of one end (TLV 03): what the other may send, and open, without a further word. */
export interface MuxWindows {
  readonly stream: number;
  readonly total: number;
  readonly streams: number;
}

export interface MuxOptions {
  readonly role: "client" | "server";
  readonly local: MuxWindows;
  readonly peer: MuxWindows;
  /**
   * Bytes that one stream's window may grow to, and all of the session; the latter is a limit for
   * what was sent and not acknowledged too.
   */
  readonly mostStream: number;
  readonly mostTotal: number;
  /** Memory of windows beyond the first ones. */
  readonly budget: WindowBudget;
  /** Memory of frames that the peer has not acknowledged. */
  readonly kept: WindowBudget;
  /** Memory that bulk passes through. */
  readonly pool: ChunkPool;
  readonly events: MuxEvents;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
  /** The carrier's round trip in milliseconds; NaN before it is known. It may be too long. */
  readonly rtt: () => number;
}

export interface MuxEvents {
  /** The peer has opened a stream, which is to be answered (`MuxStream.answer`). */
  opened(stream: MuxStream, open: Open): void;
  /** The server's port closes in so many seconds. */
  move(seconds: number): void;
  /** There is something to send (`Mux.fill`, not from within), now or `ACK_MS` later. */
  wake(isLater: boolean): void;
}

/** A way beside a carrier for single frames, which may get lost or come in another order. */
export interface LossyWay {
  /** Bytes that a frame may have now. */
  readonly mostBytes: number;
  /** Returns false for a frame that is dropped here. */
  send(frame: Uint8Array): boolean;
}

/** A carrier's place in the numbering of what comes on it; made by `Mux.attach`. */
export interface MuxCarrier {
  readonly number: number;
  /** Number of the next numbered frame on it; null = a position must come first. */
  next: number | null;
  /** Null = its datagrams go with all else. */
  lossy: LossyWay | null;
}

/**
 * A session's streams, whatever carriers it has: frames in, frames out (docs/wire/link-v2.md,
 * "Streams" and "Sessions"). Its state outlives carriers, and nothing of it is lost or sent twice.
 * A throw of ProtocolError ends the session: call `end`. It is one long file, as what comes decides
 * what goes: an acknowledgement, a credit, the position on the next carrier.
 */
export class Mux implements StreamOwner {
  readonly pool: ChunkPool;
  readonly #o: MuxOptions;
  readonly #log: SendLog;
  readonly #allowance: KeptAllowance;
  readonly #scheduler = new Scheduler();
  readonly #datagrams = new DatagramQueue();
  readonly #streams = new Map<number, MuxStream>();
  readonly #total: TotalWindow;
  readonly #skip: MuxFrameHandler;
  readonly #handler: MuxFrameHandler;
  /** Streams with control frames to send, in the order in which they asked. */
  #controls: MuxStream[] = [];
  /** Streams whose windows are to be announced. */
  readonly #windows = new Set<MuxStream>();
  #isTotalDue = false;
  #totalLimit: number;
  #totalSent = 0;
  #lastOwn: number;
  #lastPeers: number;
  /** Streams of either end that have not finished; those of this end count from `open` on. */
  #ownStreams = 0;
  #peerStreams = 0;

  /** Number of the next numbered frame to take, and up to where it was acknowledged. */
  #expected = 0;
  #acknowledged = 0;
  #unacknowledgedBytes = 0;
  #isAckDue = false;
  #moveDue: number | null = null;

  readonly #carriers: MuxCarrier[] = [];
  /** The carrier that is sent on, and the number of its next frame; a position goes first. */
  #current: MuxCarrier | null = null;
  #cursor = 0;
  #isPositionDue = false;
  /** Bytes for which data is cut to fill the record up. */
  #least = 0;
  #receiving: MuxCarrier | null = null;
  /** Time of the last change of the carrier that is sent on, and least round trip of some then. */
  #sendsSince: number;
  #leastRoundTrip = Infinity;
  #samplesLeft = RTT_SAMPLES;
  #sampleAfter = 0;

  #end: TtunError | null = null;
  #allHandled = true;

  constructor(o: MuxOptions) {
    this.#o = o;
    this.pool = o.pool;
    this.#log = new SendLog(o.pool);
    this.#allowance = new KeptAllowance(o.mostTotal, o.kept);
    this.#total = new TotalWindow(o.local.total, o.mostTotal, o.budget, o.now());
    this.#totalLimit = o.peer.total;
    this.#sendsSince = o.now();
    this.#lastOwn = o.role === "client" ? -1 : 0;
    this.#lastPeers = o.role === "client" ? 0 : -1;
    this.#handler = {
      open: (id, open) => this.#receiveOpen(id, open),
      opened: (id, code, address) => this.#receiveOpened(id, code, address),
      data: (id, bytes) => this.#receiveData(id, bytes),
      datagram: (id, address, bytes) => this.#streams.get(id)?.receiveDatagram(address, bytes),
      fin: (id) => this.#must(this.#live(id, "fin").receiveFin(), "a fin behind its end"),
      reset: (id) => void this.#find(id)?.receiveReset(),
      window: (id, limit) => this.#receiveWindow(id, limit),
      position: (next) => this.#receivePosition(next),
      ack: (next) => this.#receiveAck(next),
      move: (seconds) => o.events.move(seconds),
    };
    const nothing = (): void => {};
    this.#skip = {
      ...this.#handler,
      open: nothing,
      opened: nothing,
      data: nothing,
      fin: nothing,
      reset: nothing,
    };
  }

  /** True when another stream may be opened. */
  get canOpen(): boolean {
    return this.#end === null && this.#ownStreams < this.#o.peer.streams;
  }

  /** Streams that have not finished. */
  get streams(): number {
    return this.#ownStreams + this.#peerStreams;
  }

  /** Streams of either end that have not finished and are known to both. */
  get liveStreams(): Iterable<MuxStream> {
    return this.#streams.values();
  }

  /** Data bytes of all streams since the beginning; those that were sent again count once. */
  get sentBytes(): number {
    return this.#totalSent;
  }

  get receivedBytes(): number {
    return this.#total.received;
  }

  /** Bytes that are kept until the peer acknowledges them. */
  get keptBytes(): number {
    return this.#log.bytes;
  }

  /** Number of the next numbered frame that is expected: TLV 08 of a resume. */
  get expected(): number {
    return this.#expected;
  }

  /**
   * Opens a stream; `canOpen` must be true. Data may be written to it at once.
   * @throws {TtunError} if no frame can say the address
   */
  open(open: Open, peer: string, events: OpenEvents): MuxStream {
    const body = packOpenBody(open);
    this.#ownStreams++;
    const stream = this.#newStream(0, peer, open.kind, { body, events });
    this.sendControl(stream);
    return stream;
  }

  /**
   * Takes a carrier whose handshake is complete, and sends on it from now on if there is none with a
   * higher number. `peerExpected`: TLV 08 of a resume; null for the first carrier of the session.
   * @throws {ProtocolError} if the peer expects what was never sent
   */
  attach(number: number, peerExpected: number | null): MuxCarrier {
    const carrier: MuxCarrier = { number, next: peerExpected === null ? 0 : null, lossy: null };
    if (peerExpected !== null) this.#receiveAck(peerExpected);
    const at = this.#carriers.findLastIndex((one) => one.number < number) + 1;
    this.#carriers.splice(at, 0, carrier);
    if (at === this.#carriers.length - 1) this.#sendOn(carrier, peerExpected !== null);
    return carrier;
  }

  /** Forgets a carrier that has ended; an older one that lives is sent on again. */
  detach(carrier: MuxCarrier): void {
    const at = this.#carriers.indexOf(carrier);
    if (at >= 0) this.#carriers.splice(at, 1);
    if (this.#current === carrier) this.#sendOn(this.#carriers.at(-1) ?? null, true);
  }

  #sendOn(carrier: MuxCarrier | null, isSwitch: boolean): void {
    this.#current = carrier;
    this.#sendsSince = this.#o.now();
    this.#leastRoundTrip = Infinity;
    this.#samplesLeft = RTT_SAMPLES;
    this.#moveDue = null; // it was about the carrier before
    if (carrier === null) this.#datagrams.clear();
    if (carrier === null || !isSwitch) return;
    this.#cursor = this.#log.base;
    this.#isPositionDue = true;
    this.#isAckDue = true;
    this.#isTotalDue = true;
    for (const stream of this.#streams.values()) this.#windows.add(stream);
    this.#wake();
  }

  /**
   * Reads the frame at `reader`, which came on this carrier, if it is one of these; false = it is
   * another. Byte arrays are not kept.
   * @throws {ProtocolError} which ends the session; the reason, if it has ended
   */
  receive(carrier: MuxCarrier, reader: Reader): boolean {
    if (this.#end !== null) throw this.#end;
    const type = reader.bytes[reader.at]!;
    this.#receiving = carrier;
    if (!isNumbered(type)) return readMuxFrame(reader, this.#handler);
    if (carrier.next === null) {
      throw new ProtocolError("Ended the session: a numbered frame came before its position");
    }
    const number = carrier.next++;
    if (number < this.#expected) return readMuxFrame(reader, this.#skip);
    this.#expected++;
    const from = reader.at;
    const isRead = readMuxFrame(reader, this.#handler);
    this.#owesAck(reader.at - from);
    return isRead;
  }

  #owesAck(bytes: number): void {
    const isFirst = this.#unacknowledgedBytes === 0;
    this.#unacknowledgedBytes += bytes;
    if (this.#unacknowledgedBytes >= ACK_BYTES) {
      this.#isAckDue = true;
      this.#wake();
    } else if (isFirst) this.#o.events.wake(true);
  }

  /** To be called `ACK_MS` after `wake(true)`: an acknowledgement that is still owed is sent. */
  ackIsDue(): void {
    if (this.#expected === this.#acknowledged) return;
    this.#isAckDue = true;
    this.#wake();
  }

  /** Callbacks since the last call left nothing to a promise (`OnReady`). */
  takeHandled(): boolean {
    const handled = this.#allHandled;
    this.#allHandled = true;
    return handled;
  }

  /** The server's port closes: the client is to come back on another carrier. */
  sendMove(seconds: number): void {
    this.#moveDue = seconds;
    this.#wake();
  }

  /**
   * Writes frames for this carrier to `out[at..end)`; returns where they end, `at` if there is
   * nothing to send. `end - at` is at least LEAST_ROOM. New data of streams ends at `most` bytes,
   * whatever else there is.
   */
  fill(carrier: MuxCarrier, out: Uint8Array, at: number, end: number, most = end - at): number {
    if (carrier !== this.#current || this.#end !== null) return at;
    const begin = at;
    if (this.#isPositionDue) {
      this.#isPositionDue = false;
      at = put(out, at, packPosition(this.#cursor));
    }
    if (this.#isAckDue) at = this.#putAck(out, at);
    at = this.#resend(out, at, end);
    if (this.#cursor < this.#log.end) return at;
    if (this.#moveDue !== null && end - at >= MAX_SMALL_FRAME) {
      at = put(out, at, packMove(this.#moveDue));
      this.#moveDue = null;
    }
    at = this.#putWindows(out, at, end);
    at = this.#putNew(out, at, end, () => this.#nextControl());
    at = this.#datagrams.put(out, at, end, (end - at) / 2);
    const tail = Math.max(0, end - begin - most); // room that data leaves to others
    this.#least = 0;
    at = this.#putNew(out, at, end, (room) => this.#nextControl() ?? this.#nextData(room - tail));
    const isOwed = this.#expected > this.#acknowledged;
    if (at > begin && isOwed && end - at >= MAX_SMALL_FRAME) at = this.#putAck(out, at);
    return at;
  }

  #putAck(out: Uint8Array, at: number): number {
    this.#isAckDue = false;
    this.#unacknowledgedBytes = 0;
    this.#acknowledged = this.#expected;
    return put(out, at, packAck(this.#expected));
  }

  #resend(out: Uint8Array, at: number, end: number): number {
    while (this.#cursor < this.#log.end) {
      const frame = this.#log.at(this.#cursor);
      if (sizeOf(frame) > end - at) break;
      at = putFrame(out, at, frame);
      this.#cursor++;
    }
    return at;
  }

  /** Windows credit what came, so what came is acknowledged before them. */
  #putWindows(out: Uint8Array, at: number, end: number): number {
    const isAny = this.#isTotalDue || this.#windows.size > 0;
    if (!isAny || end - at < 3 * MAX_SMALL_FRAME) return at;
    if (this.#expected > this.#acknowledged) at = this.#putAck(out, at);
    const [now, rtt] = [this.#o.now(), this.#rtt];
    if (this.#isTotalDue) {
      this.#isTotalDue = false;
      if (this.#total.isDue) this.#total.grant(now, rtt);
      at = put(out, at, packWindow(0, this.#total.granted));
    }
    for (const stream of this.#windows) {
      if (end - at < MAX_SMALL_FRAME) break;
      this.#windows.delete(stream);
      if (stream.id === 0) continue;
      at = put(out, at, packWindow(stream.id, stream.window.grant(now, rtt)));
    }
    return at;
  }

  /** Milliseconds; NaN before it is known. */
  get #rtt(): number {
    const rtt = this.#o.rtt();
    if (rtt <= this.#leastRoundTrip) return rtt;
    return this.#leastRoundTrip === Infinity ? NaN : this.#leastRoundTrip;
  }

  #putNew(
    out: Uint8Array,
    at: number,
    end: number,
    next: (room: number) => LoggedFrame | null,
  ): number {
    while (this.#mayKeepMore) {
      if (this.#controls.length > 0 && end - at < MOST_CONTROL) break;
      const frame = next(end - at);
      if (frame === null) break;
      if (frame.body !== null) this.#totalSent += frame.body.bytes.length;
      this.#log.append(frame);
      this.#cursor = this.#log.end;
      at = putFrame(out, at, frame);
    }
    return at;
  }

  /** Bounds the memory that a peer takes which grants windows and acknowledges nothing. */
  get #mayKeepMore(): boolean {
    const { base, end, memory } = this.#log;
    return end - base < MOST_UNACKNOWLEDGED && this.#allowance.mayGrow(memory);
  }

  #nextData(room: number): LoggedFrame | null {
    const frame = this.#scheduler.next(room, this.#totalLimit - this.#totalSent, this.#least);
    this.#least = LEAST_CUT;
    return frame;
  }

  #nextControl(): LoggedFrame | null {
    while (this.#controls.length > 0) {
      const stream = this.#controls[0]!;
      const isNew = stream.id === 0;
      const frame = stream.nextControl(this.#newId);
      if (isNew && stream.id !== 0) this.#streams.set(stream.id, stream);
      if (frame !== null) return frame;
      this.#controls.shift();
      stream.hasControl = false;
    }
    return null;
  }

  readonly #newId = (): number => {
    this.#lastOwn += 2;
    return this.#lastOwn;
  };

  /** Ends the session: every stream fails with `error`. */
  end(error: TtunError): void {
    if (this.#end !== null) return;
    this.#end = error;
    for (const stream of [...this.#streams.values(), ...this.#controls]) stream.abandon(error);
    this.#streams.clear();
    this.#controls = [];
    this.#windows.clear();
    this.#datagrams.clear();
    this.#total.close();
    this.#log.clear();
    this.#allowance.close();
    this.#carriers.length = 0;
    this.#current = null;
  }

  // Frames that came.

  #receiveOpen(id: number, open: Open): void {
    const isPeers = id > 0 && id % 2 !== (this.#o.role === "client" ? 1 : 0);
    this.#must(
      isPeers && id > this.#lastPeers,
      `an open of stream ${id}, which is none of its own`,
    );
    this.#must(this.#peerStreams < this.#o.local.streams, "more streams than were agreed");
    this.#lastPeers = id;
    this.#peerStreams++;
    const name = open.service ?? nameOf(open.address);
    this.#o.events.opened(this.#newStream(id, name, open.kind, undefined), open);
  }

  #newStream(
    id: number,
    peer: string,
    kind: OpenKind,
    open: OwnOpen | undefined,
  ): MuxStream {
    const { local, peer: { stream: sendLimit }, mostStream, budget, now } = this.#o;
    const window = new ReceiveWindow(local.stream, mostStream, budget, now());
    const stream = new MuxStream({
      owner: this,
      peer,
      window,
      sendLimit,
      id,
      kind,
      ...(open !== undefined && { open }),
    });
    if (id !== 0) this.#streams.set(id, stream);
    return stream;
  }

  #receiveOpened(id: number, code: number, address: MuxAddress): void {
    const isAsked = this.#live(id, "an answer").receiveOpened(code, address);
    this.#must(isAsked, `an answer about stream ${id}, which was not asked for`);
  }

  #receiveData(id: number, bytes: Uint8Array): void {
    const stream = this.#live(id, "data");
    this.#must(this.#total.receive(bytes.length), "more data than the window of all streams");
    this.#must(stream.receive(bytes), `data on stream ${id} beyond its window or its end`);
    if (this.#samplesLeft > 0) this.#sampleRoundTrip(stream.window);
    this.#lookAtTotal();
  }

  #sampleRoundTrip(window: ReceiveWindow): void {
    const now = this.#o.now();
    const roundTrip = window.takeRoundTrip(now, this.#sendsSince);
    if (Number.isNaN(roundTrip) || now < this.#sampleAfter) return;
    this.#samplesLeft--;
    this.#sampleAfter = now + RTT_SAMPLE_MS;
    this.#leastRoundTrip = Math.min(this.#leastRoundTrip, Math.max(LEAST_RTT, roundTrip));
  }

  #receiveWindow(id: number, limit: number): void {
    if (id !== 0) return this.#find(id)?.receiveWindow(limit);
    if (limit <= this.#totalLimit) return;
    this.#totalLimit = limit;
    this.#wake();
  }

  #receivePosition(next: number): void {
    this.#must(next <= this.#expected, "a position beyond what was sent");
    this.#receiving!.next = next;
  }

  #receiveAck(next: number): void {
    const isFull = !this.#mayKeepMore;
    this.#must(this.#log.acknowledge(next), "an acknowledgement of what was not sent");
    this.#allowance.shrink(this.#log.memory);
    if (this.#cursor < this.#log.base) {
      this.#cursor = this.#log.base;
      this.#isPositionDue = true;
    }
    if (isFull) this.#wake();
  }

  /** Returns a stream that has not finished. */
  #live(id: number, what: string): MuxStream {
    const stream = this.#streams.get(id);
    if (stream !== undefined) return stream;
    throw new ProtocolError(
      `Ended the session: the peer sent ${what} for stream ${id}, which is over`,
    );
  }

  /** Returns undefined for a stream that has finished. */
  #find(id: number): MuxStream | undefined {
    const isOwn = id % 2 === (this.#o.role === "client" ? 1 : 0);
    const isKnown = id > 0 && id <= (isOwn ? this.#lastOwn : this.#lastPeers);
    this.#must(isKnown, `a frame of stream ${id}, which was never opened`);
    return this.#streams.get(id);
  }

  #must(isRight: boolean, what: string): void {
    if (!isRight) throw new ProtocolError(`Ended the session: the peer sent ${what}`);
  }

  // Requests of streams.

  /** Whole milliseconds: V8 keeps these in the stream itself. */
  get now(): number {
    return Math.floor(this.#o.now());
  }

  get queueLimit(): number {
    return Math.max(LEAST_QUEUE, Math.min(QUEUE, Math.floor(MOST_QUEUED / this.streams)));
  }

  sendControl(stream: MuxStream): void {
    if (stream.hasControl || this.#end !== null) return;
    stream.hasControl = true;
    this.#controls.push(stream);
    this.#wake();
  }

  sendData(stream: MuxStream): void {
    this.#scheduler.add(stream);
    this.#wake();
  }

  sendDatagram(stream: MuxStream, address: MuxAddress, bytes: Uint8Array): boolean {
    if (this.#current === null) return false;
    const { lossy } = this.#current;
    if (lossy !== null && stream.isKnown) {
      const frame = packDatagram(stream.id, address, bytes);
      if (frame.length <= lossy.mostBytes) return lossy.send(frame);
    }
    if (!this.#datagrams.push(stream, address, bytes)) return false;
    this.#wake();
    return true;
  }

  /**
   * Takes a frame that has come beside a carrier, a datagram: another one means nothing there.
   * @throws {ProtocolError} if it is none
   */
  receiveLossy(frame: Reader): void {
    const isDatagram = frame.bytes[frame.at] === MuxFrameType.datagram;
    if (this.#end === null && isDatagram) readMuxFrame(frame, this.#handler);
  }

  consumed(stream: MuxStream, bytes: number, isDue: boolean): void {
    if (this.#end !== null) return;
    this.#total.consume(bytes);
    if (isDue) {
      this.#windows.add(stream);
      this.#wake();
    }
    this.#lookAtTotal();
  }

  #lookAtTotal(): void {
    if (this.#isTotalDue || this.#end !== null || !this.#total.isDue) return;
    if (this.#total.grant(this.#o.now(), this.#rtt) === null) return;
    this.#isTotalDue = true;
    this.#wake();
  }

  notify(run: OnReady): void {
    if (run() !== true) this.#allHandled = false;
  }

  finished(stream: MuxStream): void {
    stream.window.close();
    this.#windows.delete(stream);
    const isOwn = stream.id === 0 || stream.id % 2 === (this.#o.role === "client" ? 1 : 0);
    if (isOwn) this.#ownStreams--;
    else this.#peerStreams--;
    if (stream.id !== 0) this.#streams.delete(stream.id);
  }

  #wake(): void {
    if (this.#current !== null) this.#o.events.wake(false);
  }
}

/** Bytes of the longest control frame of a stream: an open of a path. */
const MOST_CONTROL = 1 + 8 + 1 + 8 + 3 + 4096;

/** Bytes that `Mux.fill` needs: for each kind of frame, whatever stands before it. */
export const LEAST_ROOM = MOST_CONTROL + 5 * MAX_SMALL_FRAME +
  Math.max(MAX_DATA + MAX_DATA_HEADER, MOST_DATAGRAM + MAX_DATAGRAM_HEAD);

function put(out: Uint8Array, at: number, bytes: Uint8Array): number {
  out.set(bytes, at);
  return at + bytes.length;
}

function putFrame(out: Uint8Array, at: number, { head, body }: LoggedFrame): number {
  out.set(head, at);
  at += head.length;
  return body === null ? at : put(out, at, body.bytes);
}

/** Names a stream for logs. */
function nameOf(address: MuxAddress): string {
  if (address === null) return "stream";
  if ("path" in address) return address.path;
  return address.host.includes(":")
    ? `[${address.host}]:${address.port}`
    : `${address.host}:${address.port}`;
}
