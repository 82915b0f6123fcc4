import assert from "node:assert/strict";
import type { StreamStatus } from "./report.ts";
import { type DescribeSession, SessionList } from "./session_list.ts";
import { type ListedStream, listStreams } from "./stream_list.ts";

/** A session with so many streams. */
function session(streams: number): DescribeSession {
  const all = Array.from({ length: streams }, (_, i) => ({ id: i + 1 }) as ListedStream);
  return (most) => ({
    peer: "p",
    wire: "v2",
    seconds: 1,
    sentBytes: 0,
    receivedBytes: 0,
    carriers: [],
    ...(most !== null && listStreams(all, 0, most)),
  });
}

function lengths(
  list: readonly { streamList?: readonly StreamStatus[]; unlistedStreams?: number }[],
) {
  return list.map(({ streamList, unlistedStreams }) => [streamList?.length, unlistedStreams]);
}

Deno.test("sessions are listed until they end, each with a number of its own", () => {
  const list = new SessionList();
  const first = list.add(session(1));
  list.add(session(2));
  assert.deepEqual(list.describe().map(({ id }) => id), [1, 2]);
  first[Symbol.dispose]();
  list.add(session(0));
  assert.deepEqual(list.describe().map(({ id }) => id), [2, 3]);
});

Deno.test("all sessions together list so many streams, and the rest is counted", () => {
  const list = new SessionList();
  for (const streams of [3, 4, 5]) list.add(session(streams));
  const none: [undefined, undefined] = [undefined, undefined];
  assert.deepEqual(lengths(list.describe()), [none, none, none]);
  assert.deepEqual(lengths(list.describe(5)), [[3, 0], [2, 2], [0, 5]]);
  assert.deepEqual(lengths(list.describe(100)), [[3, 0], [4, 0], [5, 0]]);
});
