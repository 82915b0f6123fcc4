import type { Descriptor } from "./descriptor.ts";
import type { NodeKey } from "./node_id.ts";
import type { MeshRecord, RecordName } from "./record.ts";

/**
 * Frames between two nodes as plain objects (docs/wire/mesh.md has their bytes). `request` numbers a
 * request of the sender; its answer has the same number. Notices have number 0 and no answer.
 */
export type Frame = Hello | Answer | Failure | Request | Notice | Bye;

interface Numbered {
  readonly request: number;
}

/** First in both directions, before anything else. */
export interface Hello extends Numbered {
  readonly type: "hello";
  readonly lowestVersion: number;
  readonly highestVersion: number;
  readonly clusterId: Uint8Array;
  readonly descriptor: Descriptor;
  /** X.509, DER. */
  readonly certificate: Uint8Array;
  readonly nonce: Uint8Array;
  readonly proof: Uint8Array;
}

/** Last on a link, with the reason. */
export interface Bye extends Numbered {
  readonly type: "bye";
  readonly words: string;
}

export type FailureCode =
  /** The node is not the one that is meant, or has gone: it is to be forgotten. */
  | "left"
  /** Too many requests are open, or a relay has no way. */
  | "busy"
  /** A limit of a bucket or of the node, or a full disk. */
  | "limit"
  /** A stamp is too far ahead of the node's clock. */
  | "skew"
  /** A record that its writer may not write. */
  | "denied"
  | "unavailable"
  | "unsupported";

export interface Failure extends Numbered {
  readonly type: "error";
  readonly code: FailureCode;
  readonly words: string;
}

export type Request =
  | PingRequest
  | StabRequest
  | NextRequest
  | RelayRequest
  | PutRequest
  | GetRequest
  | DigestRequest
  | NamesRequest
  | PushRequest
  | SubRequest
  | CoreRequest;

export type RequestType = Request["type"];

export interface PingRequest extends Numbered {
  readonly type: "ping";
  /** The node that is meant: another one answers `left`. */
  readonly target: NodeKey;
  /** How late the sender's own timers are, as a factor in percent: 100 to 400. */
  readonly load: number;
}

/** Tells a successor of the sender, and asks for its neighbours. */
export interface StabRequest extends Numbered {
  readonly type: "stab";
  readonly descriptor: Descriptor;
  /** Predecessors of the sender, nearest first; null while the receiver has these (`predsHash`). */
  readonly preds: readonly Descriptor[] | null;
  readonly predsHash: bigint;
  /** Hash of the receiver's list as the sender has it, u64; 0 for none. */
  readonly listHash: bigint;
  /** Descriptors of any nodes, at most 3. */
  readonly gossip: readonly Descriptor[];
}

/** Asks for the owner of a position, or for nodes that are nearer to it. */
export interface NextRequest extends Numbered {
  readonly type: "next";
  readonly position: bigint;
  /** True where rings are looked for: then a node that knows no other one answers for itself. */
  readonly isProbe: boolean;
}

/** Repeats a request for a node that its sender does not reach; over one hop. */
export interface RelayRequest extends Numbered {
  readonly type: "relay";
  readonly to: NodeKey;
  readonly frame: Exclude<Request, RelayRequest>;
}

export interface PutRequest extends Numbered {
  readonly type: "put";
  readonly record: MeshRecord;
  /** True if the receiver is thought to be the owner, who then tells of a better one. */
  readonly isOwner: boolean;
}

export interface GetRequest extends Numbered {
  readonly type: "get";
  readonly bucket: string;
  /** One record of the bucket, or null for a list of them. */
  readonly child: string | null;
  /** Beginning of the children of a list. */
  readonly prefix: string;
  /** Children up to this one are left out, null for none. */
  readonly after: string | null;
  /** Most records of an answer. */
  readonly limit: number;
}

/** The records of a range of positions, (from, to], in short. */
export interface RangeDigest {
  readonly from: bigint;
  readonly to: bigint;
  readonly count: number;
  /** Sum modulo 2^128 over the hashes of names and versions. */
  readonly sum: bigint;
}

export interface DigestRequest extends Numbered {
  readonly type: "digest";
  /** At most 16. */
  readonly ranges: readonly RangeDigest[];
  /** Unix milliseconds: tombstones that expired before have been seen by all and go; 0 for none. */
  readonly dropBefore: number;
}

/** All names of a range with versions, at most 64; in the order of positions, then of children. */
export interface NamesRequest extends Numbered {
  readonly type: "names";
  readonly from: bigint;
  readonly to: bigint;
  readonly names: readonly RecordName[];
  /** Where the range is one bucket, its children in (afterChild, lastChild] alone; null for all. */
  readonly afterChild: string | null;
  readonly lastChild: string | null;
  /** True where the sender gives records away: the receiver says which it keeps as a replica. */
  readonly isHandOff: boolean;
}

/** Records that the receiver lacks; at most 256 KiB. Answered once they are stored. */
export interface PushRequest extends Numbered {
  readonly type: "push";
  readonly records: readonly MeshRecord[];
}

/** Asks for events of a bucket for 60 s, and compares what the sender has of it. */
export interface SubRequest extends Numbered {
  readonly type: "sub";
  readonly bucket: string;
  readonly count: number;
  readonly sum: bigint;
  /** True to end it. */
  readonly isEnd: boolean;
}

/** A message of the core's protocol, opaque here. */
export interface CoreRequest extends Numbered {
  readonly type: "core";
  readonly body: Uint8Array;
}

export type Notice = HintNotice | LeftNotice | EventNotice;

/** A node that may belong to another ring. */
export interface HintNotice extends Numbered {
  readonly type: "hint";
  readonly node: Descriptor;
}

/** The sender has left the ring. */
export interface LeftNotice extends Numbered {
  readonly type: "left";
  readonly incarnation: number;
}

export interface EventNotice extends Numbered {
  readonly type: "event";
  readonly record: MeshRecord;
}

/** In the eyes of others: `warming` nodes do not yet have all records of their range. */
export type NodeState = "warming" | "ready" | "leaving";

export interface Answer extends Numbered {
  readonly type: "answer";
  readonly state: NodeState;
  /** Unix milliseconds by the clock of the node that answers. */
  readonly stamp: number;
  readonly body: AnswerBody;
}

export type AnswerBody =
  | { readonly to: "ping" }
  | StabAnswer
  | NextAnswer
  | RelayAnswer
  | PutAnswer
  | GetAnswer
  | DigestAnswer
  | NamesAnswer
  | PushAnswer
  | SubAnswer
  | CoreAnswer;

/** Records that were pushed are stored, but for some by their places: those of another time, or denied. */
export interface PushAnswer {
  readonly to: "push";
  readonly refused: readonly number[];
}

export interface StabAnswer {
  readonly to: "stab";
  readonly pred: Descriptor | null;
  /** Successors of the node that answers; null where the sender has these. */
  readonly list: readonly Descriptor[] | null;
  /** Predecessors between the two, where there are some. */
  readonly preds: readonly Descriptor[];
  /** True if the receiver lacks the sender's predecessors. */
  readonly wantsPreds: boolean;
  readonly gossip: readonly Descriptor[];
}

export interface NextAnswer {
  readonly to: "next";
  /** True if `nodes` are the owner and its successors, else they are nodes before the position. */
  readonly isDone: boolean;
  /** Where the owner's range begins, where that is known. */
  readonly after: bigint | null;
  readonly nodes: readonly Descriptor[];
}

export interface RelayAnswer {
  readonly to: "relay";
  readonly frame: Answer | Failure;
}

export interface PutAnswer {
  readonly to: "put";
  /** A node that owns the record in the eyes of the one that was taken for the owner. */
  readonly better: Descriptor | null;
  /** The stamp of a newer version that the receiver has, of the same epoch; 0 for none. */
  readonly newer: bigint;
}

export interface GetAnswer {
  readonly to: "get";
  /** Sorted by child; tombstones are among them. */
  readonly records: readonly MeshRecord[];
  readonly hasMore: boolean;
}

export interface DigestAnswer {
  readonly to: "digest";
  /** For each range null where it is the same, else how many records there are. */
  readonly counts: readonly (number | null)[];
}

export interface NamesAnswer {
  readonly to: "names";
  /** Indexes of records that are to be pushed. */
  readonly wants: readonly number[];
  /** Indexes of records that the node does not keep as one of their replicas. */
  readonly foreign: readonly number[];
  /** How many records the node that answers pushes itself. */
  readonly pushes: number;
  /** Unix milliseconds since when it has had all records of its range; 0 while it has not. */
  readonly readySince: number;
}

export interface SubAnswer {
  readonly to: "sub";
  /** All records of the bucket, or null where they are the same. */
  readonly records: readonly MeshRecord[] | null;
}

export interface CoreAnswer {
  readonly to: "core";
  readonly body: Uint8Array;
}
