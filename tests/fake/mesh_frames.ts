import { fromHex } from "../../src/base/bytes.ts";
import type { Descriptor } from "../../src/core/mesh/descriptor.ts";
import {
  decodeDescriptor,
  encodeDescriptor,
  signDescriptor,
} from "../../src/core/mesh/descriptor.ts";
import type { Answer, AnswerBody, Frame } from "../../src/core/mesh/frame.ts";
import type { MeshRecord } from "../../src/core/mesh/record.ts";

/** A descriptor whose signature is none, of the node with that number. */
export function sampleDescriptor(number: number): Descriptor {
  const body = {
    publicKey: new Uint8Array(32).fill(number),
    place: number % 16,
    addresses: [`192.0.2.${number}:20204`],
    host: `host-${number}`,
    zone: "",
    roles: ["node"] as const,
    incarnation: 1_700_000_000_000 + number,
    lowestVersion: 1,
    highestVersion: 1,
    notAfter: 1_700_086_400_000,
  };
  const signed = signDescriptor(body, () => new Uint8Array(64).fill(0x55));
  return decodeDescriptor(encodeDescriptor(signed));
}

export const SAMPLE_RECORD: MeshRecord = {
  bucket: "kv/app",
  child: "a/b.c",
  value: Uint8Array.of(1, 2, 3),
  version: { epoch: 0n, hlc: 0x0123_4567_89ab_cdefn, writer: 0xffff_ffff_ffff_fffen },
  expiry: 1_700_000_000_000,
  isTombstone: false,
  class: "soft",
};

const TOMBSTONE: MeshRecord = {
  ...SAMPLE_RECORD,
  child: "",
  value: new Uint8Array(),
  isTombstone: true,
  class: "durable",
};

const [A, B] = [sampleDescriptor(1), sampleDescriptor(2)];
const POSITION = (1n << 127n) + 7n;
const RANGE = { from: 5n, to: POSITION, count: 300, sum: (1n << 128n) - 1n };
const NAME = { bucket: "route/web", child: "x.y", version: SAMPLE_RECORD.version };

function answer(body: AnswerBody): Answer {
  return { type: "answer", request: 70_000, state: "ready", stamp: 1_700_000_000_123, body };
}

/** Frames of every type, with each field in each of its forms. */
export const SAMPLE_FRAMES: readonly Frame[] = [
  {
    type: "hello",
    request: 0,
    lowestVersion: 1,
    highestVersion: 2,
    clusterId: new Uint8Array(16).fill(9),
    descriptor: A,
    certificate: new Uint8Array(20).fill(0x30),
    nonce: new Uint8Array(32).fill(4),
    proof: new Uint8Array(64).fill(5),
  },
  { type: "bye", request: 0, words: "it is revoked" },
  { type: "error", request: 3, code: "left", words: "" },
  { type: "error", request: 3, code: "unsupported", words: "no such thing" },
  { type: "ping", request: 1, target: A.key, load: 100 },
  { type: "ping", request: 1, target: B.key, load: 400 },
  {
    type: "stab",
    request: 2,
    descriptor: A,
    preds: null,
    predsHash: 0n,
    listHash: 0xffff_ffff_ffff_ffffn,
    gossip: [],
  },
  { type: "stab", request: 2, descriptor: A, preds: [], predsHash: 1n, listHash: 2n, gossip: [B] },
  { type: "stab", request: 2, descriptor: A, preds: [B], predsHash: 1n, listHash: 2n, gossip: [B] },
  { type: "next", request: 4, position: POSITION, isProbe: false },
  { type: "next", request: 4, position: 0n, isProbe: true },
  {
    type: "relay",
    request: 5,
    to: B.key,
    frame: { type: "next", request: 6, position: 1n, isProbe: false },
  },
  { type: "put", request: 7, record: SAMPLE_RECORD, isOwner: true },
  { type: "put", request: 7, record: TOMBSTONE, isOwner: false },
  { type: "get", request: 8, bucket: "kv/app", child: null, prefix: "", after: null, limit: 100 },
  { type: "get", request: 8, bucket: "kv/app", child: "", prefix: "x", after: "xy", limit: 1 },
  { type: "digest", request: 9, ranges: [RANGE, RANGE], dropBefore: 0 },
  { type: "digest", request: 9, ranges: [], dropBefore: 1_700_000_000_000 },
  {
    type: "names",
    request: 10,
    from: 1n,
    to: POSITION,
    names: [],
    isHandOff: false,
    afterChild: null,
    lastChild: null,
  },
  {
    type: "names",
    request: 10,
    from: 1n,
    to: POSITION,
    names: [NAME, NAME],
    isHandOff: true,
    afterChild: "",
    lastChild: "z",
  },
  { type: "push", request: 11, records: [SAMPLE_RECORD, TOMBSTONE] },
  { type: "sub", request: 12, bucket: "route/web", count: 3, sum: 9n, isEnd: false },
  { type: "sub", request: 12, bucket: "route/web", count: 0, sum: 0n, isEnd: true },
  { type: "core", request: 13, body: fromHex("00ff") },
  { type: "hint", request: 0, node: B },
  { type: "left", request: 0, incarnation: 1_700_000_000_001 },
  { type: "event", request: 0, record: SAMPLE_RECORD },
  answer({ to: "ping" }),
  answer({ to: "push", refused: [] }),
  answer({ to: "push", refused: [0, 255] }),
  answer({ to: "stab", pred: null, list: null, preds: [], wantsPreds: false, gossip: [] }),
  answer({ to: "stab", pred: A, list: [], preds: [B], wantsPreds: true, gossip: [A] }),
  answer({ to: "next", isDone: true, after: 0n, nodes: [A] }),
  answer({ to: "next", isDone: false, after: null, nodes: [] }),
  answer({
    to: "relay",
    frame: { ...answer({ to: "put", better: B, newer: 77n << 40n }), request: 3 },
  }),
  answer({ to: "relay", frame: { type: "error", request: 3, code: "busy", words: "" } }),
  answer({ to: "put", better: null, newer: 0n }),
  answer({ to: "get", records: [SAMPLE_RECORD], hasMore: true }),
  answer({ to: "get", records: [], hasMore: false }),
  answer({ to: "digest", counts: [null, 0, 64, null] }),
  answer({ to: "digest", counts: [] }),
  answer({ to: "names", wants: [0, 63], foreign: [1], pushes: 5, readySince: 1_700_000_000_000 }),
  answer({ to: "names", wants: [], foreign: [], pushes: 0, readySince: 0 }),
  answer({ to: "sub", records: null }),
  answer({ to: "sub", records: [TOMBSTONE] }),
  answer({ to: "core", body: new Uint8Array() }),
];
