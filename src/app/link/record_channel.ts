import { concat, readU32, writeU32 } from "../../base/bytes.ts";
import { ProtocolError, TtunError } from "../../base/errors.ts";
import { Reader } from "../../base/varint.ts";
import type { CipherName } from "../../contract/cipher.ts";
import type { Clock, Rng } from "../../contract/host.ts";
import { NO_PACKET } from "../../contract/link.ts";
import type { PacketWay } from "../../contract/packet_way.ts";
import type { Stream } from "../../contract/stream.ts";
import type { CipherReason } from "../../core/link/v2/cipher_choice.ts";
import {
  CloseCode,
  ECHO_SIZE,
  type Frame,
  outOfPlace,
  packClose,
  packEcho,
  packPadding,
  packSegmentSize,
  readFrame,
} from "../../core/link/v2/frames.ts";
import { type LinkSession, refusal } from "../../core/link/v2/handshake.ts";
import type { PacketKeys } from "../../core/link/v2/packet.ts";
import { RECORD_HEADER, RECORD_TAG } from "../../core/link/v2/record.ts";
import { Capability } from "../../core/link/v2/setup.ts";
import { ControlBudget, REKEY_COST } from "./control_budget.ts";
import { ReceiveBuffer } from "./receive_buffer.ts";
import { DEFAULT_REKEY, RecordWriter, type RekeyLimits } from "./record_writer.ts";

/** Ticks per millisecond of the time that a ping carries. */
const STAMPS_PER_MS = 100;

/** Milliseconds without an answer that are a sign of trouble. */
const ANSWER_TIME = 300;

/** Most padding of a ping, in bytes: its size must not identify it. */
const PING_PADDING = 64;

/** Milliseconds that the peer has to take the last words and to end its side too. */
const FAREWELL_TIME = 300;

/** Frames without a message in one turn; each may cost as much as a packet. */
const CONTROLS = 64;

/** Reads the frames that a channel is there for: packets, or the streams of a multiplexer. */
export interface FrameConsumer<Into> {
  /**
   * Reads frames at `channel.frames`, as many as `into` takes; returns the number of messages.
   * Leaves other frames to `channel.readControl()`, and returns when that is false.
   */
  readFrames(channel: RecordChannel<Into>, into: Into): number;
}

export interface ChannelOptions {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly rekey?: RekeyLimits | undefined;
  /** At a client: the server says which segment size, in bytes, passes on this path. */
  readonly onSegmentSize?: ((bytes: number) => void) | undefined;
}

/** A stream that records go by, and the packets beside it, if there are any. */
export type CarrierStream = Stream & { readonly packets?: PacketWay };

/** Opens records and handles control frames; others are the consumer's. Owns stream and session. */
export class RecordChannel<Into> implements AsyncDisposable {
  readonly stream: CarrierStream;
  readonly writer: RecordWriter;
  readonly cipher: CipherName;
  readonly cipherReason: CipherReason | null;
  /** Charged by the consumer too, for frames too small to count as messages. */
  readonly budget: ControlBudget;
  /** Unread frames of the open record. */
  readonly frames: Reader;
  /** Records opened; each is a sign of life. */
  heard = 0;
  lastArrival: number;
  /** Batches of messages in either direction. */
  batches = 0;
  /** The last round-trip time of a ping in milliseconds; NaN before there is one. */
  rttMs = NaN;
  readonly #session: LinkSession;
  readonly #consumer: FrameConsumer<Into>;
  readonly #clock: Clock;
  readonly #rng: Rng;
  readonly #onSegmentSize: (bytes: number) => void;
  readonly #buffer = new ReceiveBuffer();
  /** Frames without a message since the consumer was last called. */
  #controls = 0;
  #pingedAt = Infinity;
  /** The newest ping to be answered; a peer that asks faster than we write gets one answer. */
  #pongDue: Uint8Array | null = null;
  /** The record (`heard`) whose ping was answered last. */
  #answered = -1;
  /** Code of the peer's close frame (`CloseCode`); null = there was none. */
  closeCode: number | null = null;
  #isDamaged = false;
  /** Settled when the peer has heard of the end, as far as that can be; null = it was not told. */
  #farewell: Promise<void> | null = null;
  /** Resolved when nothing more comes. */
  readonly #over = Promise.withResolvers<void>();

  constructor(
    stream: CarrierStream,
    session: LinkSession,
    consumer: FrameConsumer<Into>,
    { clock, rng, rekey = DEFAULT_REKEY, onSegmentSize = () => {} }: ChannelOptions,
  ) {
    this.stream = stream;
    this.#session = session;
    this.cipher = session.cipher;
    this.cipherReason = session.cipherReason;
    this.#consumer = consumer;
    this.#clock = clock;
    this.#rng = rng;
    this.#onSegmentSize = onSegmentSize;
    this.lastArrival = clock.now();
    this.budget = new ControlBudget(clock.now());
    this.writer = new RecordWriter(stream, session.sealer, clock, rekey);
    // The setup's record may hold frames, which come before the bytes behind it.
    const buffer = this.#buffer;
    buffer.add(session.firstFrames);
    this.frames = new Reader(buffer.bytes, buffer.start, buffer.end);
    buffer.start = buffer.end;
    buffer.add(session.rest);
  }

  /** Milliseconds without a byte from us after which the peer gives this end up. */
  get deadTimeMs(): number {
    return this.#session.peer.deadTime * 1000;
  }

  /** Nothing has arrived since a ping that should have been answered by now. */
  get isUnanswered(): boolean {
    return this.unansweredMs >= ANSWER_TIME;
  }

  /** Milliseconds since the first ping behind which nothing has arrived; 0 = there is none. */
  get unansweredMs(): number {
    return Math.max(0, this.#clock.now() - this.#pingedAt);
  }

  get isInsideRecord(): boolean {
    return !this.#buffer.isEmpty;
  }

  /** Does nothing while a write waits: more would not get through. */
  ping(): void {
    if (this.writer.mutex.isBusy) return;
    this.#pingedAt = Math.min(this.#pingedAt, this.#clock.now());
    const data = this.#rng(ECHO_SIZE);
    writeU32(data, 0, this.#stamp());
    const padding = packPadding(this.#rng(1)[0]! % PING_PADDING);
    this.writer.sendAside(() => concat(packEcho("ping", data), padding));
  }

  tellSegmentSize(bytes: number): void {
    this.writer.sendAside(() => packSegmentSize(bytes));
  }

  #stamp(): number {
    return Math.floor(this.#clock.now() * STAMPS_PER_MS) >>> 0;
  }

  /** Opens records into `into` and returns as `Link.recvNow` does. */
  recvNow(into: Into): number | undefined {
    try {
      const count = this.#recv(into);
      if (count === 0) this.#over.resolve();
      return count;
    } catch (error) {
      this.#isDamaged ||= error instanceof ProtocolError;
      this.#over.resolve();
      throw error;
    }
  }

  #recv(into: Into): number | undefined {
    for (let hasOpened = false;;) {
      this.#controls = 0;
      const count = this.#consumer.readFrames(this, into);
      const strays = this.budget.settle(count, this.frames.isAtEnd);
      if (strays > 0 && !this.budget.take(strays, this.#clock.now())) {
        throw new ProtocolError("Ended the session: the peer sends too many control frames");
      }
      if (count > 0) {
        this.batches++;
        return count;
      }
      if (this.closeCode !== null) return 0;
      if (hasOpened || !this.frames.isAtEnd) return NO_PACKET;
      if (this.#openRecord()) {
        hasOpened = true;
        continue;
      }
      const got = this.stream.readNow(this.#buffer.space());
      if (got === undefined) return undefined;
      this.lastArrival = this.#clock.now();
      this.#pingedAt = Infinity;
      if (this.#buffer.took(got)) continue;
      if (this.isInsideRecord) {
        throw new TtunError("lost", "Lost the connection: it ended inside a record");
      }
      return 0;
    }
  }

  #openRecord(): boolean {
    const { opener } = this.#session;
    const { bytes, start, end } = this.#buffer;
    const size = opener.sizeAt(bytes, start, end);
    if (size === null || start + size > end) return false;
    opener.open(bytes, start, size);
    this.frames.at = start + RECORD_HEADER;
    this.frames.end = start + size - RECORD_TAG;
    this.#buffer.start += size;
    this.heard++;
    return true;
  }

  /** Handles the next frame; returns false if the consumer must read no more for now. */
  readControl(): boolean {
    const frame = readFrame(this.frames);
    if (frame === null) this.budget.fillers++; // padding, or a type of the future
    else {
      this.budget.excess += frame.kind === "rekey" ? REKEY_COST : 1;
      this.#handle(frame);
    }
    return this.spend();
  }

  /** Counts a frame without a message; returns false as `readControl` does. */
  spend(): boolean {
    return ++this.#controls < CONTROLS;
  }

  #handle(frame: Frame): void {
    switch (frame.kind) {
      case "ping":
        return this.#answer(frame.data);
      case "pong":
        this.rttMs = ((this.#stamp() - readU32(frame.data, 0)) >>> 0) / STAMPS_PER_MS;
        return;
      case "rekey":
        return this.#session.opener.rekey();
      case "segmentSize":
        return this.#onSegmentSize(frame.bytes);
      case "close":
        this.closeCode = frame.code;
        this.frames.at = this.frames.end; // nothing may follow
        if (frame.code === CloseCode.bye || frame.code === CloseCode.carrier) return;
        throw refusal(frame.code, frame.words);
      case "gsoPacket":
      case "packet":
      case "setup":
        throw outOfPlace(frame.kind);
      default:
        frame satisfies never;
    }
  }

  /** Sends one pong for each record with pings: one flood must not make another. */
  #answer(data: Uint8Array): void {
    if (this.#answered === this.heard) return;
    this.#answered = this.heard;
    const isQueued = this.#pongDue !== null;
    this.#pongDue = data.slice();
    if (isQueued) return; // the pong that waits its turn takes this answer along
    this.writer.sendAside(() => {
      const due = this.#pongDue!;
      this.#pongDue = null;
      return packEcho("pong", due);
    });
  }

  /**
   * Tells the peer that this connection ends, and sends FIN. Settles, and never rejects, when the
   * peer has ended its side too, or has had the time for it: closing while its bytes come would reset
   * the connection, and the words that wait behind others would be lost.
   */
  end(code: number, words: string): Promise<void> {
    return this.#farewell ??= this.#sayFarewell(code, words);
  }

  async #sayFarewell(code: number, words: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    using _timer = this.#clock.after(FAREWELL_TIME, resolve);
    const said = async () => {
      await this.writer.send(() => packClose(code, words));
      await this.stream.closeWrite();
      await this.#over.promise;
    };
    await Promise.race([said().catch(() => {}), promise]); // a failure shows in the reader
  }

  /** A damaged stream stays open: its rest must still be read and discarded. */
  /**
   * Returns the packets beside the records, with their keys, which are the caller's; null = one of the
   * ends has none. To be called once.
   */
  openPackets(): { readonly way: PacketWay; readonly keys: PacketKeys } | null {
    const { packets: way } = this.stream;
    const { peer, packetKeys } = this.#session;
    const isOffered = (peer.capabilities & Capability.packets) !== 0;
    if (way === undefined || packetKeys === null || !isOffered) return null;
    return { way, keys: packetKeys() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isDamaged) await this.#farewell;
    this.#session[Symbol.dispose]();
    if (!this.#isDamaged) await this.stream[Symbol.asyncDispose]();
  }
}
