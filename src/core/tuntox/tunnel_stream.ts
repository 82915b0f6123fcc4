import { TtunError } from "../../base/errors.ts";
import type { ConnectionStats } from "../../contract/stats.ts";
import type { OnReady, Stream } from "../../contract/stream.ts";
import { ByteQueue } from "../mux/byte_queue.ts";
import type { ChunkPool } from "../mux/chunk_pool.ts";
import { HEADER, MAX_PACKET, packFin, writeDataHeader } from "./frames.ts";

/** Bytes that wait in a tunnel for their turn. */
const QUEUE = 64 * 1024;

/** The tunnels of a friend, as each of them sees these. */
export interface TunnelOwner {
  readonly pool: ChunkPool;
  readonly role: "client" | "server";
  readonly now: () => number;
  /** The tunnel has something to send. */
  schedule(stream: TunnelStream): void;
  /** The tunnel waits for a time: `tick` has to be called. */
  waits(stream: TunnelStream): void;
  /** Bytes that have come were read or thrown away. */
  released(stream: TunnelStream, bytes: number): void;
  /** No frame of the tunnel comes or goes any more. */
  finished(stream: TunnelStream): void;
}

/**
 * A tunnel as a stream. The wire has no half-close: FIN ends both ways. A client therefore holds its
 * FIN back until the server's has come, or until nothing has moved for a while; a server, whose
 * target has the last word in most protocols, sends it behind its data.
 */
export class TunnelStream implements Stream {
  readonly peer: string;
  readonly id: number;
  /** True while the tunnels have it in their turns. */
  isScheduled = false;
  /** True while the tunnels are to call `received`. */
  isFresh = false;
  /** Called once, when no frame of the tunnel comes or goes any more. */
  onOver: (() => void) | null = null;
  readonly #owner: TunnelOwner;
  readonly #in: ByteQueue;
  readonly #out: ByteQueue;
  /** This end was asked for. */
  #isClosing = false;
  /** FIN goes right behind the data. */
  #finDue = false;
  /** FIN has come or gone, or the link was lost. */
  #isOver = false;
  /** Nobody reads any more. */
  #isDeaf = false;
  #hasReadEnd = false;
  #error: TtunError | null = null;
  /** Time of the last data either way. */
  #movedAt: number;
  #onReadable: OnReady | null = null;
  #onWritable: OnReady | null = null;

  constructor(owner: TunnelOwner, id: number, peer: string) {
    this.#owner = owner;
    this.id = id;
    this.peer = peer;
    this.#in = new ByteQueue(owner.pool);
    this.#out = new ByteQueue(owner.pool);
    this.#movedAt = owner.now();
  }

  // For the user.

  readNow(into: Uint8Array): number | null | undefined {
    if (this.#in.length > 0) {
      const size = this.#in.read(into);
      this.#owner.released(this, size);
      return size;
    }
    if (this.#isDeaf) throw this.#error ?? closedHere();
    if (this.#error !== null) throw this.#error;
    if (!this.#isOver) return undefined;
    this.#hasReadEnd = true;
    return null;
  }

  onReadable(run: OnReady): void {
    if (this.#isDeaf || this.#error !== null) throw this.#error ?? closedHere();
    this.#onReadable = run;
  }

  /**
   * Copies what it takes. Behind the peer's FIN nothing can be sent: until the end is read too, what
   * is written is thrown away, so that the rest can still be read.
   */
  writeNow(bytes: Uint8Array): number {
    this.#checkWrite();
    if (this.#isOver) return bytes.length;
    const size = Math.min(bytes.length, QUEUE - this.#out.length);
    if (size <= 0) return 0;
    this.push(bytes.subarray(0, size));
    return size;
  }

  onWritable(run: OnReady): void {
    this.#checkWrite();
    this.#onWritable = run;
  }

  #checkWrite(): void {
    if (this.#error !== null) throw this.#error;
    if (this.#isClosing) throw closedHere();
    if (this.#hasReadEnd) throw this.#lost("it has ended it");
  }

  closeWrite(closes = false): void {
    if (this.#isClosing || this.#error !== null) return;
    this.#isClosing = true;
    if (this.#isOver) return;
    if (closes || this.#owner.role === "server") return this.#owe();
    this.#movedAt = this.#owner.now();
    this.#owner.waits(this);
  }

  reset(): void {
    this.fail(closedHere());
    this.#deafen();
  }

  /** Data that was written still goes, and FIN behind it. */
  [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isDeaf) {
      this.#isClosing = true;
      this.#deafen();
      if (!this.#isOver) this.#owe();
      this.#tell();
    }
    return Promise.resolve();
  }

  stats(): ConnectionStats {
    return {
      protocol: "tuntox",
      isDelivered: this.#out.length === 0,
      peerClosed: this.#isOver || this.#error !== null,
      isGone: this.#error !== null,
    };
  }

  // For the tunnels.

  /** Bytes that have come and wait for a reader. */
  get unread(): number {
    return this.#in.length;
  }

  /** FIN is held back: `tick` has to be called. */
  get isHalfClosed(): boolean {
    return this.#isClosing && !this.#finDue && !this.#isOver;
  }

  /** Takes all of `bytes`, which are copied. */
  push(bytes: Uint8Array): void {
    this.#out.push(bytes);
    this.#owner.schedule(this);
  }

  /** Writes the next frame to the front of `packet`; returns its size, 0 = there is none. */
  nextFrame(packet: Uint8Array): number {
    if (this.#isOver) return 0;
    if (this.#out.length > 0) {
      const size = this.#out.read(packet.subarray(HEADER, MAX_PACKET));
      writeDataHeader(packet, this.id, size);
      this.#movedAt = this.#owner.now();
      if (this.#out.length * 2 <= QUEUE) this.#tellWriter();
      return HEADER + size;
    }
    if (!this.#finDue) return 0;
    const fin = packFin(this.id);
    packet.set(fin);
    this.#end();
    return fin.length;
  }

  get hasFrame(): boolean {
    return !this.#isOver && (this.#out.length > 0 || this.#finDue);
  }

  /** Takes data, a view; returns how many bytes of it wait for a reader now. */
  receive(payload: Uint8Array): number {
    this.#movedAt = this.#owner.now();
    if (this.#isDeaf) return 0;
    this.#in.push(payload);
    return payload.length;
  }

  /** Tells the reader of what `receive` took. */
  received(): void {
    this.#tellReader();
  }

  receiveFin(): void {
    this.#end();
  }

  /** Ends it with words: what waits is thrown away, either way, and FIN goes. */
  fail(error: TtunError): void {
    this.#error ??= error;
    this.#throwAway();
    this.#out.clear();
    if (!this.#isOver) this.#owe();
    this.#tell();
  }

  /** The link is lost; what has come can still be read. */
  abandon(error: TtunError): void {
    this.#error ??= error;
    this.#end();
  }

  /** Sends the FIN that was held back when nothing has moved for `ms`. */
  tick(ms: number): void {
    const isIdle = this.#out.length === 0 && this.#owner.now() - this.#movedAt >= ms;
    if (this.isHalfClosed && isIdle) this.#owe();
  }

  #owe(): void {
    this.#finDue = true;
    this.#owner.schedule(this);
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#out.clear();
    this.#owner.finished(this);
    this.onOver?.();
    this.#tell();
  }

  #deafen(): void {
    this.#isDeaf = true;
    this.#throwAway();
  }

  #throwAway(): void {
    const unread = this.#in.length;
    this.#in.clear();
    if (unread > 0) this.#owner.released(this, unread);
  }

  #lost(why: string): TtunError {
    return new TtunError("lost", `Lost the connection with ${this.peer}: ${why}`);
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
