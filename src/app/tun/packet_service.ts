import type { Cidr } from "../../base/addr.ts";
import type { Device } from "../../contract/device.ts";
import type { Link } from "../../contract/link.ts";

/** Packet and byte counters since the start. */
export interface PacketCounters {
  /** From the device to a peer. */
  sentPackets: number;
  sentBytes: number;
  /** From a peer to the device. */
  receivedPackets: number;
  receivedBytes: number;
  /** Read from the device without a peer for it. */
  droppedWithoutPeer: number;
  /** Not an IP packet, too long for the link, or with an invalid header; in either direction. */
  droppedUnfit: number;
  /** GSO packets that the peer does not support, queued before it connected. */
  droppedSuper: number;
  /** Dropped after waiting too long for a slow link; updated when a session ends. */
  droppedLate: number;
  /** From a peer, but not from an address assigned to it or a network behind it. */
  droppedForeign: number;
}

export function noPackets(): PacketCounters {
  return {
    sentPackets: 0,
    sentBytes: 0,
    receivedPackets: 0,
    receivedBytes: 0,
    droppedWithoutPeer: 0,
    droppedUnfit: 0,
    droppedSuper: 0,
    droppedLate: 0,
    droppedForeign: 0,
  };
}

/** Returns the packets dropped since `before`, by reason, for the log; zero counts are omitted. */
export function droppedSince(
  before: PacketCounters,
  { droppedUnfit, droppedSuper, droppedLate, droppedForeign }: PacketCounters,
): Record<string, number> {
  const facts = {
    dropped_unfit: droppedUnfit - before.droppedUnfit,
    dropped_super: droppedSuper - before.droppedSuper,
    dropped_late: droppedLate - before.droppedLate,
    dropped_foreign: droppedForeign - before.droppedForeign,
  };
  return Object.fromEntries(Object.entries(facts).filter(([, count]) => count > 0));
}

/** Returns all counters for a log line. */
export function counterFacts(
  { sessions, counters }: Pick<PacketService, "sessions" | "counters">,
): Record<string, number> {
  return {
    sessions,
    sent_packets: counters.sentPackets,
    sent_bytes: counters.sentBytes,
    received_packets: counters.receivedPackets,
    received_bytes: counters.receivedBytes,
    dropped_without_peer: counters.droppedWithoutPeer,
    ...droppedSince(noPackets(), counters),
  };
}

/** Bytes carried by one session. */
export interface Traffic {
  sentBytes: number;
  receivedBytes: number;
}

/** The peer at the other end of a session's link. */
export interface Member {
  /** Updated as packets pass. */
  readonly traffic: Traffic;
  /** Label for the log. */
  readonly peer: string;
  /** Called once packets can pass, so that what the user is told then is true. */
  readonly onUp?: () => void;
  /** Addresses assigned to the peer; empty if it is the only peer, which may use any. */
  readonly addresses: readonly Cidr[];
  /** Numbers of the networks behind it (ClientNetworks). */
  readonly networks?: readonly number[];
}

/** Carries packets between a permanent device and links that come and go. */
export interface PacketService {
  readonly device: Device;
  readonly counters: PacketCounters;
  /** Number of links in use. */
  readonly sessions: number;
  /**
   * Reads the device until the signal aborts, which closes the device, as a waiting read would not
   * end otherwise.
   * @throws {TtunError} if the device is lost; otherwise the signal's reason
   */
  run(signal: AbortSignal): Promise<never>;
  /**
   * Carries packets for one link until the peer ends it.
   * @throws the error of the link or of the device
   */
  session(link: Link, member: Member): Promise<void>;
}
