import { TtunError } from "../../base/errors.ts";
import type { ConnectionStats } from "../../contract/stats.ts";
import type { MaybePromise, OnReady, Stream } from "../../contract/stream.ts";
import { ByteQueue } from "./byte_queue.ts";
import { CHUNK, type ChunkPool } from "./chunk_pool.ts";
import {
  MAX_DATA_HEADER,
  type MuxAddress,
  OPENED,
  type OpenKind,
  packDataHeader,
  packFin,
  packOpen,
  packOpened,
  packReset,
} from "./frames.ts";
import type { ReceiveWindow } from "./receive_window.ts";
import type { LoggedFrame } from "./send_log.ts";

/** Bytes that wait in a stream for their turn: enough for several turns. */
export const QUEUE = 128 * 1024;

/**
 * Bytes that may come after dispose while data that was written waits: so much may wait at the other
 * end too, and it may be that nobody reads there either.
 */
const MOST_DISCARDED = 2 * QUEUE;

/** Bytes of data of a stream's turn: others wait for so much. A chunk is whole turns. */
export const QUANTUM = CHUNK / 2;

/** Bytes of data in a frame, where nobody waits: each frame is a write at the other end. */
export const MAX_DATA = CHUNK;

/** Bytes that lie together and are written as they are: fewer are read together with others. */
const WORTH_A_WRITE = 16 * 1024;

/** The session, as its streams see it. */
export interface StreamOwner {
  /** Memory for bytes that wait. */
  readonly pool: ChunkPool;
  /** Bytes that may wait in a stream for their turn: at most QUEUE, less where streams are many. */
  readonly queueLimit: number;
  /** Milliseconds of a monotonic clock. */
  readonly now: number;
  /** There is a control frame of the stream to send. */
  sendControl(stream: MuxStream): void;
  /** There is data, and the stream's window has room for it. */
  sendData(stream: MuxStream): void;
  /** Returns false if the datagram is dropped: there is no carrier, or no room. */
  sendDatagram(stream: MuxStream, address: MuxAddress, bytes: Uint8Array): boolean;
  /** Bytes were read or thrown away. `isDue`: the stream's own window is to be announced. */
  consumed(stream: MuxStream, bytes: number, isDue: boolean): void;
  /** Runs a callback of the stream's user. */
  notify(run: OnReady): void;
  /** No frame of the stream comes or goes any more. */
  finished(stream: MuxStream): void;
}

/** Answer to an open of this end; one of them is called, unless this end resets the stream first. */
export interface OpenEvents {
  opened(address: MuxAddress): void;
  /** `code`: a SOCKS5 reply; null = the stream was reset, or the session has ended. */
  refused(code: number | null, error: TtunError): void;
}

export interface MuxStreamOptions {
  readonly owner: StreamOwner;
  readonly peer: string;
  readonly window: ReceiveWindow;
  /** Data bytes that the peer takes without a window frame. */
  readonly sendLimit: number;
  /** The peer's number of the stream; 0 = it is this end's, and gets one when its open is sent. */
  readonly id: number;
  readonly kind: OpenKind;
  /** Of a stream of this end's. */
  readonly open?: OwnOpen;
}

/** `body`: of `packOpenBody`. */
export interface OwnOpen {
  readonly body: Uint8Array;
  readonly events: OpenEvents;
}

/**
 * A stream of a session, both ways (docs/wire/link-v2.md, "Streams"). Contract: `Stream`. It is one
 * long file, as both ways are one state: an end, a reset or a refusal of either changes the other.
 */
export class MuxStream implements Stream {
  readonly peer: string;
  readonly window: ReceiveWindow;
  readonly kind: OpenKind;
  /** True for one that this end has opened. */
  readonly isOwn: boolean;
  /** Bytes of data and of datagrams; those that were sent again count once. */
  sentBytes = 0;
  receivedBytes = 0;
  /** Times of the open, and of the last bytes either way, in milliseconds. */
  readonly openedAt: number;
  activeAt: number;
  id: number;
  /** Called once, when no frame of the stream comes or goes any more. */
  onOver: (() => void) | null = null;
  /** Takes each datagram that comes: a view, valid during the call. Null = they are dropped. */
  onDatagram: ((address: MuxAddress, bytes: Uint8Array) => void) | null = null;
  /** Bytes of its datagrams that wait; the queue's. */
  datagramBytes = 0;
  /** Bytes left of the turn; the scheduler's. */
  allowance = 0;
  /** True while the scheduler has it, or the list of streams with control frames. */
  isScheduled = false;
  hasControl = false;
  readonly #owner: StreamOwner;

  /** The open of this end's stream, until it is sent; its events, until they were called. */
  #openDue: Uint8Array | null;
  #openEvents: OpenEvents | null;
  /** The peer has not answered this end's open. */
  #isAsking: boolean;
  /** The peer's open was not answered: nothing else goes before that but a reset. */
  #owesAnswer: boolean;
  /** The answer, until it is sent. */
  #answer: Uint8Array | null = null;
  #isRefused = false;

  readonly #in: ByteQueue;
  /** The rest of the frame that has just come, lent for one callback. */
  #lent: Uint8Array | null = null;
  #finReceived = false;
  #resetReceived = false;
  /** Nobody reads any more: what comes is thrown away. */
  #isDeaf = false;
  /** Bytes that came since then. */
  #discarded = 0;

  readonly #out: ByteQueue;
  #sendLimit: number;
  #sent = 0;
  /** The end was asked for; it goes behind all data. */
  #isClosing = false;
  #finSent = false;
  /** Code of a reset that is to be sent. */
  #resetDue: number | null = null;
  #resetSent = false;

  #error: TtunError | null = null;
  #isOver = false;
  #onReadable: OnReady | null = null;
  #onWritable: OnReady | null = null;

  constructor({ owner, peer, window, sendLimit, id, kind, open }: MuxStreamOptions) {
    this.#owner = owner;
    this.kind = kind;
    this.isOwn = open !== undefined;
    this.openedAt = this.activeAt = owner.now;
    this.#in = new ByteQueue(owner.pool);
    this.#out = new ByteQueue(owner.pool);
    this.peer = peer;
    this.window = window;
    this.#sendLimit = sendLimit;
    this.id = id;
    this.#openDue = open?.body ?? null;
    this.#openEvents = open?.events ?? null;
    this.#isAsking = open !== undefined;
    this.#owesAnswer = open === undefined;
  }

  // For the user.

  readNow(into: Uint8Array): number | null | undefined {
    if (this.#lent !== null) return this.#read(this.#readLent(into));
    if (this.#in.length > 0) return this.#read(this.#in.read(into));
    if (this.#isDeaf) throw this.#error ?? closedHere();
    if (this.#finReceived) return null;
    if (this.#error !== null) throw this.#error;
    return undefined;
  }

  #readLent(into: Uint8Array): number {
    const lent = this.#lent!;
    const size = Math.min(into.length, lent.length);
    into.set(size === lent.length ? lent : lent.subarray(0, size));
    this.#lent = size === lent.length ? null : lent.subarray(size);
    return size;
  }

  peekNow(): Uint8Array | null {
    if (this.#lent !== null) return this.#lent;
    const { length } = this.#in;
    if (length === 0) return null;
    const { first } = this.#in;
    return first.length === length || first.length >= WORTH_A_WRITE ? first : null;
  }

  consume(bytes: number): void {
    const lent = this.#lent;
    if (lent === null) this.#in.consume(bytes);
    else this.#lent = bytes === lent.length ? null : lent.subarray(bytes);
    this.#read(bytes);
  }

  #read(bytes: number): number {
    const isDue = this.window.consume(bytes) && !this.#finReceived && !this.#resetReceived;
    this.#owner.consumed(this, bytes, isDue);
    return bytes;
  }

  onReadable(run: OnReady): void {
    const hasFailed = this.#error !== null && this.#in.length === 0 && !this.#finReceived;
    if (this.#isDeaf || hasFailed) throw this.#error ?? closedHere();
    this.#onReadable = run;
  }

  /** Copies what it takes. */
  writeNow(bytes: Uint8Array): number {
    if (this.#error !== null) throw this.#error;
    if (this.#isClosing) throw closedHere();
    const size = Math.min(bytes.length, this.#owner.queueLimit - this.#out.length);
    if (size <= 0) return 0;
    this.#out.push(bytes.subarray(0, size));
    if (this.hasData) this.#owner.sendData(this);
    return size;
  }

  /** While there is no room for a whole chunk the writer waits: a few bytes at a time cost more. */
  reserveNow(): Uint8Array | null {
    if (this.#error !== null || this.#isClosing) return null;
    const { pool, queueLimit } = this.#owner;
    if (queueLimit < 2 * CHUNK) return null;
    return this.#out.length * 2 > queueLimit ? NO_ROOM : pool.next;
  }

  commit(bytes: number): void {
    this.#out.commit(bytes);
    if (this.hasData) this.#owner.sendData(this);
  }

  onWritable(run: OnReady): void {
    if (this.#isDeaf || this.#error !== null) throw this.#error ?? closedHere();
    this.#onWritable = run;
  }

  closeWrite(): MaybePromise<void> {
    if (this.#isClosing || this.#error !== null) return;
    this.#isClosing = true;
    if (this.#out.length === 0) this.#owner.sendControl(this);
  }

  reset(): void {
    this.#fail(closedHere());
    const isEnding = this.#isOver || this.#resetSent || this.#resetDue !== null || this.#isRefused;
    if (isEnding) this.#deafen();
    else this.#startReset();
  }

  /**
   * Ends both ways: data that was written still goes, and its end behind it; a peer that goes on
   * sending gets a reset then, or before if it sends much. An open without an answer is given up.
   */
  [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isDeaf) {
      const isOpening = this.#isAsking || this.#owesAnswer && this.#answer === null;
      if (isOpening && !this.#isOver) this.reset();
      else {
        this.#deafen();
        void this.closeWrite(); // asks for the end, and waits for nothing
        if (this.#finSent && !this.#finReceived) this.#startReset();
      }
      this.#tell();
    }
    return Promise.resolve();
  }

  stats(): ConnectionStats {
    return {
      protocol: "mux",
      isDelivered: this.#out.length === 0,
      peerClosed: this.#finReceived || this.#error !== null,
      isGone: this.#resetReceived || this.#error !== null && this.#isOver,
    };
  }

  /** Answers the peer's open. `code`: OPENED, or a SOCKS5 reply, which ends the stream. */
  answer(code: number, address: MuxAddress): void {
    if (!this.#owesAnswer || this.#error !== null || this.#isOver) return;
    this.#answer = packOpened(this.id, code, address);
    if (code !== OPENED) {
      this.#isRefused = true;
      this.#fail(closedHere());
      this.#deafen();
      this.#out.clear();
    }
    this.#owner.sendControl(this);
  }

  /**
   * Sends a datagram, which is copied, and may get lost. `address`: its target, or where it came
   * from. Returns false if it is dropped at once.
   */
  sendDatagram(address: MuxAddress, bytes: Uint8Array): boolean {
    if (!this.takesDatagrams || !this.#owner.sendDatagram(this, address, bytes)) return false;
    this.#countSent(bytes.length);
    return true;
  }

  /** The stream has not begun to end. */
  get takesDatagrams(): boolean {
    const isEnding = this.#isOver || this.#isClosing || this.#resetDue !== null;
    return !isEnding && this.#error === null;
  }

  /** The peer knows it: a datagram that overtakes everything else is not one of an unknown stream. */
  get isKnown(): boolean {
    return !this.#isAsking;
  }

  // For the session: frames that come.

  receiveDatagram(address: MuxAddress, bytes: Uint8Array): void {
    if (!this.takesDatagrams) return;
    this.#countReceived(bytes.length);
    this.onDatagram?.(address, bytes);
  }

  #countSent(bytes: number): void {
    this.sentBytes += bytes;
    this.activeAt = this.#owner.now;
  }

  #countReceived(bytes: number): void {
    this.receivedBytes += bytes;
    this.activeAt = this.#owner.now;
  }

  /** `bytes` is a view, valid during the call. Returns false where the peer must not send it. */
  receive(bytes: Uint8Array): boolean {
    if (this.#isAsking || this.#finReceived || this.#resetReceived) return false;
    if (!this.window.receive(bytes.length)) return false;
    this.#countReceived(bytes.length);
    if (this.#isDeaf) this.#discard(bytes.length);
    else if (this.#in.length > 0 || this.#onReadable === null) this.#in.push(bytes);
    else {
      this.#lent = bytes;
      this.#tell();
      const rest = this.#lent as Uint8Array | null;
      this.#lent = null;
      if (rest !== null) this.#in.push(rest);
    }
    return true;
  }

  /** Returns false where the peer must not send it. */
  receiveFin(): boolean {
    if (this.#isAsking || this.#finReceived || this.#resetReceived) return false;
    this.#finReceived = true;
    this.#tell();
    this.#endIfDone();
    return true;
  }

  /** Data that came before it can still be read. Returns false where the peer must not send it. */
  receiveReset(): boolean {
    if (this.#resetReceived) return false;
    this.#wasReset(null);
    return true;
  }

  /** Returns false where the peer must not send it. */
  receiveOpened(code: number, address: MuxAddress): boolean {
    if (!this.#isAsking || this.#openDue !== null || this.#resetReceived) return false;
    this.#isAsking = false;
    if (code !== OPENED) this.#wasReset(code);
    else this.#takeEvents()?.opened(address);
    return true;
  }

  #wasReset(code: number | null): void {
    this.#resetReceived = true;
    this.#isAsking = false;
    const why = code === null ? "it was reset" : "it was refused";
    const error = new TtunError("lost", `Lost the connection with ${this.peer}: ${why}`);
    const events = this.#takeEvents();
    this.#out.clear();
    this.#fail(error);
    if (this.#resetSent || this.#isRefused && this.#answer === null) this.#end();
    else if (this.#resetDue === null && !this.#isRefused) this.#oweReset();
    events?.refused(code, error);
  }

  /** A limit of data since the beginning; the largest counts. */
  receiveWindow(limit: number): void {
    if (limit <= this.#sendLimit) return;
    this.#sendLimit = limit;
    if (this.hasData) this.#owner.sendData(this);
  }

  /** Ends the stream at once: there is no session any more. */
  abandon(error: TtunError): void {
    if (this.#isOver) return;
    const events = this.#takeEvents();
    this.#out.clear();
    this.#fail(error);
    this.#end();
    events?.refused(null, error);
  }

  // For the session: frames that go.

  /** There is data, and the stream's window has room for it. */
  get hasData(): boolean {
    return this.#out.length > 0 && this.#sent < this.#sendLimit &&
      this.#openDue === null && !this.#owesAnswer;
  }

  /** Takes the next control frame; null = there is none now. `newId` numbers a new stream. */
  nextControl(newId: () => number): LoggedFrame | null {
    const head = this.#nextControl(newId);
    return head === null ? null : { head, body: null };
  }

  #nextControl(newId: () => number): Uint8Array | null {
    if (this.#isOver) return null;
    if (this.#openDue !== null) {
      const body = this.#openDue;
      this.#openDue = null;
      this.id = newId();
      if (this.hasData) this.#owner.sendData(this);
      return packOpen(this.id, body);
    }
    if (this.#answer !== null) {
      const answer = this.#answer;
      this.#answer = null;
      this.#owesAnswer = false;
      if (this.#isRefused && this.#resetReceived) this.#end();
      else if (this.hasData) this.#owner.sendData(this);
      return answer;
    }
    if (this.#resetDue !== null && !this.#resetSent) {
      this.#resetSent = true;
      const bytes = packReset(this.id, this.#resetDue);
      if (this.#resetReceived) this.#end();
      return bytes;
    }
    const isEnding = this.#resetDue !== null || this.#resetReceived || this.#isRefused;
    const mayFin = this.#isClosing && !this.#finSent && this.#out.length === 0;
    if (!mayFin || isEnding || this.#owesAnswer) return null;
    this.#finSent = true;
    this.#endIfDone();
    if (this.#isDeaf && !this.#isOver) this.#startReset();
    return packFin(this.id);
  }

  /**
   * Takes data for a frame that fits into `room` bytes, at most `limit` bytes of it; null = there
   * is none, or no window for it. Bytes that lie together are not cut for less than `least` bytes.
   */
  nextData(room: number, limit: number, least = 0): LoggedFrame | null {
    const allowed = Math.min(limit, this.#sendLimit - this.#sent);
    const most = Math.min(allowed, room - MAX_DATA_HEADER);
    if (most <= 0 || this.#out.length === 0) return null;
    if (most < least && most < Math.min(allowed, this.#out.first.length)) return null;
    const body = this.#out.take(most);
    const { length } = body.bytes;
    this.#sent += length;
    this.#countSent(length);
    if (this.#out.length === 0 && this.#isClosing) this.#owner.sendControl(this);
    if (this.#onWritable !== null && this.#out.length * 2 <= this.#owner.queueLimit) {
      this.#tellWriter();
    }
    return { head: packDataHeader(this.id, length), body };
  }

  #oweReset(): void {
    this.#resetDue = 0;
    this.#owner.sendControl(this);
  }

  #startReset(): void {
    this.#deafen();
    this.#out.clear();
    this.#openEvents = null;
    if (this.#openDue !== null) this.#end(); // the peer has never heard of it
    else this.#oweReset();
  }

  #deafen(): void {
    this.#isDeaf = true;
    const unread = this.#in.length + (this.#lent?.length ?? 0);
    this.#in.clear();
    this.#lent = null;
    if (unread > 0) this.#throwAway(unread);
  }

  /** The peer's window goes on, or two ends that both wait to send the rest would wait for ever. */
  #throwAway(bytes: number): void {
    const isDue = this.window.consume(bytes) && this.#awaitsEnd;
    this.#owner.consumed(this, bytes, isDue);
  }

  #discard(bytes: number): void {
    this.#discarded += bytes;
    if (this.#discarded > MOST_DISCARDED && this.#awaitsEnd) this.#startReset();
    this.#throwAway(bytes);
  }

  /** Nothing has been said, by either end, upon which the peer stops sending. */
  get #awaitsEnd(): boolean {
    return !this.#finReceived && !this.#resetReceived && this.#resetDue === null &&
      !this.#isRefused;
  }

  #takeEvents(): OpenEvents | null {
    const events = this.#openEvents;
    this.#openEvents = null;
    return events;
  }

  #fail(error: TtunError): void {
    this.#error ??= error;
    this.#tell();
  }

  /** Calls the waiting reader, and the waiting writer where it can only fail. */
  #tell(): void {
    const run = this.#onReadable;
    this.#onReadable = null;
    if (run !== null) this.#owner.notify(run);
    if (this.#error !== null || this.#isDeaf) this.#tellWriter();
  }

  #tellWriter(): void {
    const run = this.#onWritable;
    this.#onWritable = null;
    if (run !== null) this.#owner.notify(run);
  }

  #endIfDone(): void {
    if (this.#finReceived && this.#finSent) this.#end();
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#owner.finished(this);
    this.onOver?.();
  }
}

const NO_ROOM = new Uint8Array();

function closedHere(): TtunError {
  return new TtunError("lost", "Cannot go on: the connection was closed at this end");
}
