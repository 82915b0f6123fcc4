import assert from "node:assert/strict";
import { MuxPair, send } from "../../../tests/fake/mux_end.ts";
import { OpenKind } from "../mux/frames.ts";
import { LONGEST_ANSWER, packReport } from "./messages.ts";
import { MOST_LISTED_STREAMS, STATUS_VERSION } from "./report.ts";
import { type ListedStream, listStreams } from "./stream_list.ts";

function stream(id: number, activeAt: number): ListedStream {
  return {
    id,
    kind: OpenKind.connect,
    isOwn: true,
    peer: "a.example:80",
    sentBytes: 0,
    receivedBytes: 0,
    openedAt: 1000,
    activeAt,
  };
}

Deno.test("both ends of a stream have its kind, target, bytes, age and silence", () => {
  const pair = new MuxPair();
  pair.client.now = 1000;
  pair.server.now = 500_000;
  const [here, there] = pair.connect();
  pair.client.now += 2000;
  pair.server.now += 3000;
  send(here, "hello");
  send(there, "hi");
  pair.exchange();
  const [client] = listStreams(pair.client.mux.liveStreams, pair.client.now + 500, 10).streamList;
  const [server] = listStreams(pair.server.mux.liveStreams, pair.server.now + 250, 10).streamList;
  const common = { id: 1, kind: "connect", target: "a.example:80" } as const;
  const sums = { sentBytes: 5, receivedBytes: 2, seconds: 2.5, idleSeconds: 0.5 };
  assert.deepEqual(client, { ...common, isOwn: true, ...sums });
  const other = { sentBytes: 2, receivedBytes: 5, seconds: 3.25, idleSeconds: 0.25 };
  assert.deepEqual(server, { ...common, isOwn: false, ...other });
});

Deno.test("datagrams count as well", () => {
  const pair = new MuxPair();
  const [here, there] = pair.connect();
  pair.client.now = 100;
  assert(here.sendDatagram(null, new Uint8Array(7)));
  pair.exchange();
  assert.deepEqual([here.sentBytes, here.activeAt], [7, 100]);
  assert.deepEqual([there.receivedBytes, there.sentBytes], [7, 0]);
});

Deno.test("of many streams those are listed that carried something last, in their order", () => {
  const all = Array.from(
    { length: 10 },
    (_, i) => stream(i + 1, i % 2 === 0 ? 1000 + i : 2000 - i),
  );
  const { streamList, unlistedStreams } = listStreams(all, 3000, 3);
  assert.deepEqual(streamList.map(({ id }) => id), [2, 4, 6]);
  assert.equal(unlistedStreams, 7);
  assert.equal(listStreams(all, 3000, 10).unlistedStreams, 0);
  assert.deepEqual(listStreams([], 0, 10), { streamList: [], unlistedStreams: 0 });
  assert.deepEqual(listStreams(all, 0, 0), { streamList: [], unlistedStreams: 10 });
});

Deno.test("an answer about 10 000 streams takes less than 100 ms", () => {
  const all = Array.from({ length: 10_000 }, (_, i) => stream(i + 1, 1000 + (i * 7919) % 10_000));
  const end = {
    version: STATUS_VERSION,
    name: "n",
    command: "client",
    pid: 1,
    seconds: 1,
  } as const;
  const session = {
    id: 1,
    peer: "p",
    wire: "v2",
    seconds: 1,
    sentBytes: 0,
    receivedBytes: 0,
  } as const;
  let least = Infinity;
  for (let i = 0; i < 3; i++) {
    const began = performance.now();
    const list = listStreams(all, 20_000, MOST_LISTED_STREAMS);
    const answer = packReport({ ...end, sessions: [{ ...session, carriers: [], ...list }] });
    least = Math.min(least, performance.now() - began);
    assert(answer.length < LONGEST_ANSWER / 4, `${answer.length} bytes`);
  }
  assert(least < 100, `${least} ms`);
});

Deno.test("every kind of stream has a name", () => {
  for (const kind of Object.values(OpenKind)) {
    const { streamList } = listStreams([{ ...stream(1, 0), kind }], 0, 1);
    assert.equal(typeof streamList[0]!.kind, "string");
  }
});
