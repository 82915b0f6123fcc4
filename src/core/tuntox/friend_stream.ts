import type { Addr } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";
import type { Connection } from "../../contract/connection.ts";
import type { ConnectionStats } from "../../contract/stats.ts";
import type { OnReady } from "../../contract/stream.ts";
import { ByteQueue } from "../mux/byte_queue.ts";
import type { ChunkPool } from "../mux/chunk_pool.ts";
import { HEADER, MAX_PAYLOAD } from "./frames.ts";
import {
  MOST_CREDIT,
  packEnd,
  packReset,
  packWindow,
  ResetCode,
  writeStreamHeader,
} from "./stream_frames.ts";

/** Bytes that wait in a stream for their turn. */
const QUEUE = 64 * 1024;

/** Bytes that the other end may send ahead of a reader that keeps up. */
const MOST_WINDOW = 2 << 20;

const UNNAMED: Addr = { path: "" };

/** The streams of a friend, as each of them sees these. */
export interface StreamOwner {
  readonly pool: ChunkPool;
  /** Bytes that the other end may send ahead of the reader at first. */
  readonly firstWindow: number;
  /** The stream has something to send. */
  schedule(stream: FriendStream): void;
  /** Sends a frame that goes before all data. */
  push(frame: Uint8Array<ArrayBuffer>): void;
  /** Bytes that have come were read or thrown away. */
  released(stream: FriendStream, bytes: number): void;
  /** No frame of the stream comes or goes any more. */
  finished(stream: FriendStream): void;
}

/**
 * A byte stream between two ends of ttun, as a connection: each way ends by itself, and the other
 * end sends no more than there is room for.
 */
export class FriendStream implements Connection {
  readonly peer: string;
  readonly local = UNNAMED;
  readonly remote = UNNAMED;
  readonly congestion = "";
  readonly number: number;
  /** True while the streams have it in their turns. */
  isScheduled = false;
  /** True while the streams are to call `received`. */
  isFresh = false;
  readonly #owner: StreamOwner;
  readonly #in: ByteQueue;
  readonly #out: ByteQueue;
  #registration: Disposable | null = null;
  /** Bytes that this end may send. */
  #credit: number;
  /** Bytes that the other end may send. */
  #theirCredit: number;
  #window: number;
  /** Bytes that were read, and that the other end does not know of. */
  #read = 0;
  #endDue = false;
  #endSent = false;
  #endCame = false;
  /** No frame comes or goes any more. */
  #isOver = false;
  /** The reason of the end that this end has made. */
  #closed: { readonly reason: unknown } | null = null;
  #error: TtunError | null = null;
  #onReadable: OnReady | null = null;
  #onWritable: OnReady | null = null;

  /** `credit`: bytes that this end may send. */
  constructor(owner: StreamOwner, number: number, peer: string, credit: number) {
    this.#owner = owner;
    this.number = number;
    this.peer = peer;
    this.#credit = Math.min(credit, MOST_CREDIT);
    this.#theirCredit = this.#window = owner.firstWindow;
    this.#in = new ByteQueue(owner.pool);
    this.#out = new ByteQueue(owner.pool);
  }

  // For the user.

  /** An abort of the signal gives the stream up. */
  liveUnder(signal: AbortSignal): void {
    this.#registration = onAbort(signal, (reason) => this.#giveUp(reason));
  }

  readNow(into: Uint8Array): number | null | undefined {
    this.#check();
    if (this.#in.length > 0) {
      const size = this.#in.read(into);
      this.#owner.released(this, size);
      this.#consumed(size);
      return size;
    }
    if (this.#endCame) return null;
    if (this.#error !== null) throw this.#error;
    return undefined;
  }

  onReadable(run: OnReady): void {
    this.#check();
    if (this.#error !== null) throw this.#error;
    this.#onReadable = run;
  }

  get mayEnd(): boolean {
    return this.#endCame || this.#error !== null;
  }

  /** Copies what it takes. */
  writeNow(bytes: Uint8Array): number {
    this.#checkWrite();
    const size = Math.min(bytes.length, QUEUE - this.#out.length);
    if (size <= 0) return 0;
    this.#out.push(bytes.subarray(0, size));
    this.#owner.schedule(this);
    return size;
  }

  onWritable(run: OnReady): void {
    this.#checkWrite();
    this.#onWritable = run;
  }

  #check(): void {
    if (this.#closed !== null) throw this.#closed.reason;
  }

  #checkWrite(): void {
    this.#check();
    if (this.#error !== null) throw this.#error;
    if (this.#endDue) throw new TtunError("lost", "Cannot write: this end has ended it");
  }

  closeWrite(): void {
    this.#check();
    if (this.#endDue || this.#error !== null) return;
    this.#endDue = true;
    this.#owner.schedule(this);
  }

  reset(): void {
    this.#giveUp(closedHere());
  }

  #giveUp(reason: unknown): void {
    if (this.#closed !== null) return;
    this.#close(reason);
    this.#out.clear();
    if (this.#isOver) return;
    this.#owner.push(packReset(this.number, ResetCode.aborted));
    this.#finish();
  }

  /** Sends what was written before, and the end behind it. */
  [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed === null) {
      this.#close(closedHere());
      if (this.#endSent) this.#stop();
      else if (!this.#isOver) {
        this.#endDue = true;
        this.#owner.schedule(this);
      }
    }
    return Promise.resolve();
  }

  #close(reason: unknown): void {
    this.#registration?.[Symbol.dispose]();
    this.#closed = { reason };
    this.#consumed(this.#throwAway());
    this.#tell();
  }

  /** Returns how many bytes it were. */
  #throwAway(): number {
    const unread = this.#in.length;
    this.#in.clear();
    this.#owner.released(this, unread);
    return unread;
  }

  stats(): ConnectionStats {
    return {
      protocol: "tox",
      isDelivered: this.#out.length === 0,
      peerClosed: this.#endCame || this.#isOver || this.#closed !== null,
      isGone: this.#isOver,
    };
  }

  setOptions(): string[] {
    this.#check();
    return [];
  }

  // For the streams.

  /** Bytes that have come and wait for a reader. */
  get unread(): number {
    return this.#in.length;
  }

  get hasFrame(): boolean {
    if (this.#isOver) return false;
    return this.#out.length > 0 ? this.#credit > 0 : this.#endDue && !this.#endSent;
  }

  /** Writes the next frame to the front of `packet`; returns its size, 0 = there is none. */
  nextFrame(packet: Uint8Array): number {
    if (!this.hasFrame) return 0;
    if (this.#out.length === 0) return this.#sendEnd(packet);
    const most = Math.min(this.#credit, MAX_PAYLOAD);
    const size = this.#out.read(packet.subarray(HEADER, HEADER + most));
    this.#credit -= size;
    writeStreamHeader(packet, this.number, size);
    if (this.#out.length * 2 <= QUEUE) this.#tellWriter();
    return HEADER + size;
  }

  /** Behind the end of a stream that nobody reads any more, the other end is told to stop. */
  #sendEnd(packet: Uint8Array): number {
    const end = packEnd(this.number);
    packet.set(end);
    this.#endSent = true;
    if (this.#endCame) this.#finish();
    else if (this.#closed !== null) this.#stop();
    return end.length;
  }

  #stop(): void {
    if (this.#isOver) return;
    this.#owner.push(packReset(this.number, ResetCode.closed));
    this.#finish();
  }

  /** Takes data, a view; returns how many bytes of it wait for the reader, whom `received` tells. */
  receive(payload: Uint8Array): number {
    if (this.#endCame || payload.length > this.#theirCredit) {
      this.#breaks();
      return 0;
    }
    this.#theirCredit -= payload.length;
    if (this.#closed !== null) {
      this.#consumed(payload.length);
      return 0;
    }
    this.#in.push(payload);
    return payload.length;
  }

  /** Ends it, and what waits for its reader is thrown away: the memory is needed. */
  cut(): void {
    if (!this.#isOver) this.#owner.push(packReset(this.number, ResetCode.aborted));
    this.#throwAway();
    const why = "its reader is slower than the link, and too much waits for readers";
    this.abandon(new TtunError("lost", `Lost the connection with ${this.peer}: ${why}`));
  }

  /** Tells the reader of what `receive` took. */
  received(): void {
    this.#tellReader();
  }

  receiveEnd(): void {
    if (this.#endCame) return this.#breaks();
    this.#endCame = true;
    if (this.#endSent) this.#finish();
    this.#tellReader();
  }

  receiveWindow(bytes: number): void {
    if (this.#credit + bytes > MOST_CREDIT) return this.#breaks();
    this.#credit += bytes;
    if (this.hasFrame) this.#owner.schedule(this);
  }

  receiveReset(code: number): void {
    const why = code === ResetCode.closed
      ? "it has closed it"
      : code === ResetCode.protocol
      ? "it says that this end breaks the protocol"
      : "it has given it up";
    this.abandon(new TtunError("lost", `Lost the connection with ${this.peer}: ${why}`));
  }

  /** It was opened once more. */
  receiveAgain(): void {
    this.#breaks();
  }

  /** The link is lost; what has come can still be read. */
  abandon(error: TtunError): void {
    this.#error ??= error;
    this.#out.clear();
    this.#finish();
    this.#tell();
  }

  #breaks(): void {
    this.#owner.push(packReset(this.number, ResetCode.protocol));
    const why = "it breaks the protocol of streams";
    this.abandon(new TtunError("protocol", `Lost the connection with ${this.peer}: ${why}`));
  }

  /** Of a reader that keeps up the other end may send more and more ahead. */
  #consumed(bytes: number): void {
    this.#read += bytes;
    if (this.#isOver || this.#endCame || this.#read * 2 < this.#window) return;
    const window = Math.min(2 * this.#window, MOST_WINDOW);
    const more = this.#read + window - this.#window;
    this.#window = window;
    this.#read = 0;
    this.#theirCredit += more;
    this.#owner.push(packWindow(this.number, more));
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#owner.finished(this);
  }

  #tell(): void {
    this.#tellReader();
    this.#tellWriter();
  }

  #tellReader(): void {
    const run = this.#onReadable;
    this.#onReadable = null;
    run?.();
  }

  #tellWriter(): void {
    const run = this.#onWritable;
    this.#onWritable = null;
    run?.();
  }
}

function closedHere(): TtunError {
  return new TtunError("lost", "Cannot go on: the connection was closed at this end");
}
