import type { Descriptor } from "./descriptor.ts";
import type { Histogram } from "./histogram.ts";
import type { NodeKey } from "./node_id.ts";
import type { Peer } from "./peer.ts";
import type { Pusher } from "./pusher.ts";
import type { Records } from "./records.ts";
import type { Repair } from "./repair.ts";
import type { RingContext } from "./ring_context.ts";

export interface PeerStatus {
  readonly key: NodeKey;
  readonly descriptor: Descriptor;
  readonly status: "alive" | "suspect" | "dead" | "left";
  /** Smoothed round-trip time, 0 for unknown. */
  readonly rttMs: number;
  /** Unix milliseconds, 0 for never. */
  readonly heardAtMs: number;
}

/** The state of a ring node, for people and for metrics. */
export interface RingStatus {
  readonly state: string;
  /** Successors and predecessors, nearest first. */
  readonly list: readonly NodeKey[];
  readonly pred: NodeKey | null;
  readonly preds: readonly NodeKey[];
  readonly peers: readonly PeerStatus[];
  readonly nodesEstimate: number;
  readonly records: number;
  readonly bytes: number;
  readonly openCalls: number;
  /** Requests that were repeated over a neighbour, since the start. */
  readonly relayed: number;
  /** Nodes that were asked one after the other, for each lookup that found the owner. */
  readonly hops: Histogram;
  /** Records that a replica lacked or had older, since the start. */
  readonly differences: number;
  /** Reads of one record that found replicas with older versions, or without one. */
  readonly disagreements: number;
  /** Times that a peer came back for the third time in five minutes, and how many are such now. */
  readonly flaps: number;
  readonly flapping: number;
  /** Buckets of the own range of which fewer hosts than there should be are known to have all. */
  readonly underReplicated: number;
  readonly pushedBytes: number;
  /** The median of the peers' clocks less the own one. */
  readonly clockOffsetMs: number;
  readonly isDiskFull: boolean;
}

export function statusOf(
  ring: RingContext,
  { records, pusher, repair }: { records: Records; pusher: Pusher; repair: Repair },
): RingStatus {
  const keys = (peers: readonly Peer[]) => peers.map(({ key }) => key);
  return {
    state: ring.state,
    list: keys(ring.list),
    pred: ring.pred?.key ?? null,
    preds: keys(ring.preds),
    peers: ring.peers.all().map((peer) => ({
      key: peer.key,
      descriptor: peer.descriptor,
      status: statusOfPeer(peer, ring.now),
      rttMs: peer.srtt,
      heardAtMs: Math.max(0, Math.floor(peer.heardAt + ring.clockSet)),
    })),
    nodesEstimate: ring.estimateNodes(),
    records: records.store.count,
    bytes: records.store.bytes,
    openCalls: ring.calls.size,
    ...ring.counts,
    flapping: ring.peers.all().filter((peer) => peer.isFlapping(ring.now)).length,
    underReplicated: repair.underReplicated,
    pushedBytes: pusher.bytes,
    clockOffsetMs: ring.clockOffset(),
    isDiskFull: records.disk.isFull,
  };
}

function statusOfPeer(peer: Peer, now: number): PeerStatus["status"] {
  if (peer.hasLeft) return "left";
  if (peer.isDead(now)) return "dead";
  return peer.isSuspect ? "suspect" : "alive";
}
