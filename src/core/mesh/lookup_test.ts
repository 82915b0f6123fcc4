import assert from "node:assert/strict";
import type { Descriptor } from "./descriptor.ts";
import type { NextAnswer } from "./frame.ts";
import { type Found, Lookup } from "./lookup.ts";
import { Peer } from "./peer.ts";
import type { RingContext } from "./ring_context.ts";
import { Timers } from "./timers.ts";

const POSITION = 1_000_000n;
const NODES = 90;

function peerAt(far: number): Peer {
  return new Peer({
    key: `node ${far}`,
    position: POSITION - BigInt(far),
    roles: [],
    incarnation: 1,
    notAfter: 1,
  } as unknown as Descriptor);
}

/** Looks for the owner of the position, with nodes that answer as is said. Returns who was asked. */
function search(answer: (peer: Peer) => readonly Peer[], start: readonly Peer[], owner: Peer) {
  const asked: Peer[] = [];
  const result: { found?: Found | null } = {};
  const call = (
    peer: Peer,
    _body: unknown,
    { onAnswer }: { onAnswer: (answer: NextAnswer) => void },
  ) => {
    asked.push(peer);
    const nodes = answer(peer);
    const isDone = nodes[0] === owner;
    onAnswer({ to: "next", isDone, after: null, nodes } as unknown as NextAnswer);
  };
  const ring = {
    now: 0,
    self: peerAt(900_000),
    list: [],
    preds: [],
    timers: new Timers(),
    calls: { call },
    counts: { hops: { add: () => {} } },
    estimateNodes: () => NODES,
    learnAll: (nodes: readonly Peer[]) => nodes,
    isPinned: () => false,
  } as unknown as RingContext;
  new Lookup(ring, POSITION, { start }, (found) => result.found = found);
  return { asked, found: result.found };
}

Deno.test("a node that came and went of late is asked where only it leads on", () => {
  const peers = Array.from({ length: NODES }, (_, far) => peerAt(far + 1));
  const [last, nearest] = [peers[0]!, peers[1]!];
  const owner = peerAt(-1);
  for (let i = 0; i < 3; i++) {
    last.fail(0);
    last.hear(0);
  }
  assert(last.isLast(0));
  // Each tells of others that are a little nearer, and of the one behind which the owner is.
  const answer = (peer: Peer) => {
    if (peer === last) return [owner];
    const at = peers.indexOf(peer);
    return [last, nearest, ...peers.slice(Math.max(2, at - 4), at)];
  };
  const { asked, found } = search(answer, peers.slice(-3), owner);
  assert.equal(found?.nodes[0], owner);
  assert(asked.length <= 4, `${asked.length} were asked`);
});

Deno.test("a node that came and went of late is passed by where others lead on as well", () => {
  const peers = Array.from({ length: 10 }, (_, far) => peerAt(far + 1));
  const flapping = peers[2]!;
  const owner = peerAt(-1);
  for (let i = 0; i < 3; i++) {
    flapping.fail(0);
    flapping.hear(0);
  }
  const answer = (peer: Peer) => {
    const at = peers.indexOf(peer);
    return at === 0 ? [owner] : peers.slice(Math.max(0, at - 3), at);
  };
  const { asked, found } = search(answer, [peers[5]!], owner);
  assert.equal(found?.nodes[0], owner);
  assert(!asked.includes(flapping));
});
