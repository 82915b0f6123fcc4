import { concat, toHex } from "../../../base/bytes.ts";
import { Reader, varint } from "../../../base/varint.ts";
import { readPosition } from "../circle.ts";
import {
  decodeDescriptor,
  type Descriptor,
  encodeDescriptor,
  MAX_DESCRIPTOR,
} from "../descriptor.ts";
import type * as F from "../frame.ts";
import { nodeIdOfKey } from "../node_id.ts";
import { MAX_KEY } from "../record.ts";
import { MAX_BATCH } from "../ring_disk.ts";
import {
  bytesOf,
  bytesUpTo,
  type Codec,
  damaged,
  flag,
  list,
  mapped,
  numbers,
  text,
  u128,
  u128Bytes,
  u64,
  uint,
  word,
} from "./codec.ts";
import { bucketCodec, recordCodec, recordNameCodec } from "./record_codec.ts";
import { listed, nullable, optional, required, struct } from "./struct.ts";

/** The content of a frame, without type and number. */
export type Content<X> = Omit<X, "type" | "request">;

/** Most values of lists. */
const MOST_GOSSIP = 3;
const MOST_NODES = 32;
const MOST_RANGES = 16;
const MOST_NAMES = 64;
/** More small records than a bulk frame has room for. */
const MOST_RECORDS = 16 * 1024;

const MAX_WORDS = 500;
const MAX_CERTIFICATE = 8 * 1024;
const MAX_CORE = 500 * 1024;
const LATEST = 2 ** 48 - 1;

const descriptor: Codec<Descriptor> = {
  write: encodeDescriptor,
  read: (bytes) => {
    if (bytes.length > MAX_DESCRIPTOR) throw damaged("a descriptor is too long");
    return decodeDescriptor(bytes);
  },
};
const descriptors = (most: number) => list(descriptor, most);
const records = list(recordCodec, MOST_RECORDS);
/** A node's identifier, 32 bytes. */
export const nodeKey: Codec<string> = mapped(bytesOf(32), nodeIdOfKey, toHex);
const time = uint(LATEST);
const child = text(MAX_KEY);

/** from, to and sum (16 B each), count v. */
const range: Codec<F.RangeDigest> = {
  write: ({ from, to, count, sum }) =>
    concat(u128Bytes(from), u128Bytes(to), u128Bytes(sum), varint(count)),
  read: (bytes) => {
    const reader = new Reader(bytes);
    const [from, to, sum] = [reader.take(16), reader.take(16), reader.take(16)];
    const count = reader.varint();
    if (!reader.isAtEnd) throw damaged("a range is too long");
    return { from: readPosition(from), to: readPosition(to), count, sum: readPosition(sum) };
  },
};

export const hello = struct<Content<F.Hello>>({
  lowestVersion: required(1, uint(255)),
  highestVersion: required(2, uint(255)),
  clusterId: required(3, bytesOf(16)),
  descriptor: required(4, descriptor),
  certificate: required(5, bytesUpTo(MAX_CERTIFICATE)),
  nonce: required(6, bytesOf(32)),
  proof: required(7, bytesOf(64)),
});

export const failure = struct<Content<F.Failure>>({
  code: required(
    1,
    word<F.FailureCode>(
      ["left", "busy", "limit", "skew", "denied", "unavailable", "unsupported"],
      "unavailable",
    ),
  ),
  words: optional(2, text(MAX_WORDS), ""),
});

export const bye = struct<Content<F.Bye>>({ words: optional(1, text(MAX_WORDS), "") });

export const ping = struct<Content<F.PingRequest>>({
  target: required(1, nodeKey),
  load: optional(2, uint(), 100),
});

export const stab = struct<Content<F.StabRequest>>({
  descriptor: required(1, descriptor),
  preds: nullable(2, descriptors(MOST_NODES)),
  predsHash: required(3, u64),
  listHash: required(4, u64),
  gossip: listed(5, descriptors(MOST_GOSSIP)),
});

export const next = struct<Content<F.NextRequest>>({
  position: required(1, u128),
  isProbe: optional(2, flag, false),
});

export const put = struct<Content<F.PutRequest>>({
  record: required(1, recordCodec),
  isOwner: optional(2, flag, false),
});

export const get = struct<Content<F.GetRequest>>({
  bucket: required(1, bucketCodec),
  child: nullable(2, child),
  prefix: optional(3, child, ""),
  after: nullable(4, child),
  limit: required(5, uint()),
});

export const digest = struct<Content<F.DigestRequest>>({
  ranges: required(1, list(range, MOST_RANGES)),
  dropBefore: optional(2, time, 0),
});

export const names = struct<Content<F.NamesRequest>>({
  from: required(1, u128),
  to: required(2, u128),
  names: listed(3, list(recordNameCodec, MOST_NAMES)),
  isHandOff: optional(4, flag, false),
  afterChild: nullable(5, child),
  lastChild: nullable(6, child),
});

export const push = struct<Content<F.PushRequest>>({ records: required(1, records) });

export const sub = struct<Content<F.SubRequest>>({
  bucket: required(1, bucketCodec),
  count: required(2, uint()),
  sum: required(3, u128),
  isEnd: optional(4, flag, false),
});

export const core = struct<Content<F.CoreRequest>>({ body: required(1, bytesUpTo(MAX_CORE)) });

export const hint = struct<Content<F.HintNotice>>({ node: required(1, descriptor) });

export const left = struct<Content<F.LeftNotice>>({ incarnation: required(1, time) });

export const event = struct<Content<F.EventNotice>>({ record: required(1, recordCodec) });

/** Answers by the type of their request, but for that of a relay, which has a frame in it. */
export const ANSWERS = {
  ping: struct<object>({}),
  push: struct<Omit<F.PushAnswer, "to">>({ refused: listed(1, numbers(MAX_BATCH)) }),
  stab: struct<Omit<F.StabAnswer, "to">>({
    pred: nullable(1, descriptor),
    list: nullable(2, descriptors(MOST_NODES)),
    preds: listed(3, descriptors(MOST_NODES)),
    wantsPreds: optional(4, flag, false),
    gossip: listed(5, descriptors(MOST_GOSSIP)),
  }),
  next: struct<Omit<F.NextAnswer, "to">>({
    isDone: optional(1, flag, false),
    after: nullable(2, u128),
    nodes: listed(3, descriptors(MOST_NODES)),
  }),
  put: struct<Omit<F.PutAnswer, "to">>({
    better: nullable(1, descriptor),
    newer: optional(2, u64, 0n),
  }),
  get: struct<Omit<F.GetAnswer, "to">>({
    records: listed(1, records),
    hasMore: optional(2, flag, false),
  }),
  digest: struct<Omit<F.DigestAnswer, "to">>({
    counts: required(
      1,
      mapped<readonly (number | null)[], readonly number[]>(
        numbers(MOST_RANGES),
        (counts) => counts.map((count) => count === null ? 0 : count + 1),
        (found) => found.map((count) => count === 0 ? null : count - 1),
      ),
    ),
  }),
  names: struct<Omit<F.NamesAnswer, "to">>({
    wants: listed(1, numbers(MOST_NAMES)),
    foreign: listed(2, numbers(MOST_NAMES)),
    pushes: optional(3, uint(), 0),
    readySince: optional(4, time, 0),
  }),
  sub: struct<Omit<F.SubAnswer, "to">>({ records: nullable(1, records) }),
  core: struct<Omit<F.CoreAnswer, "to">>({ body: required(1, bytesUpTo(MAX_CORE)) }),
} as const;
