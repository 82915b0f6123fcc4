import type { Cidr } from "../../base/addr.ts";
import type { Device, Link } from "../../contract/packet.ts";

/** What went through, since the beginning. */
export interface PacketCounters {
  /** From the device to a peer. */
  sentPackets: number;
  sentBytes: number;
  /** From a peer to the device. */
  receivedPackets: number;
  receivedBytes: number;
  /** Read from the device while no peer was there for it. */
  droppedWithoutPeer: number;
  /** No IP packet, too long for the link, or with a wrong header; either way round. */
  droppedUnfit: number;
  /** Super-packets that were queued from before a peer came that does not take them. */
  droppedSuper: number;
  /** Thrown away because they had waited too long for a slow link: noted when a session ends. */
  droppedLate: number;
  /** From a peer, but neither from an address that it was given nor from a network behind it. */
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

/** What was dropped since then, and why, for the log; nothing where nothing was. */
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

/** Everything that is counted, for a line of the log. */
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

/** What one session has carried. */
export interface Traffic {
  sentBytes: number;
  receivedBytes: number;
}

/** Who is at the other end of a session's link. */
export interface Member {
  /** Counted up as packets pass. */
  readonly traffic: Traffic;
  /** For the log. */
  readonly peer: string;
  /** Called once packets pass: what the user is told then is true. */
  readonly onUp?: () => void;
  /** Addresses given to it; empty where there is one peer only, which may have any. */
  readonly addresses: readonly Cidr[];
  /** Numbers of the networks behind it (ClientNetworks). */
  readonly networks?: readonly number[];
}

/** Carries packets between a device that stays and links that come and go. */
export interface PacketService {
  readonly device: Device;
  readonly counters: PacketCounters;
  /** Links that packets are carried for now. */
  readonly sessions: number;
  /**
   * Reads the device until the signal aborts: that closes the device, for a read that waits would
   * not end otherwise. @throws {TtunError} when the device is lost
   */
  run(signal: AbortSignal): Promise<never>;
  /**
   * Carries packets for one link until the peer ends it.
   * @throws what broke the link, or what broke the device
   */
  session(link: Link, member: Member): Promise<void>;
}
