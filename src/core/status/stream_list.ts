import { OpenKind } from "../mux/frames.ts";
import type { MuxStream } from "../mux/mux_stream.ts";
import type { StreamStatus } from "./report.ts";

export type ListedStream = Pick<
  MuxStream,
  "id" | "kind" | "isOwn" | "peer" | "sentBytes" | "receivedBytes" | "openedAt" | "activeAt"
>;

export interface StreamList {
  /** In the order of their numbers. */
  readonly streamList: readonly StreamStatus[];
  readonly unlistedStreams: number;
}

const KIND_NAMES: Readonly<Record<OpenKind, StreamStatus["kind"]>> = {
  [OpenKind.connect]: "connect",
  [OpenKind.listen]: "listen",
  [OpenKind.udp]: "udp",
  [OpenKind.accepted]: "accepted",
  [OpenKind.udpListen]: "udp listen",
  [OpenKind.service]: "service",
};

/** Describes up to `most` streams, those that carried something last. `now`: milliseconds. */
export function listStreams(
  streams: Iterable<ListedStream>,
  now: number,
  most: number,
): StreamList {
  const all = [...streams];
  const unlistedStreams = Math.max(0, all.length - most);
  if (unlistedStreams > 0) all.sort((a, b) => b.activeAt - a.activeAt);
  all.length -= unlistedStreams;
  all.sort((a, b) => a.id - b.id);
  return { streamList: all.map((stream) => describe(stream, now)), unlistedStreams };
}

function describe(stream: ListedStream, now: number): StreamStatus {
  const { id, kind, isOwn, peer, sentBytes, receivedBytes, openedAt, activeAt } = stream;
  return {
    id,
    kind: KIND_NAMES[kind],
    isOwn,
    target: peer,
    sentBytes,
    receivedBytes,
    seconds: (now - openedAt) / 1000,
    idleSeconds: (now - activeAt) / 1000,
  };
}
