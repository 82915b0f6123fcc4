/** One key of the core. Numbers are below 2^53. */
export interface CoreRow {
  key: string;
  value: Uint8Array;
  /** The revision that wrote it last, and the one that created it. */
  rev: number;
  created: number;
  /** The session that it vanishes with, or "". */
  session: string;
  /** Milliseconds that it lives without being written, or 0. */
  ttlMs: number;
}

export interface CoreSession {
  id: string;
  ttlMs: number;
}

/** A write that was made, by its client's id for it: repeated, it is answered by this. */
export interface CoreDone {
  id: string;
  rev: number;
}

/** A change of one key; `row` is null where it was deleted. */
export interface CoreChange {
  rev: number;
  key: string;
  row: CoreRow | null;
}

/** Content of one commit. */
export interface CoreBatch {
  revision: number;
  rows: CoreRow[];
  deleted: string[];
  sessions: CoreSession[];
  endedSessions: string[];
  done: CoreDone[];
  forgotten: string[];
  changes: CoreChange[];
  /** Changes that are not kept any longer, and the newest revision of which some are missing. */
  forgottenChanges: { rev: number; key: string }[];
  floor: number;
}

/** All that a core is. */
export interface CoreState {
  /** Grows each time the core moves to another node or is restored. */
  epoch: number;
  revision: number;
  rows: CoreRow[];
  sessions: CoreSession[];
  done: CoreDone[];
  /** The last changes, oldest first, for watches: all of the revisions after `floor`. */
  changes: CoreChange[];
  floor: number;
}

/** The last changes of a core, which can be many more than its keys. */
export type CoreChanges = Pick<CoreState, "changes" | "floor">;

/** The disk of a core of one, which nobody else has open. */
export interface CoreDisk extends AsyncDisposable {
  /**
   * Resolves once it is safe from a loss of power.
   * @throws {MeshError} `limit` if there is no room: then nothing has changed; anything else: the
   * disk is not to be used any more
   */
  commit(batch: CoreBatch): Promise<void>;
  /** Replaces everything, in one step. */
  replace(state: CoreState): Promise<void>;
  /** Marks the file as moved to `node`: no core starts from it again. */
  markMoved(node: string, epoch: number): Promise<void>;
}

/** One record of the ring as it lies on the disk. */
export interface RingRow {
  bucket: string;
  child: string;
  value: Uint8Array;
  /** Epoch, hybrid clock and writer: 24 bytes that compare as versions do. */
  version: Uint8Array;
  /** Milliseconds since 1970, or 0. */
  expiry: number;
  isTombstone: boolean;
}

export interface PeerRow {
  descriptor: Uint8Array;
  /** Milliseconds since 1970 when it was last heard. */
  heardAtMs: number;
}

/** Content of one commit. */
export interface RingRows {
  put: RingRow[];
  remove: { bucket: string; child: string }[];
  /** A node's own values by name, such as the stamps that it has reserved. */
  values: { name: string; value: Uint8Array }[];
  /** All peers that are remembered, or absent where they stay as they are. */
  peers?: PeerRow[];
}

export interface LoadedRing {
  rows: RingRow[];
  peers: PeerRow[];
  values: Map<string, Uint8Array>;
  /** True where the file was damaged, and was begun anew: the ring refills it. */
  wasDamaged: boolean;
}

/** The disk of a node of the ring, which nobody else has open. */
export interface RingDisk extends AsyncDisposable {
  /**
   * Resolves once it is safe from a loss of power.
   * @throws {MeshError} `limit` if there is no room: then nothing has changed
   */
  commit(rows: RingRows): Promise<void>;
}
