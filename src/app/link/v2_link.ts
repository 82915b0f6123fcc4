import { ProtocolError, TtunError } from "../../base/errors.ts";
import type { Clock, Rng } from "../../contract/host.ts";
import type { Device } from "../../contract/device.ts";
import { type Link, NO_PACKET } from "../../contract/link.ts";
import {
  clearIdleHeader,
  Offload,
  type PacketLayout,
  type Packets,
  VIRTIO_NET_HEADER,
} from "../../contract/batch.ts";
import type { Connection } from "../../contract/connection.ts";
import type { MaybePromise, OnReady } from "../../contract/stream.ts";
import {
  CloseCode,
  ECHO_SIZE,
  type Frame,
  packEcho,
  PACKET_HEADER,
  PACKET_HEADER_FILLED,
  packPadding,
  packRekey,
  packSegmentSize,
  PIECE_HEADER,
  SUPER_HEADER,
  SUPER_MORE,
  writeLastPiece,
  writePacketHeader,
  writeSuperHeader,
} from "../../core/link/v2/frames.ts";
import { type LinkSession, refusal } from "../../core/link/v2/handshake.ts";
import { sealText } from "../../core/link/v2/key_schedule.ts";
import { MAX_RECORD_TEXT, RECORD_HEADER, RECORD_TAG } from "../../core/link/v2/record.ts";
import { Capability } from "../../core/link/v2/setup.ts";
import { concat, readU32, writeU32 } from "../../base/bytes.ts";
import { ControlBudget } from "./control_budget.ts";
import { outOfPlace, RecordReader } from "./record_reader.ts";
import { UNSENT_LITTLE, UNSENT_USUAL } from "../net/socket_options.ts";
import { WriteMutex } from "../loop/write_mutex.ts";

/** When a direction's keys are changed at the latest (docs/wire/link-v2.md, "Record"). */
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

/** An answer to a ping is there by then, unless something is wrong, in milliseconds. */
const ANSWER_TIME = 300;

/** A ping has up to so many bytes of padding: its size shall not tell that it is one. */
const PING_PADDING = 64;

/** What a link must know of the device whose packets it carries. */
export type DeviceFacts = Pick<Device, "headroom" | "takes">;

/**
 * Bytes of a frame before its packet: one size for all, whatever the device's MTU is, for that may
 * be changed behind our back.
 */
function headerSize({ headroom }: DeviceFacts, offload: number): number {
  if (offload !== Offload.none) return SUPER_HEADER;
  return headroom > PACKET_HEADER ? PACKET_HEADER_FILLED : PACKET_HEADER;
}

function offered({ capabilities }: LinkSession["peer"]): number {
  return ((capabilities & Capability.tcpOffload) !== 0 ? Offload.tcp : 0) |
    ((capabilities & Capability.udpOffload) !== 0 ? Offload.udp : 0);
}

/** A stream after version 2's handshake as a link of packets, many to a record. Owns both. */
export class V2Link implements Link {
  readonly layout: PacketLayout;
  readonly offload: number;
  readonly stream: Connection;
  /** Records that have opened. Each is a sign of life. */
  heard = 0;
  /** When bytes last came, and when we last sent some, on the clock. */
  lastArrival: number;
  lastSent: number;
  /** Grows with every batch of packets, in either direction. */
  batches = 0;
  /** The last round-trip time of a ping in milliseconds; NaN before there is one. */
  rttMs = NaN;
  readonly #session: LinkSession;
  /** Frames of the peer that are no packets. */
  readonly #control: ControlBudget;
  /** The record (`heard`) whose ping was answered last. */
  #answered = -1;
  readonly #clock: Clock;
  readonly #rng: Rng;
  readonly #limits: RekeyLimits;
  readonly #writers = new WriteMutex();
  #sealedBytes = 0;
  #sealedSince: number;
  #pingedAt = -Infinity;
  /** The newest ping that is to be answered; a peer that asks faster than we can write gets one answer. */
  #pongDue: Uint8Array | null = null;
  readonly #in: RecordReader;
  #isDamaged = false;
  readonly #onSegmentSize: (bytes: number) => void;
  #ended = false;

  constructor(
    stream: Connection,
    session: LinkSession,
    o: {
      clock: Clock;
      rng: Rng;
      device: DeviceFacts;
      rekey?: RekeyLimits;
      /** At a client: the server says which size of segments passes on this path. */
      onSegmentSize?: ((bytes: number) => void) | undefined;
    },
  ) {
    this.stream = stream;
    this.#session = session;
    this.#clock = o.clock;
    this.#control = new ControlBudget(this.#clock.now());
    this.#rng = o.rng;
    this.#limits = o.rekey ?? DEFAULT_REKEY;
    this.#onSegmentSize = o.onSegmentSize ?? (() => {});
    this.lastArrival = this.lastSent = this.#sealedSince = o.clock.now();
    this.offload = o.device.takes === Offload.none ? Offload.none : offered(session.peer);
    this.layout = {
      header: RECORD_HEADER,
      headroom: headerSize(o.device, this.offload),
      tailroom: 0,
      trailer: RECORD_TAG,
      group: RECORD_AIM,
    };
    this.#in = new RecordReader(session, this.offload, (frame) => this.#deal(frame));
  }

  get deadTimeMs(): number {
    return this.#session.peer.deadTime * 1000;
  }

  /** True when nothing has come since a ping that should have been answered by now. */
  get isUnanswered(): boolean {
    return this.#pingedAt >= this.lastArrival && this.#clock.now() - this.#pingedAt >= ANSWER_TIME;
  }

  /** True when a part of a record has come, and the rest of it not yet. */
  get isInsideRecord(): boolean {
    return !this.#in.isEmpty;
  }

  get isWriting(): boolean {
    return this.#writers.isBusy;
  }

  send(batch: Packets): MaybePromise<void> {
    this.batches++;
    if (this.#writers.isBusy) return this.#writers.pass(() => this.#sendFrom(batch, 0));
    const sending = this.#sendFrom(batch, 0);
    if (sending instanceof Promise) return this.#writers.pass(() => sending);
  }

  /** Asks the peer for an answer. Does nothing while a write waits: more would not get through. */
  ping(): void {
    if (this.#writers.isBusy) return;
    this.#pingedAt = this.#clock.now();
    const data = this.#rng(ECHO_SIZE);
    writeU32(data, 0, this.#stamp());
    const padding = packPadding(this.#rng(1)[0]! % PING_PADDING);
    this.#sendAside(concat(packEcho("ping", data), padding));
  }

  /** Tells a client which size of segments passes on its path. */
  tellSegmentSize(bytes: number): void {
    this.#sendAside(packSegmentSize(bytes));
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

  #sendText(text: Uint8Array): MaybePromise<void> {
    const rekeying = this.#rekeyIfDue(text.length);
    this.#sealedBytes += text.length;
    if (rekeying instanceof Promise) {
      return rekeying.then(() => this.#write(sealText(this.#session.sealer, text)));
    }
    return this.#write(sealText(this.#session.sealer, text));
  }

  #write(bytes: Uint8Array): MaybePromise<void> {
    this.lastSent = this.#clock.now();
    return this.stream.write(bytes);
  }

  /** Frame 05 ends a record; the next one is under new keys. */
  #rekeyIfDue(length: number, records = 1): MaybePromise<void> {
    if (!this.#isRekeyDue(length, records)) return;
    const { sealer } = this.#session;
    const record = sealText(sealer, packRekey());
    sealer.rekey();
    this.#sealedBytes = 0;
    this.#sealedSince = this.#clock.now();
    return this.#write(record);
  }

  /** Whether so many more records with `length` bytes of text want new keys first. */
  #isRekeyDue(length: number, records = 1): boolean {
    return this.#session.sealer.counter + records >= this.#limits.records ||
      this.#sealedBytes + length > this.#limits.bytes ||
      this.#clock.now() - this.#sealedSince > this.#limits.ms;
  }

  /** Seals packets as records for as long as these lie one behind the other; writes them as one. */
  #sendFrom(batch: Packets, first: number, hasNewKeys = false): MaybePromise<void> {
    const { bytes, offset } = batch;
    const { headroom } = this.layout;
    const recordAt = (i: number) => offset[i]! - headroom - RECORD_HEADER;
    for (let i = first; i < batch.count;) {
      const start = recordAt(i);
      let end = start;
      let covered: Uint8Array | null = null;
      while (i < batch.count && recordAt(i) === end && covered === null) {
        if (headroom + batch.length[i]! > MAX_RECORD_TEXT) break;
        const next = this.#packetsOfRecord(batch, i);
        const textEnd = offset[next - 1]! + batch.length[next - 1]!;
        // Keys that are new serve for one record at least, however long they had to be waited for.
        if (!(hasNewKeys && i === first) && this.#isRekeyDue(textEnd - end)) {
          if (end > start) break; // what is sealed goes first
          const rekeying = this.#rekeyIfDue(textEnd - end);
          if (rekeying instanceof Promise) {
            return rekeying.then(() => this.#sendFrom(batch, i, true));
          }
        }
        end = textEnd + RECORD_TAG;
        // Where no room is left between two records the tag covers the next packet's beginning.
        if (next < batch.count && offset[next]! - headroom < end) {
          covered = bytes.slice(textEnd, end);
        }
        this.#sealPackets(batch, i, next);
        i = next;
      }
      const writing = end === start
        ? this.#sendInPieces(batch, i++)
        : this.#write(bytes.subarray(start, end));
      if (writing instanceof Promise) return this.#sendLater(writing, batch, i, covered, end);
      if (covered !== null) bytes.set(covered, end - RECORD_TAG);
    }
  }

  /** Up to which packet those from `first` on lie one behind the other and fit into one record. */
  #packetsOfRecord({ count, offset, length }: Packets, first: number): number {
    const { headroom, group } = this.layout;
    const from = offset[first]! - headroom;
    let i = first;
    let end = from;
    do end = offset[i]! + length[i++]!; while (
      i < count && offset[i]! - headroom === end && end - from < group &&
      offset[i]! + length[i]! - from <= MAX_RECORD_TEXT
    );
    return i;
  }

  #sealPackets(
    { bytes, offset, length, header }: Packets,
    first: number,
    next: number,
  ): void {
    const { headroom } = this.layout;
    for (let i = first; i < next; i++) {
      const at = offset[i]!;
      if (this.offload === Offload.none) writePacketHeader(bytes, at, length[i]!, headroom);
      else {
        clearIdleHeader(bytes, at, header[i]!);
        writeSuperHeader(bytes, at, length[i]!);
      }
    }
    const from = offset[first]! - headroom;
    const size = offset[next - 1]! + length[next - 1]! - from;
    this.#session.sealer.seal(bytes, from, size);
    this.#sealedBytes += size;
  }

  /** A super-packet that fills more than a record, as two: rare enough to be copied. */
  #sendInPieces({ bytes, offset, length, header }: Packets, i: number): MaybePromise<void> {
    const { sealer } = this.#session;
    const at = offset[i]!;
    if (this.offload === Offload.none) return; // the router lets none through
    clearIdleHeader(bytes, at, header[i]!);
    const first = MAX_RECORD_TEXT - SUPER_HEADER;
    const last = length[i]! - first;
    const secondAt = RECORD_HEADER + MAX_RECORD_TEXT + RECORD_TAG + RECORD_HEADER;
    const both = new Uint8Array(secondAt + PIECE_HEADER + last + RECORD_TAG);
    const head = RECORD_HEADER + SUPER_HEADER;
    both.set(bytes.subarray(at - VIRTIO_NET_HEADER, at + first), head - VIRTIO_NET_HEADER);
    writeSuperHeader(both, head, first, SUPER_MORE);
    both.set(bytes.subarray(at + first, at + length[i]!), secondAt + PIECE_HEADER);
    writeLastPiece(both, secondAt + PIECE_HEADER, last);
    const seal = () => {
      sealer.seal(both, RECORD_HEADER, MAX_RECORD_TEXT);
      sealer.seal(both, secondAt, PIECE_HEADER + last);
      this.#sealedBytes += both.length;
      return this.#write(both);
    };
    const rekeying = this.#rekeyIfDue(both.length, 2);
    return rekeying instanceof Promise ? rekeying.then(seal) : seal();
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

  limitUnsent(little: boolean): void {
    this.stream.setOptions({ unsentBytes: little ? UNSENT_LITTLE : UNSENT_USUAL });
  }

  onReceivable(run: OnReady): void {
    this.stream.onReadable(run);
  }

  recvNow(into: Packets): number | undefined {
    try {
      return this.#recv(into);
    } catch (error) {
      this.#isDamaged ||= error instanceof ProtocolError;
      throw error;
    }
  }

  #recv(into: Packets): number | undefined {
    for (let hasOpened = false;;) {
      const count = this.#in.readPackets(into);
      const strays = this.#in.takeStrays();
      if (strays > 0 && !this.#control.take(strays, this.#clock.now())) {
        throw new ProtocolError("Ended the session: the peer sends too many control frames");
      }
      if (count > 0) {
        this.batches++;
        return into.count;
      }
      if (this.#ended) return 0;
      if (hasOpened || !this.#in.isRead) return NO_PACKET;
      if (this.#in.openRecord()) {
        this.heard++;
        hasOpened = true;
        continue;
      }
      const got = this.stream.readNow(this.#in.space());
      if (got === undefined) return undefined;
      this.lastArrival = this.#clock.now();
      if (this.#in.took(got)) continue;
      if (!this.#in.isEmpty) {
        throw new TtunError("lost", "Lost the connection: it ended inside a record");
      }
      return into.count = 0;
    }
  }

  /** Deals with what is no packet; false when nothing may follow it. */
  #deal(frame: Frame | null): boolean {
    switch (frame?.kind) {
      case undefined: // padding, or a type of the future
        return true;
      case "ping":
        this.#answer(frame.data);
        return true;
      case "pong":
        this.rttMs = ((this.#stamp() - readU32(frame.data, 0)) >>> 0) / STAMPS_PER_MS;
        return true;
      case "rekey":
        this.#session.opener.rekey();
        return true;
      case "segmentSize":
        this.#onSegmentSize(frame.bytes);
        return true;
      case "close":
        this.#ended = true;
        if (frame.code !== CloseCode.bye && frame.code !== CloseCode.carrier) {
          throw refusal(frame.code, frame.words);
        }
        return false;
      case "superPacket": // goes only to an end that has offered it, and this one does not
      case "packet":
      case "setup":
        throw outOfPlace(frame.kind);
      default:
        frame satisfies never;
        return true;
    }
  }

  /** One pong for each record: a peer sends one ping in each, and a flood is not answered by another. */
  #answer(data: Uint8Array): void {
    if (this.#answered === this.heard) return;
    this.#answered = this.heard;
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

  async [Symbol.asyncDispose](): Promise<void> {
    this.#session[Symbol.dispose]();
    if (!this.#isDamaged) await this.stream[Symbol.asyncDispose]();
  }
}
