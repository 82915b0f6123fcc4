import assert from "node:assert/strict";
import { setImmediate as macrotask } from "node:timers/promises";
import { drain } from "../../../tests/fake/drain.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { batchOf } from "../../../tests/fake/packets.ts";
import { Cable } from "../../../tests/fake/pipe.ts";
import { frameOf, sessionPair, textsIn } from "../../../tests/fake/v1_session.ts";
import { toHex } from "../../base/bytes.ts";
import { unseenPacket } from "../../core/ip/header.ts";
import { V1Life } from "./v1_liveness.ts";
import { V1Link } from "./v1_link.ts";
import { write } from "../loop/stream_io.ts";

function world(capacity = 1000) {
  const { client, server } = sessionPair();
  const cable = new Cable();
  const [near, far] = memoryPair({ capacity, cables: [cable] });
  const link = new V1Link(near, server);
  return { link, life: new V1Life(link), far, client, cable };
}

Deno.test("the question for life is a packet that nobody looks at, in a frame of its own", async () => {
  const { life, far, client } = world();
  life.probe();
  assert.deepEqual(textsIn(client.opener, await drain(far)), [toHex(unseenPacket())]);
});

Deno.test("a peer whose kernel takes the question shows life", () => {
  const { life } = world();
  const before = life.activity();
  life.probe();
  assert.ok(life.activity() > before);
});

Deno.test("a peer behind a pulled cable shows none, and does when it is plugged in", () => {
  const { life, cable } = world();
  const before = life.activity();
  cable.pull();
  life.probe();
  assert.equal(life.activity(), before);
  cable.plug();
  assert.ok(life.activity() > before);
});

Deno.test("whatever arrives is a sign of life", async () => {
  const { life, far, client } = world();
  const before = life.activity();
  await write(far, frameOf(client.sealer, Uint8Array.of(1)));
  assert.ok(life.activity() > before);
});

Deno.test("the question is asked again and again, each a sound frame", async () => {
  const { life, far, client } = world();
  for (let i = 0; i < 3; i++) life.probe();
  const packet = toHex(unseenPacket());
  assert.deepEqual(textsIn(client.opener, await drain(far)), [packet, packet, packet]);
});

Deno.test("while a write waits no question is added: there is something to acknowledge", async () => {
  const { link, life, far, client } = world(60);
  const packet = Uint8Array.from({ length: 100 }, (_, i) => i);
  const sending = link.send(batchOf([packet], 18));
  life.probe();
  const all = await drain(far);
  await sending;
  assert.deepEqual(textsIn(client.opener, all), [toHex(packet)]);
});

Deno.test("a packet behind a question that waits keeps its order and its bytes", async () => {
  const { link, life, far, client } = world(10);
  life.probe();
  const packet = Uint8Array.from({ length: 30 }, (_, i) => i);
  const sending = link.send(batchOf([packet], 18));
  const all = await drain(far);
  await sending;
  assert.deepEqual(textsIn(client.opener, all), [toHex(unseenPacket()), toHex(packet)]);
});

Deno.test("a connection that is over cannot be asked, and that is no failure of who asks", async () => {
  const { link, life, far } = world(10);
  life.probe(); // waits
  far.reset();
  await macrotask();
  life.probe(); // fails at once
  await link[Symbol.asyncDispose]();
  life.probe();
  await macrotask();
  assert.equal(life.isGone(), true);
});

Deno.test("a peer is gone when its end has come", async () => {
  const { life, far } = world();
  assert.equal(life.isGone(), false);
  await far.closeWrite();
  assert.equal(life.isGone(), true);
});
