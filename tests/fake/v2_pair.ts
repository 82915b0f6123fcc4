import {
  makePackets,
  Offload,
  type PacketLayout,
  type Packets,
  VIRTIO_NET_HEADER,
} from "../../src/contract/batch.ts";
import type { Connection } from "../../src/contract/connection.ts";
import type { CipherFactory } from "../../src/contract/cipher.ts";
import type { LinkSession } from "../../src/core/link/v2/handshake.ts";
import { sealText } from "../../src/core/link/v2/key_schedule.ts";
import { Capability } from "../../src/core/link/v2/setup.ts";
import type { RekeyLimits } from "../../src/app/link/record_writer.ts";
import { type DeviceFacts, V2Link } from "../../src/app/link/v2_link.ts";
import { FakeClock } from "./clock.ts";
import { converse, OFFER } from "./link_session.ts";
import { memoryPair } from "./memory.ts";
import { seededRng } from "./rng.ts";
import { receive } from "../suite/waiting.ts";
import { write } from "../../src/app/loop/stream_io.ts";

export const ALL_OFFLOADS = Offload.tcp | Offload.udp;

/** Devices: that takes super-packets, that has the room for headers alone, that has nothing. */
export const ABLE: DeviceFacts = { headroom: VIRTIO_NET_HEADER, takes: ALL_OFFLOADS };
export const UNABLE: DeviceFacts = { headroom: VIRTIO_NET_HEADER, takes: 0 };
export const BARE: DeviceFacts = { headroom: 0, takes: 0 };

export interface PairOptions {
  /** Bytes that a direction holds before its writer waits. */
  capacity?: number;
  near?: DeviceFacts;
  far?: DeviceFacts;
  rekey?: RekeyLimits;
  /** Makes the ciphers of both ends; absent = pure ones. */
  makeCipher?: CipherFactory;
  /** Called at the near end with each segment size that it is told. */
  onSegmentSize?: (bytes: number) => void;
}

export const NEVER: RekeyLimits = { records: Infinity, bytes: Infinity, ms: Infinity };

/** Keys change after so many records, for no other reason. */
export const everyRecords = (records: number): RekeyLimits => ({ ...NEVER, records });

/** Both ends of a tunnel after a real handshake; what the near one writes is noted. */
export function v2Pair(o: PairOptions = {}): {
  near: V2Link;
  far: V2Link;
  /** The session of each, for whoever wants to speak or listen in a link's place. */
  sessions: { near: LinkSession; far: LinkSession };
  stream: Connection;
  writes: Uint8Array[];
  clock: FakeClock;
} {
  const { near: nearDevice = ABLE, far: farDevice = ABLE } = o;
  const offer = ({ takes }: DeviceFacts) => ({
    ...OFFER,
    capabilities: Capability.tun | ((takes & Offload.tcp) !== 0 ? Capability.tcpOffload : 0) |
      ((takes & Offload.udp) !== 0 ? Capability.udpOffload : 0),
  });
  const ciphers = o.makeCipher && { makeCipher: o.makeCipher };
  const sessions = converse(
    { ...ciphers, offer: offer(nearDevice) },
    { ...ciphers, offer: offer(farDevice) },
  );
  const [stream, farStream] = memoryPair(o.capacity === undefined ? {} : { capacity: o.capacity });
  const writes: Uint8Array[] = [];
  const writeNow = stream.writeNow.bind(stream);
  stream.writeNow = (bytes) => {
    writes.push(bytes);
    return writeNow(bytes);
  };
  const clock = new FakeClock();
  const common = { clock, rng: seededRng(9), ...(o.rekey && { rekey: o.rekey }) };
  return {
    near: new V2Link(stream, sessions.near, {
      ...common,
      device: nearDevice,
      onSegmentSize: o.onSegmentSize,
    }),
    far: new V2Link(farStream, sessions.far, { ...common, device: farDevice }),
    sessions,
    stream: farStream,
    writes,
    clock,
  };
}

/** A packet, and the virtio_net_hdr before it; null where all is done. */
export interface Parcel {
  packet: Uint8Array;
  header: Uint8Array | null;
}

const FILL = 0xee;

/** A batch of them with so many bytes before each; all other bytes are no zeros. */
export function layOut(parcels: readonly Parcel[], before: (i: number) => number): Packets {
  const places: number[] = [];
  let at = 0;
  for (const [i, { packet }] of parcels.entries()) {
    places.push(at += before(i));
    at += packet.length;
  }
  const batch = makePackets(at + 64);
  batch.bytes.fill(FILL);
  for (const [i, { packet, header }] of parcels.entries()) {
    if (header !== null) batch.bytes.set(header, places[i]! - VIRTIO_NET_HEADER);
    batch.bytes.set(packet, places[i]!);
    batch.offset[i] = places[i]!;
    batch.length[i] = packet.length;
    batch.hasHeader[i] = header === null ? 0 : 1;
  }
  batch.count = parcels.length;
  return batch;
}

/** A batch laid out as `PacketLayout` says (contract/batch.ts). */
export function layOutAs(layout: PacketLayout, parcels: readonly Parcel[]): Packets {
  let inGroup = Infinity; // bytes since the lead: the first packet begins a group
  return layOut(parcels, (i) => {
    const previous = i === 0
      ? 0
      : layout.headroom + parcels[i - 1]!.packet.length + layout.tailroom;
    inGroup += previous;
    if (inGroup < layout.group) return layout.tailroom + layout.headroom;
    inGroup = 0;
    return (i === 0 ? 0 : layout.tailroom + layout.groupTailroom) + layout.groupHeadroom +
      layout.headroom;
  });
}

/** Packets of a batch, as copies. */
export function parcelsIn(batch: Packets): Parcel[] {
  return Array.from({ length: batch.count }, (_, i) => {
    const at = batch.offset[i]!;
    return {
      packet: batch.bytes.slice(at, at + batch.length[i]!),
      header: batch.hasHeader[i] === 0 ? null : batch.bytes.slice(at - VIRTIO_NET_HEADER, at),
    };
  });
}

/** Everything that the link receives until its end; `each` sees every batch. */
export async function receiveAll(
  link: V2Link,
  each: (batch: Packets) => void = () => {},
): Promise<Parcel[]> {
  const into = makePackets(0);
  const found: Parcel[] = [];
  while (await receive(link, into) > 0) {
    found.push(...parcelsIn(into));
    each(into);
  }
  return found;
}

/** Packets that must arrive: a header that leaves nothing to do counts as none. */
export function arriving(some: readonly Parcel[]): Parcel[] {
  const says = (header: Uint8Array | null) =>
    header !== null && (header[0]! & 1 | header[1]!) !== 0;
  return some.map(({ packet, header }) => ({ packet, header: says(header) ? header : null }));
}

/** Sends batches one behind the other without waiting for any; what arrives until the end. */
export async function carry(
  { near, far }: { near: V2Link; far: V2Link },
  batches: Packets[],
): Promise<Parcel[]> {
  const receiving = receiveAll(far, ({ bytes, offset, count }) => {
    // A device overwrites them when it takes them, which must not harm the next packet.
    for (const at of offset.subarray(0, count)) {
      if (at < VIRTIO_NET_HEADER) throw new Error(`A packet lies at ${at}: no room before it`);
      bytes.fill(0xcc, at - VIRTIO_NET_HEADER, at);
    }
  });
  const sending = Promise.all(batches.map((batch) => near.send(batch)));
  const [found] = await Promise.all([receiving, sending.then(() => near.stream.closeWrite())]);
  return found;
}

/** The near end's records with such texts, as its peer gets them. */
export async function speak(
  { near, sessions }: Pick<ReturnType<typeof v2Pair>, "near" | "sessions">,
  texts: readonly Uint8Array[],
  /** Returns true if record i ends with new keys; by default, one with only that frame does. */
  rekeys = (i: number) => texts[i]!.length === 1 && texts[i]![0] === 5,
): Promise<void> {
  for (const [i, text] of texts.entries()) {
    await write(near.stream, sealText(sessions.near.sealer, text));
    if (rekeys(i)) sessions.near.sealer.rekey();
  }
}
