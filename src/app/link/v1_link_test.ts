import assert from "node:assert/strict";
import { setImmediate as macrotask } from "node:timers/promises";
import fc from "fast-check";
import { CountedCiphers } from "../../../tests/fake/ciphers.ts";
import { drain } from "../../../tests/fake/drain.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { batchOf, packetsIn } from "../../../tests/fake/packets.ts";
import { frameOf, sessionPair, textsIn } from "../../../tests/fake/v1_session.ts";
import { concat, toHex } from "../../base/bytes.ts";
import { BATCH_PACKETS, makePackets } from "../../contract/batch.ts";
import { MAX_TEXT } from "../../core/link/v1/frame.ts";
import { V1Link } from "./v1_link.ts";
import { receive } from "../../../tests/suite/waiting.ts";
import { read, write } from "../loop/stream_io.ts";

const GAP = 18; // tailroom and headroom together

/** A link at the client's end; what the server's end is made of. */
function world(o: { capacity?: number; rest?: Uint8Array } = {}) {
  const { client, server } = sessionPair();
  const [near, far] = memoryPair(o.capacity === undefined ? {} : { capacity: o.capacity });
  const writes: number[] = [];
  const writeNow = near.writeNow.bind(near);
  near.writeNow = (bytes) => {
    writes.push(bytes.length);
    return writeNow(bytes);
  };
  const session = o.rest === undefined ? client : { ...client, rest: o.rest };
  return { link: new V1Link(near, session), near, far, server, writes };
}

const text = (i: number, size = 20) => Uint8Array.from({ length: size }, (_, k) => i + k);

Deno.test("a link wants room for exactly a frame's header and tag", () => {
  const { link } = world();
  assert.deepEqual(link.layout, {
    groupHeadroom: 8,
    headroom: 2,
    tailroom: 16,
    groupTailroom: 0,
    group: Infinity,
  });
});

Deno.test("packets that lie a frame's room apart go out in one write", async () => {
  const { link, far, server, writes } = world();
  const texts = [text(1), text(2, 1), text(3, 1280)];
  assert.equal(link.send(batchOf(texts, GAP)), undefined);
  assert.deepEqual(writes, [20 + 1 + 1280 + 3 * GAP]);
  assert.deepEqual(textsIn(server.opener, await drain(far)), texts.map(toHex));
});

Deno.test("a gap between packets costs one more write, and no bytes of it are sent", async () => {
  const { link, far, server, writes } = world();
  const batch = batchOf([text(1), text(2), text(3), text(4)], GAP);
  // The layout after the third one was taken out.
  batch.offset[2] = batch.offset[3]!;
  batch.count = 3;
  link.send(batch);
  assert.deepEqual(writes, [2 * (20 + GAP), 20 + GAP]);
  assert.deepEqual(
    textsIn(server.opener, await drain(far)),
    [text(1), text(2), text(4)].map(toHex),
  );
});

Deno.test("an empty batch writes nothing", () => {
  const { link, writes } = world();
  assert.equal(link.send(makePackets(0)), undefined);
  assert.deepEqual(writes, []);
});

Deno.test("a batch of any packets with any gaps arrives as it was, in order", async () => {
  const packets = fc.array(
    fc.record({ packet: fc.uint8Array({ maxLength: 100 }), extra: fc.constantFrom(0, 0, 1, 40) }),
    { maxLength: 12 },
  );
  await fc.assert(
    fc.asyncProperty(packets, fc.integer({ min: 1, max: 300 }), async (some, capacity) => {
      const { link, far, server } = world({ capacity });
      const batch = makePackets(20_000);
      let at = 2;
      for (const [i, { packet, extra }] of some.entries()) {
        at += extra;
        batch.bytes.set(packet, at);
        batch.offset[i] = at;
        batch.length[i] = packet.length;
        at += packet.length + GAP;
      }
      batch.count = some.length;
      const sending = link.send(batch);
      const found = textsIn(server.opener, await drain(far));
      await sending;
      assert.deepEqual(found, some.map(({ packet }) => toHex(packet)));
    }),
    { numRuns: 60 },
  );
});

Deno.test("send() waits while the socket is full, and goes on where it was", async () => {
  const { link, far, server } = world({ capacity: 7 });
  const batch = batchOf([text(1), text(2)], GAP);
  batch.offset[2] = batch.offset[1]! + 60;
  let sent = false;
  const sending = link.send(batch);
  assert.ok(sending instanceof Promise);
  sending.then(() => sent = true);
  await macrotask();
  assert.deepEqual([sent, link.isWriting], [false, true]);
  assert.deepEqual(textsIn(server.opener, await drain(far, 3)), [text(1), text(2)].map(toHex));
  assert.deepEqual([sent, link.isWriting], [true, false]);
});

Deno.test("what is sent while a write waits comes behind it, in the order of the calls", async () => {
  const { link, far, server } = world({ capacity: 30 });
  const batches = [[text(1), text(2, 70)], [text(3)], [text(4, 0), text(5)], [text(6)]];
  // The first has gaps: between its writes nothing may come from the others.
  const gaps = [text(7), text(8), text(9)];
  const sending = [link.send(batchOf(gaps, GAP + 5))];
  for (const texts of batches) sending.push(link.send(batchOf(texts, GAP)));
  const found = textsIn(server.opener, await drain(far, 11));
  await Promise.all(sending);
  const all = [...gaps, ...batches.flat()];
  assert.deepEqual(found, all.map(toHex));
});

Deno.test("a link that could not write fails for whoever sends next as well", async () => {
  const { link, far } = world({ capacity: 5 });
  const sending = link.send(batchOf([text(1)], GAP));
  const behind = link.send(batchOf([text(2)], GAP));
  far.reset();
  await assert.rejects(async () => await sending, { kind: "lost" });
  await assert.rejects(async () => await behind, { kind: "lost" });
  await assert.rejects(async () => await link.send(batchOf([text(3)], GAP)), { kind: "lost" });
});

/** Everything that the link receives until its end: each call's packets. */
async function receiveAll(link: V1Link): Promise<string[][]> {
  const into = makePackets(0);
  const found: string[][] = [];
  for (;;) {
    const count = await receive(link, into);
    assert.equal(count, into.count);
    if (count === 0) return found;
    found.push(packetsIn(into));
  }
}

Deno.test("frames cut anywhere are received whole, in order, none twice", async () => {
  const texts = fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 8 });
  const sizes = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(texts, sizes, async (some, cuts) => {
      const { link, far, server } = world({ capacity: 64 });
      const bytes = concat(...some.map((t) => frameOf(server.sealer, t)));
      const sending = (async () => {
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const size = cuts[i % cuts.length]!;
          await write(far, bytes.subarray(at, at + size));
          at += size;
        }
        await far.closeWrite();
      })();
      assert.deepEqual((await receiveAll(link)).flat(), some.map(toHex));
      await sending;
    }),
    { numRuns: 100 },
  );
});

Deno.test("frames that came together are received together, at most a batch at a time", async () => {
  const { link, far, server } = world();
  const texts = Array.from({ length: 2 * BATCH_PACKETS + 5 }, (_, i) => text(i, 3));
  await write(far, concat(...texts.map((t) => frameOf(server.sealer, t))));
  await far.closeWrite();
  const found = await receiveAll(link);
  assert.deepEqual(found.map((batch) => batch.length), [BATCH_PACKETS, BATCH_PACKETS, 5]);
  assert.deepEqual(found.flat(), texts.map(toHex));
});

Deno.test("the largest frames go through the link's buffer again and again", async () => {
  const { link, far, server } = world({ capacity: 50_000 });
  const sizes = [MAX_TEXT, MAX_TEXT, 1, MAX_TEXT, 30_000, 0, MAX_TEXT, MAX_TEXT, MAX_TEXT, 7];
  const texts = sizes.map((size, i) => text(i, size));
  const sending = (async () => {
    for (const t of texts) await write(far, frameOf(server.sealer, t));
    await far.closeWrite();
  })();
  const found = (await receiveAll(link)).flat();
  await sending;
  assert.deepEqual(found.map((hex) => hex.length / 2), sizes);
  assert.deepEqual(found, texts.map(toHex));
});

Deno.test("what came behind the handshake's proof is received first", async () => {
  const { client, server } = sessionPair();
  const [near, far] = memoryPair();
  const first = frameOf(server.sealer, text(1));
  const second = frameOf(server.sealer, text(2));
  const rest = concat(first, second.subarray(0, 9));
  const link = new V1Link(near, { ...client, rest });
  await write(far, second.subarray(9));
  await far.closeWrite();
  assert.deepEqual(await receiveAll(link), [[toHex(text(1))], [toHex(text(2))]]);
});

Deno.test("an end between frames is the link's end, again and again", async () => {
  const { link, far, server } = world();
  await write(far, frameOf(server.sealer, text(1)));
  await far.closeWrite();
  assert.deepEqual(await receiveAll(link), [[toHex(text(1))]]);
  assert.equal(await receive(link, makePackets(0)), 0);
});

Deno.test("an end inside of a frame is a breach of the protocol, wherever it is", async () => {
  const size = frameOf(sessionPair().server.sealer, text(1)).length;
  for (let cut = 1; cut < size; cut++) {
    const { link, far, server } = world();
    const frames = concat(frameOf(server.sealer, text(0)), frameOf(server.sealer, text(1)));
    await write(far, frames.subarray(0, size + cut));
    await far.closeWrite();
    const into = makePackets(0);
    assert.equal(await receive(link, into), 1);
    await assert.rejects(
      async () => await receive(link, into),
      { kind: "protocol" },
      `${cut} bytes`,
    );
  }
});

Deno.test("a damaged frame and an impossible length are breaches of the protocol", async () => {
  const damaged = world();
  const frame = frameOf(damaged.server.sealer, text(1));
  frame[5]! ^= 1;
  await write(damaged.far, frame);
  const reading = async () => await receive(damaged.link, makePackets(0));
  await assert.rejects(reading, { kind: "protocol" });
  const impossible = world();
  await write(impossible.far, Uint8Array.of(0, 15));
  await assert.rejects(async () => await receive(impossible.link, makePackets(0)), {
    kind: "protocol",
  });
});

Deno.test("a reset while it waits is a lost connection", async () => {
  const { link, far } = world();
  const receiving = receive(link, makePackets(0));
  far.reset();
  await assert.rejects(async () => await receiving, { kind: "lost" });
});

Deno.test("the link's end is that of its stream and of its cipher", async () => {
  const ciphers = new CountedCiphers();
  const { client, server } = sessionPair({ makeCipher: ciphers.factory });
  server[Symbol.dispose]();
  const [near, far] = memoryPair();
  const link = new V1Link(near, client);
  assert.equal(ciphers.live, 1);
  const receiving = receive(link, makePackets(0));
  await link[Symbol.asyncDispose]();
  await link[Symbol.asyncDispose]();
  assert.equal(ciphers.live, 0);
  await assert.rejects(async () => await receiving, { kind: "lost" });
  assert.equal(await read(far, new Uint8Array(1)), null);
});
