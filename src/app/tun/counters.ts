export interface PacketCounters {
  /** From the device to a peer. */
  sentPackets: number;
  sentBytes: number;
  /** From a peer to the device. */
  receivedPackets: number;
  receivedBytes: number;
  /** Read from the device without a peer for it. */
  droppedWithoutPeer: number;
  /** Not IP, too long for the link, or with an invalid header; in either direction. */
  droppedUnfit: number;
  /** GSO packets that the peer does not support, queued before it connected. */
  droppedSuper: number;
  /** Dropped after waiting too long for a slow link; updated when a session ends. */
  droppedLate: number;
  /** From a peer, but not from an address assigned to it or a network behind it. */
  droppedForeign: number;
}

export interface Traffic {
  sentBytes: number;
  receivedBytes: number;
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

/** Packets dropped since `before`, by reason, for the log; zero counts are omitted. */
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

/** The device's traffic, for a status. */
export function deviceTraffic(counters: PacketCounters) {
  const { sentPackets, sentBytes, receivedPackets, receivedBytes } = counters;
  return { sentPackets, sentBytes, receivedPackets, receivedBytes };
}

export function counterFacts(
  { sessions, counters }: { readonly sessions: number; readonly counters: PacketCounters },
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
