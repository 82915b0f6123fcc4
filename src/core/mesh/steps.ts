import type { Frame } from "./frame.ts";
import type { NodeKey } from "./node_id.ts";
import type { MeshRecord } from "./record.ts";
import type { RingBatch } from "./ring_disk.ts";
import type { RecordVersion } from "./version.ts";

/** Things that the driver of a ring node is to do, in this order. */
export type Step =
  /**
   * Sends a frame to a node, whose addresses `descriptorOf` tells. `isPatient`: nobody waits for its
   * answer, so that it may wait some milliseconds for others to the same node.
   */
  | {
    readonly type: "send";
    readonly to: NodeKey;
    readonly frame: Frame;
    readonly isPatient?: boolean;
  }
  /** Dials a seed of which only the address is known; `met` or nothing follows. */
  | { readonly type: "dial"; readonly address: string }
  /** Writes to the disk and then calls `stored` with the token. */
  | { readonly type: "store"; readonly batch: RingBatch; readonly token: number }
  /** Answers a request of the own process. */
  | { readonly type: "reply"; readonly id: number; readonly result: Result }
  /** Tells of a change of a bucket that the own process has subscribed to. */
  | { readonly type: "record"; readonly record: MeshRecord }
  /** A node asks the core, which is here: `answerCore` answers it. */
  | {
    readonly type: "core";
    readonly from: NodeKey;
    readonly request: number;
    readonly body: Uint8Array;
  }
  | { readonly type: "event"; readonly event: RingEvent };

/** Incidents for the log and the metrics. */
export type RingEvent =
  | { readonly name: "dead" | "alive" | "left"; readonly node: NodeKey }
  /** Another ring was found, at this node, and both begin to be one. */
  | { readonly name: "merge"; readonly node: NodeKey }
  | { readonly name: "state"; readonly state: "warming" | "ready" | "leaving" | "off" }
  | { readonly name: "skew"; readonly node: NodeKey; readonly aheadMs: number }
  /** The others' clocks are so much ahead of the own one; 0: it is right again. */
  | { readonly name: "clock"; readonly offsetMs: number }
  | { readonly name: "disk"; readonly isFull: boolean };

export type Result =
  | { readonly is: "written"; readonly version: RecordVersion; readonly copies: number }
  | { readonly is: "record"; readonly record: MeshRecord | null }
  /** `last`: the child from which the next page goes on. */
  | {
    readonly is: "list";
    readonly records: readonly MeshRecord[];
    readonly hasMore: boolean;
    readonly last: string | null;
  }
  | { readonly is: "owner"; readonly nodes: readonly NodeKey[]; readonly hops: number }
  | RingFailure;

/** `outcome` tells whether a failed write may be found later. */
export interface RingFailure {
  readonly is: "failed";
  readonly reason: "unavailable" | "limit" | "skew" | "denied" | "closed";
  readonly outcome: "none" | "unknown";
  readonly words: string;
}
