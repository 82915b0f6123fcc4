import type { Descriptor } from "./descriptor.ts";
import type { MeshRecord } from "./record.ts";

/** Most records of one batch. */
export const MAX_BATCH = 256;

/** Content of one write to the disk of a node: all of it or nothing. */
export interface RingBatch {
  /** Durable records, each in the place of an older version. */
  readonly put: readonly MeshRecord[];
  /** Records that are not kept any longer. */
  readonly remove: readonly { readonly bucket: string; readonly child: string }[];
  /** Stamps below are reserved for this node (hybrid_clock.ts). */
  readonly reservedHlc?: bigint;
  /** All nodes that are remembered. */
  readonly peers?: readonly RememberedPeer[];
  /** Which of its 16 positions the node has chosen. */
  readonly place?: number;
  /** Unix milliseconds from when on, and until when, the node had all records of its range. */
  readonly ready?: { readonly since: number; readonly until: number };
}

export interface RememberedPeer {
  readonly descriptor: Descriptor;
  /** Unix milliseconds of the last contact. */
  readonly heardAtMs: number;
}

/** State that a node finds on its disk when it starts. */
export interface RingImage {
  readonly records: readonly MeshRecord[];
  readonly reservedHlc: bigint;
  readonly peers: readonly RememberedPeer[];
  readonly place: number | null;
  readonly ready: { readonly since: number; readonly until: number };
}

export const EMPTY_IMAGE: RingImage = {
  records: [],
  reservedHlc: 0n,
  peers: [],
  place: null,
  ready: { since: 0, until: 0 },
};
