import {
  clearIdleHeader,
  Offload,
  type PacketLayout,
  type Packets,
  VIRTIO_NET_HEADER,
} from "../../contract/batch.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Device } from "../../contract/device.ts";
import type { Link } from "../../contract/link.ts";
import type { MaybePromise, OnReady } from "../../contract/stream.ts";
import {
  GSO_HEADER,
  GSO_MORE,
  PACKET_HEADER,
  PACKET_HEADER_FILLED,
  PIECE_HEADER,
  writeGsoHeader,
  writeLastPiece,
  writePacketHeader,
} from "../../core/link/v2/frames.ts";
import type { LinkSession } from "../../core/link/v2/handshake.ts";
import { MAX_RECORD_TEXT, RECORD_HEADER, RECORD_TAG } from "../../core/link/v2/record.ts";
import { Capability } from "../../core/link/v2/setup.ts";
import { UNSENT_LITTLE, UNSENT_USUAL } from "../net/socket_options.ts";
import { PacketReader, type StreamFrames } from "./packet_reader.ts";
import { type ChannelOptions, RecordChannel } from "./record_channel.ts";
import type { RecordWriter } from "./record_writer.ts";
import { WriteShare } from "./write_share.ts";

/** Bytes that end a record: a longer one saves nothing more, and the peer waits for all of it. */
const RECORD_AIM = 16 * 1024;

export type DeviceFacts = Pick<Device, "headroom" | "takes">;

/** One size for all packets: an administrator may change the device's MTU at any time. */
function headerSize({ headroom }: DeviceFacts, offload: number): number {
  if (offload !== Offload.none) return GSO_HEADER;
  return headroom > PACKET_HEADER ? PACKET_HEADER_FILLED : PACKET_HEADER;
}

function offered({ capabilities }: LinkSession["peer"]): number {
  return ((capabilities & Capability.tcpOffload) !== 0 ? Offload.tcp : 0) |
    ((capabilities & Capability.udpOffload) !== 0 ? Offload.udp : 0);
}

/** Bytes of a batch, whose packets lie one behind the other, or nearly so. */
function sizeOf({ count, offset, length }: Packets): number {
  return count === 0 ? 0 : offset[count - 1]! + length[count - 1]! - offset[0]!;
}

/**
 * A link of many packets to a record. Owns the channel, and so the stream. It may carry streams
 * beside packets: who sends these writes by the channel, in turn with the packets.
 */
export class V2Link implements Link {
  readonly layout: PacketLayout;
  readonly offload: number;
  readonly stream: Connection;
  readonly channel: RecordChannel<Packets>;
  /** The share of streams, which their sender heeds. */
  readonly share = new WriteShare();
  readonly #writer: RecordWriter;
  readonly #reader: PacketReader;
  /** Bytes that the connection may keep unsent for the sake of packets, and of streams. */
  #packetsUnsent = UNSENT_USUAL;
  #streamsUnsent = UNSENT_USUAL;
  /** Of whoever waits for packets, where streams are carried too. */
  #onReady: OnReady = () => {};

  constructor(
    stream: Connection,
    session: LinkSession,
    o: ChannelOptions & { device: DeviceFacts },
  ) {
    this.stream = stream;
    this.offload = o.device.takes === Offload.none ? Offload.none : offered(session.peer);
    this.layout = {
      groupHeadroom: RECORD_HEADER,
      headroom: headerSize(o.device, this.offload),
      tailroom: 0,
      groupTailroom: RECORD_TAG,
      group: RECORD_AIM,
    };
    this.#reader = new PacketReader(this.offload);
    this.channel = new RecordChannel(stream, session, this.#reader, o);
    this.#writer = this.channel.writer;
  }

  /** Carries streams too from now on. */
  carryStreams(streams: StreamFrames): void {
    this.#reader.streams = streams;
  }

  send(batch: Packets): MaybePromise<void> {
    const { mutex } = this.#writer;
    this.channel.batches++;
    if (mutex.isBusy) {
      this.share.waited(sizeOf(batch));
      return mutex.pass(() => this.#sendFrom(batch, 0));
    }
    const sending = this.#sendFrom(batch, 0);
    if (sending instanceof Promise) return mutex.pass(() => sending);
  }

  /** Adjacent records are written as one. */
  #sendFrom(batch: Packets, first: number, hasNewKeys = false): MaybePromise<void> {
    const { bytes, offset } = batch;
    const { headroom } = this.layout;
    const writer = this.#writer;
    const recordAt = (i: number) => offset[i]! - headroom - RECORD_HEADER;
    for (let i = first; i < batch.count;) {
      const start = recordAt(i);
      let end = start;
      let covered: Uint8Array | null = null;
      while (i < batch.count && recordAt(i) === end && covered === null) {
        if (headroom + batch.length[i]! > MAX_RECORD_TEXT) break;
        const next = this.#packetsOfRecord(batch, i);
        const textEnd = offset[next - 1]! + batch.length[next - 1]!;
        // New keys serve for one record at least, however long the wait for them was.
        if (!(hasNewKeys && i === first) && writer.isRekeyDue(textEnd - end)) {
          if (end > start) break; // what is sealed goes first
          const rekeying = writer.rekeyIfDue(textEnd - end);
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
        : writer.write(bytes.subarray(start, end));
      if (writing instanceof Promise) return this.#sendLater(writing, batch, i, covered, end);
      if (covered !== null) bytes.set(covered, end - RECORD_TAG);
    }
  }

  async #sendLater(
    waiting: Promise<void>,
    batch: Packets,
    next: number,
    covered: Uint8Array | null,
    end: number,
  ): Promise<void> {
    await waiting;
    if (covered !== null) batch.bytes.set(covered, end - RECORD_TAG);
    await this.#sendFrom(batch, next);
  }

  /** Returns the end of the adjacent packets from `first` on that fit into one record. */
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

  #sealPackets({ bytes, offset, length, hasHeader }: Packets, first: number, next: number): void {
    const { headroom } = this.layout;
    for (let i = first; i < next; i++) {
      const at = offset[i]!;
      if (this.offload === Offload.none) writePacketHeader(bytes, at, length[i]!, headroom);
      else {
        clearIdleHeader(bytes, at, hasHeader[i]!);
        writeGsoHeader(bytes, at, length[i]!);
      }
    }
    const from = offset[first]! - headroom;
    this.#writer.seal(bytes, from, offset[next - 1]! + length[next - 1]! - from);
  }

  /** Sends a super-packet that fills more than a record as two: rare enough to be copied. */
  #sendInPieces({ bytes, offset, length, hasHeader }: Packets, i: number): MaybePromise<void> {
    const writer = this.#writer;
    const at = offset[i]!;
    if (this.offload === Offload.none) return; // too long for this link
    clearIdleHeader(bytes, at, hasHeader[i]!);
    const first = MAX_RECORD_TEXT - GSO_HEADER;
    const last = length[i]! - first;
    const secondAt = RECORD_HEADER + MAX_RECORD_TEXT + RECORD_TAG + RECORD_HEADER;
    const both = new Uint8Array(secondAt + PIECE_HEADER + last + RECORD_TAG);
    const head = RECORD_HEADER + GSO_HEADER;
    both.set(bytes.subarray(at - VIRTIO_NET_HEADER, at + first), head - VIRTIO_NET_HEADER);
    writeGsoHeader(both, head, first, GSO_MORE);
    both.set(bytes.subarray(at + first, at + length[i]!), secondAt + PIECE_HEADER);
    writeLastPiece(both, secondAt + PIECE_HEADER, last);
    const seal = () => {
      writer.seal(both, RECORD_HEADER, MAX_RECORD_TEXT);
      writer.seal(both, secondAt, PIECE_HEADER + last);
      return writer.write(both);
    };
    const rekeying = writer.rekeyIfDue(both.length, 2);
    return rekeying instanceof Promise ? rekeying.then(seal) : seal();
  }

  limitUnsent(little: boolean): void {
    this.#packetsUnsent = little ? UNSENT_LITTLE : UNSENT_USUAL;
    this.#limitUnsent();
  }

  /** Limits what the connection keeps unsent, for the sake of streams. */
  limitUnsentOfStreams(bytes: number): void {
    this.#streamsUnsent = bytes;
    this.#limitUnsent();
  }

  #limitUnsent(): void {
    this.stream.setOptions({ unsentBytes: Math.min(this.#packetsUnsent, this.#streamsUnsent) });
  }

  onReceivable(run: OnReady): void {
    if (this.#reader.streams === null) return this.stream.onReadable(run);
    this.#onReady = run;
    this.stream.onReadable(this.#ready);
  }

  readonly #ready = (): boolean => {
    return this.#onReady() === true && this.#reader.streams!.takeHandled();
  };

  recvNow(into: Packets): number | undefined {
    return this.channel.recvNow(into);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.channel[Symbol.asyncDispose]();
  }
}
