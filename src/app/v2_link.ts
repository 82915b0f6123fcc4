import { ProtocolError, TtunError } from "../base/errors.ts";
import type { Clock, Rng } from "../contract/host.ts";
import type { Link, Packets, Room } from "../contract/packet.ts";
import type { Now, Stream } from "../contract/stream.ts";
import {
  CloseCode,
  ECHO_SIZE,
  type Frame,
  FrameType,
  MAX_SHORT_PACKET,
  packEcho,
  PACKET_HEADER_LONG,
  PACKET_HEADER_SHORT,
  packPadding,
  packRekey,
  readFrame,
  writePacketHeader,
} from "../core/link/frames.ts";
import { type LinkSession, refusal } from "../core/link/handshake.ts";
import { sealText } from "../core/link/key_schedule.ts";
import { MAX_RECORD_TEXT, RECORD_HEADER, RECORD_TAG } from "../core/link/record.ts";
import { concat, readU32, writeU32 } from "../base/bytes.ts";
import { Reader } from "../core/varint.ts";
import { ReceiveBuffer } from "./receive_buffer.ts";
import { Turnstile } from "./turnstile.ts";

/** When a direction's keys are changed at the latest (docs/link-v2.md, "Record"). */
export interface RekeyLimits {
  readonly records: number;
  readonly bytes: number;
  readonly ms: number;
}

export const DEFAULT_REKEY: RekeyLimits = { records: 2 ** 32 - 1, bytes: 2 ** 36, ms: 3_600_000 };

/** Round trips are told to a hundredth of a millisecond. */
const STAMPS_PER_MS = 100;

/**
 * A record of packets ends once it has so many bytes: a longer one saves nothing more, and the peer
 * waits for all of it before it opens the first packet.
 */
const RECORD_AIM = 16 * 1024;

/** A ping has up to so many bytes of padding: its size shall not tell that it is one. */
const PING_PADDING = 64;

/**
 * A stream after version 2's handshake as a link of packets, many to a record. Owns both.
 * (Sending, receiving, pings and rekeys are one state: that is why this file is long.)
 */
export class V2Link implements Link {
  readonly room: Room;
  readonly stream: Stream;
  /** Records that have opened. Each is a sign of life. */
  heard = 0;
  /** When bytes last came, and when we last sent some, on the clock. */
  lastArrival: number;
  lastSent: number;
  /** The last round-trip time of a ping in milliseconds; NaN before there is one. */
  rttMs = NaN;
  readonly #session: LinkSession;
  readonly #clock: Clock;
  readonly #rng: Rng;
  readonly #limits: RekeyLimits;
  readonly #writers = new Turnstile();
  #sealedBytes = 0;
  #sealedSince: number;
  /** The newest ping that is to be answered; a peer that asks faster than we can write gets one answer. */
  #pongDue: Uint8Array | null = null;
  readonly #in = new ReceiveBuffer();
  /** Frames of the record that is open now. */
  readonly #frames = new Reader(this.#in.bytes, 0, 0);
  #ended = false;

  constructor(
    stream: Stream,
    session: LinkSession,
    o: { clock: Clock; rng: Rng; longest: number; rekey?: RekeyLimits },
  ) {
    this.stream = stream;
    this.#session = session;
    this.#clock = o.clock;
    this.#rng = o.rng;
    this.#limits = o.rekey ?? DEFAULT_REKEY;
    this.lastArrival = this.lastSent = this.#sealedSince = o.clock.now();
    const headroom = o.longest <= MAX_SHORT_PACKET ? PACKET_HEADER_SHORT : PACKET_HEADER_LONG;
    this.room = {
      lead: RECORD_HEADER,
      headroom,
      tailroom: 0,
      trail: RECORD_TAG,
      group: RECORD_AIM,
    };
    // What came in one record with the setup is read first, then what came behind it.
    this.#in.add(session.firstFrames);
    this.#frames.end = this.#in.start = this.#in.end;
    this.#in.add(session.rest);
  }

  get deadTimeMs(): number {
    return this.#session.peer.deadTime * 1000;
  }

  get isWriting(): boolean {
    return this.#writers.isBusy;
  }

  send(batch: Packets): Now<void> {
    return this.#writers.pass(() => this.#sendFrom(batch, 0));
  }

  /** Asks the peer for an answer. Does nothing while a write waits: more would not get through. */
  ping(): void {
    if (this.#writers.isBusy) return;
    const data = this.#rng(ECHO_SIZE);
    writeU32(data, 0, this.#stamp());
    const padding = packPadding(this.#rng(1)[0]! % PING_PADDING);
    this.#sendAside(concat(packEcho("ping", data), padding));
  }

  /** The clock as a ping carries it. */
  #stamp(): number {
    return Math.floor(this.#clock.now() * STAMPS_PER_MS) >>> 0;
  }

  /** Sends control frames as a record of their own, behind what is under way, without waiting. */
  #sendAside(text: Uint8Array): void {
    try {
      const sending = this.#writers.pass(() => this.#sendText(text));
      // A dead stream shows in recv, where somebody waits for it.
      if (sending instanceof Promise) sending.catch(() => {});
    } catch {
      // As above.
    }
  }

  #sendText(text: Uint8Array): Now<void> {
    const rekeying = this.#rekeyIfDue(text.length);
    this.#sealedBytes += text.length;
    if (rekeying instanceof Promise) {
      return rekeying.then(() => this.#write(sealText(this.#session.sealer, text)));
    }
    return this.#write(sealText(this.#session.sealer, text));
  }

  #write(bytes: Uint8Array): Now<void> {
    this.lastSent = this.#clock.now();
    return this.stream.write(bytes);
  }

  /** Frame 05 ends a record; the next one is under new keys. */
  #rekeyIfDue(length: number): Now<void> {
    if (!this.#isRekeyDue(length)) return;
    const { sealer } = this.#session;
    const record = sealText(sealer, packRekey());
    sealer.rekey();
    this.#sealedBytes = 0;
    this.#sealedSince = this.#clock.now();
    return this.#write(record);
  }

  /** Whether `length` more bytes of text want new keys first. */
  #isRekeyDue(length: number): boolean {
    return this.#session.sealer.counter + 1 >= this.#limits.records ||
      this.#sealedBytes + length > this.#limits.bytes ||
      this.#clock.now() - this.#sealedSince > this.#limits.ms;
  }

  /** Seals packets as records for as long as these lie one behind the other; writes them as one. */
  #sendFrom(batch: Packets, first: number): Now<void> {
    const { bytes, offset } = batch;
    const { headroom } = this.room;
    const recordAt = (i: number) => offset[i]! - headroom - RECORD_HEADER;
    for (let i = first; i < batch.count;) {
      const start = recordAt(i);
      let end = start;
      let covered: Uint8Array | null = null;
      while (i < batch.count && recordAt(i) === end && covered === null) {
        const next = this.#packetsOfRecord(batch, i);
        const textEnd = offset[next - 1]! + batch.length[next - 1]!;
        if (this.#isRekeyDue(textEnd - end)) {
          if (end > start) break; // what is sealed goes first
          const rekeying = this.#rekeyIfDue(textEnd - end);
          if (rekeying instanceof Promise) return this.#sendLater(rekeying, batch, i);
        }
        end = textEnd + RECORD_TAG;
        // Where no room is left between two records the tag covers the next packet's beginning.
        if (next < batch.count && offset[next]! - headroom < end) {
          covered = bytes.slice(textEnd, end);
        }
        this.#sealPackets(batch, i, next);
        i = next;
      }
      const writing = this.#write(bytes.subarray(start, end));
      if (writing instanceof Promise) return this.#sendLater(writing, batch, i, covered, end);
      if (covered !== null) bytes.set(covered, end - RECORD_TAG);
    }
  }

  /** Up to which packet those from `first` on lie one behind the other and fit into one record. */
  #packetsOfRecord({ count, offset, length }: Packets, first: number): number {
    const { headroom, group } = this.room;
    const from = offset[first]! - headroom;
    let i = first;
    let end = from;
    do end = offset[i]! + length[i++]!; while (
      i < count && offset[i]! - headroom === end && end - from < group &&
      offset[i]! + length[i]! - from <= MAX_RECORD_TEXT
    );
    return i;
  }

  #sealPackets({ bytes, offset, length }: Packets, first: number, next: number): void {
    const { headroom } = this.room;
    for (let i = first; i < next; i++) writePacketHeader(bytes, offset[i]!, length[i]!, headroom);
    const from = offset[first]! - headroom;
    const size = offset[next - 1]! + length[next - 1]! - from;
    this.#session.sealer.seal(bytes, from, size);
    this.#sealedBytes += size;
  }

  async #sendLater(
    waiting: Promise<void>,
    batch: Packets,
    next: number,
    covered: Uint8Array | null = null,
    end = 0,
  ): Promise<void> {
    await waiting;
    if (covered !== null) batch.bytes.set(covered, end - RECORD_TAG);
    await this.#sendFrom(batch, next);
  }

  recv(into: Packets): Now<number> {
    for (;;) {
      if (this.#readFrames(into) > 0) return into.count;
      if (this.#ended) return 0;
      if (this.#openRecord()) continue;
      const got = this.stream.read(this.#in.space());
      if (got instanceof Promise) return this.#recvLater(got, into);
      if (!this.#took(got)) return this.#endOfStream(into);
    }
  }

  async #recvLater(reading: Promise<number | null>, into: Packets): Promise<number> {
    if (!this.#took(await reading)) return this.#endOfStream(into);
    return await this.recv(into);
  }

  /** Opens the next record if it is whole. @throws {ProtocolError} */
  #openRecord(): boolean {
    const { opener } = this.#session;
    const { bytes, start, end } = this.#in;
    const size = opener.sizeAt(bytes, start, end);
    if (size === null || start + size > end) return false;
    opener.open(bytes, start, size);
    this.heard++;
    this.#frames.at = start + RECORD_HEADER;
    this.#frames.end = start + size - RECORD_TAG;
    this.#in.start += size;
    return true;
  }

  /** Packets of the open record, as many as the batch takes; all other frames are dealt with here. */
  #readFrames(into: Packets): number {
    const frames = this.#frames;
    const most = into.offset.length;
    let count = 0;
    while (!frames.isAtEnd && count < most && !this.#ended) {
      if (frames.bytes[frames.at] === FrameType.packet) {
        frames.at++;
        const length = frames.varint();
        frames.skip(length);
        into.offset[count] = frames.at - length;
        into.length[count] = length;
        count++;
      } else this.#deal(readFrame(frames));
    }
    into.bytes = this.#in.bytes;
    into.count = count;
    return count;
  }

  #deal(frame: Frame | null): void {
    switch (frame?.kind) {
      case undefined: // padding, or a type of the future
        return;
      case "ping":
        return this.#answer(frame.data);
      case "pong":
        this.rttMs = ((this.#stamp() - readU32(frame.data, 0)) >>> 0) / STAMPS_PER_MS;
        return;
      case "rekey":
        return this.#session.opener.rekey();
      case "close":
        this.#ended = true;
        if (frame.code !== CloseCode.bye && frame.code !== CloseCode.carrier) {
          throw refusal(frame.code, frame.words);
        }
        return;
      case "superPacket": // goes only to an end that has offered it, and this one does not
      case "packet":
      case "setup":
        throw new ProtocolError(`Cannot go on: a ${frame.kind} frame came where none may stand`);
      default:
        frame satisfies never;
    }
  }

  #answer(data: Uint8Array): void {
    const isQueued = this.#pongDue !== null;
    this.#pongDue = data.slice();
    if (isQueued) return; // the one that waits its turn takes this answer along
    const send = () => {
      const due = this.#pongDue!;
      this.#pongDue = null;
      return this.#sendText(packEcho("pong", due));
    };
    try {
      const sending = this.#writers.pass(send);
      if (sending instanceof Promise) sending.catch(() => {}); // shows in recv
    } catch {
      // Shows in recv.
    }
  }

  #took(got: number | null): boolean {
    this.lastArrival = this.#clock.now();
    return this.#in.took(got);
  }

  #endOfStream(into: Packets): number {
    if (!this.#in.isEmpty) {
      throw new TtunError("lost", "Lost the connection: it ended inside a record");
    }
    into.count = 0;
    return 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#session[Symbol.dispose]();
    await this.stream[Symbol.asyncDispose]();
  }
}
