import type { ProtocolError } from "../../base/errors.ts";
import { startClose } from "../../base/start_close.ts";
import type { Clock } from "../../contract/host.ts";
import type { Connection, SocketOptions } from "../../contract/connection.ts";
import type { OnReady } from "../../contract/stream.ts";
import { FrameSealer } from "../../core/tt/frame.ts";
import { MAX_RANDOM_SENT, MAX_TEXT } from "../../core/tt/frame_sizes.ts";
import { minuteOf } from "../../core/hop/minute.ts";
import type { PeerKind } from "../../core/tt/mark.ts";
import type { NonceMemory, NonceVerdict } from "../../core/tt/nonce_filter.ts";
import type { RandomBlock } from "../../core/tt/random_pool.ts";
import { PATH_TIMEOUT_MS, type PathWatch } from "../net/path_watch.ts";
import type { TtConfig } from "./config.ts";
import { EndWait } from "./end_wait.ts";
import type { FrameBuffers } from "./frame_buffers.ts";
import type { FrameChannel } from "./frame_channel.ts";
import { FrameReader, type FrameSink } from "./frame_reader.ts";
import type { MinuteKeysLease } from "./minute_keys.ts";
import type { OwedEnds, OwesEnd } from "./owed_ends.ts";
import { TtStream } from "./tt_stream.ts";

/** Unacknowledged data ends a connection after PATH_TIMEOUT_MS, silence after twice 20 s. */
export function connectionOptions({ congestion }: Pick<TtConfig, "congestion">): SocketOptions {
  return {
    noDelay: true,
    keepAliveSeconds: 20,
    userTimeoutMs: PATH_TIMEOUT_MS,
    congestion,
  };
}

/** Bytes on their way when a connection is given on: the next stream waits for them. */
const MOST_UNHEARD = 16 * 1024;

export interface TtConnectionHost {
  readonly clock: Clock;
  readonly wallClock: () => number;
  readonly buffers: FrameBuffers;
  readonly random: RandomBlock;
  /** Longest text of a frame that is sent (`--mtu`); undefined = as long as the peer takes. */
  readonly mostText: number | undefined;
  readonly paths: Pick<PathWatch, "add" | "remove">;
  /** Takes idle connections over; null = they are closed. */
  readonly idle: { put(connection: TtConnection): void } | null;
  /** Has end frames wait for the next stream; null = they are sent at once. */
  readonly owed: Pick<OwedEnds, "add"> | null;
  /** Called when the first frame of a stream has shown what the peer is. */
  readonly onPeer?: (peer: PeerKind) => void;
  readonly replayed: (verdict: NonceVerdict) => ProtocolError;
}

/**
 * One TCP connection in frames of tt (docs/wire/tt-v1.md, 2). It carries one TtStream at a time,
 * and several in turn if both ends last (section 7). At most one chunk waits for the socket.
 */
export class TtConnection implements FrameChannel, FrameSink, OwesEnd, AsyncDisposable {
  readonly socket: Connection;
  readonly minute: MinuteKeysLease;
  readonly clock: Clock;
  readonly mostText: number;
  readonly #host: TtConnectionHost;
  readonly #buffers: FrameBuffers;
  readonly #nonces: Pick<NonceMemory, "noteReceived" | "noteSent">;
  readonly #sealer: FrameSealer;
  readonly #reader: FrameReader;
  #peerMark: PeerKind = "unmarked";
  #stream: TtStream | null = null;
  #hasBegun = false;
  /** R of the first frame that the present stream sends; null = it was sent. */
  #firstRandom: Uint8Array | null = null;
  #isFirstDue = true;
  /** The stream before has ended, and its end frame was not sent yet. */
  #owesEnd = false;
  #waiting: Uint8Array | null = null;
  #onFlushed: OnReady | null = null;
  #failure: { error: unknown } | null = null;
  /** The peer's kernel may still wait for bytes sent since the last frame came. */
  #unheard = 0;
  #segmentBytes: number | undefined;
  #endWait: EndWait | null = null;

  /**
   * Owns socket and minute. `admitted`: a server has read the peer's first frame, and the bytes
   * behind it (owned); null = nothing was read.
   */
  constructor(
    host: TtConnectionHost,
    socket: Connection,
    minute: MinuteKeysLease,
    nonces: Pick<NonceMemory, "noteReceived" | "noteSent">,
    admitted: { readonly peer: PeerKind; readonly rest: Uint8Array } | null,
  ) {
    this.#host = host;
    this.#buffers = host.buffers;
    this.clock = host.clock;
    this.mostText = host.mostText ?? MAX_TEXT;
    this.socket = socket;
    this.minute = minute;
    this.#nonces = nonces;
    this.#sealer = new FrameSealer(minute.secrets, host.random);
    this.#reader = new FrameReader(socket, minute.secrets, host.buffers, this);
    if (admitted !== null) {
      this.#peerMark = admitted.peer;
      this.#isFirstDue = false;
      this.#reader.put(admitted.rest);
    }
    host.paths.add(socket);
  }

  /** The proxied connection before must be over. */
  begin(): TtStream {
    const { random, wallClock } = this.#host;
    const { keys, secrets } = this.minute;
    if (this.#hasBegun) this.#isFirstDue = true;
    // Only the first stream's first frame has the mark.
    const first = this.#hasBegun
      ? random.take(MAX_RANDOM_SENT)
      : secrets.marker.markedRandom((length) => random.take(length));
    this.#hasBegun = true;
    this.#nonces.noteSent(keys, first, minuteOf(wallClock()));
    this.#firstRandom = first;
    return this.#stream = new TtStream(this);
  }

  get peerMark(): PeerKind {
    return this.#peerMark;
  }

  /** Before the peer's first frame there is nothing to end. */
  get endsByFrame(): boolean {
    return this.#peerMark === "lasting" && !this.#isFirstDue;
  }

  get segmentBytes(): number | undefined {
    return this.#segmentBytes ??= this.socket.stats().segmentBytes;
  }

  // Reading.

  readFrames(into: Uint8Array): number | null | undefined {
    return this.#reader.read(into);
  }

  /** The peer has ended the present stream: what comes behind belongs to the next one. */
  get hasEnded(): boolean {
    return this.#stream!.hasEnded;
  }

  opened(
    frame: Uint8Array,
    at: number,
    text: Uint8Array,
    length: number,
    into: Uint8Array,
  ): number {
    this.#unheard = 0;
    if (this.#isFirstDue) this.#checkFirst(this.#reader.randomAt(frame, at));
    return this.#stream!.opened(length, text === into ? null : text, into);
  }

  /** @throws {ProtocolError} if a frame with this R has been the first of another stream */
  #checkFirst(random: Uint8Array): void {
    const { wallClock, replayed, onPeer } = this.#host;
    const { keys, secrets } = this.minute;
    const verdict = this.#nonces.noteReceived(keys, random, minuteOf(wallClock()));
    if (verdict !== "new") throw replayed(verdict);
    this.#isFirstDue = false;
    if (this.#peerMark !== "lasting") this.#peerMark = secrets.marker.peerOf(random);
    onPeer?.(this.#peerMark);
  }

  // Writing.

  get sealedRoom(): number {
    return this.#buffers.sealed.length;
  }

  seal(text: Uint8Array, at: number): number {
    const { sealed } = this.#buffers;
    const first = this.#firstRandom;
    this.#unheard += text.length;
    if (first === null) return this.#sealer.seal(text, sealed, at);
    this.#firstRandom = null;
    return this.#sealer.seal(text, sealed, this.#sealOwed(at), first);
  }

  sealEnd(at: number): number {
    return this.#sealer.sealEnd(this.#buffers.sealed, this.#sealOwed(at));
  }

  #sealOwed(at: number): number {
    if (!this.#owesEnd) return at;
    this.#owesEnd = false;
    return this.#sealer.sealEnd(this.#buffers.sealed, at);
  }

  oweEnd(): boolean {
    const { owed } = this.#host;
    owed?.add(this);
    return this.#owesEnd = owed !== null;
  }

  sendOwedEnd(): void {
    if (!this.#owesEnd) return;
    try {
      this.send(this.#sealOwed(0));
    } catch {
      // The connection is gone already, and with it the stream.
    }
  }

  send(end: number): void {
    const took = this.socket.writeNow(this.#buffers.sealedTo(end));
    if (took < end) this.#wait(this.#buffers.sealed.slice(took, end));
  }

  #wait(rest: Uint8Array): void {
    this.#waiting = rest;
    this.socket.onWritable(() => this.#flush());
  }

  #flush(): boolean {
    try {
      const rest = this.#waiting!;
      const took = this.socket.writeNow(rest);
      if (took < rest.length) {
        this.#wait(rest.subarray(took));
        return true;
      }
    } catch (error) {
      this.#failure = { error };
    }
    this.#waiting = null;
    const run = this.#onFlushed;
    this.#onFlushed = null;
    return run === null || run() === true;
  }

  get isWaiting(): boolean {
    return this.#waiting !== null;
  }

  get isFlushed(): boolean {
    return this.#waiting === null && this.#failure === null;
  }

  onFlushed(run: OnReady): void {
    if (this.#waiting === null) void Promise.resolve().then(run); // `run` must not throw
    else this.#onFlushed = run;
  }

  check(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }

  // The end.

  /** Only closes before the peer's first frame: bytes of the stream before may be under way. */
  reset(stream: TtStream): void {
    if (stream !== this.#stream) return;
    this.sendOwedEnd();
    if (this.#peerMark === "lasting" && this.#isFirstDue) startClose(this.socket);
    else this.socket.reset();
  }

  /** Makes the connection idle where both ways have ended, or the peer's end is still to come. */
  async leave(stream: TtStream): Promise<void> {
    if (stream !== this.#stream || this.#endWait !== null) return;
    if (this.#giveOn(stream)) return;
    if (this.#host.idle !== null && stream.awaitsEnd) {
      this.#endWait = new EndWait(this.clock, stream, () => {
        this.#endWait = null;
        if (!this.#giveOn(stream)) startClose(this);
      });
      this.#endWait.look();
      return;
    }
    stream.tryEnd();
    await this[Symbol.asyncDispose]();
  }

  #giveOn(stream: TtStream): boolean {
    const { idle } = this.#host;
    const isFree = stream.isOver && this.#reader.isEmpty && this.#unheard <= MOST_UNHEARD;
    if (!isFree || idle === null) return false;
    this.#stream = null;
    idle.put(this);
    return true;
  }

  /** Closes at once without an end frame, unless one is owed; gives the minute back. */
  [Symbol.asyncDispose](): Promise<void> {
    this.sendOwedEnd();
    const closing = this.socket[Symbol.asyncDispose]();
    this.#host.paths.remove(this.socket);
    this.minute[Symbol.dispose]();
    return closing as Promise<void>;
  }
}
