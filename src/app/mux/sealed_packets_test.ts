/** Datagrams of forwards over carriers that have packets beside their records. */
import assert from "node:assert/strict";
import { onEach } from "../../../tests/fake/memory_datagrams.ts";
import { MemoryPackets } from "../../../tests/fake/memory_packets.ts";
import { StreamWorld, TARGET } from "../../../tests/fake/stream_programs.ts";
import { utf8 } from "../../base/bytes.ts";

const FORWARD = { host: "127.0.0.1", port: 5353 };

/** A forward of datagrams, whose target answers each of them. */
async function forwarded(world: StreamWorld) {
  const carriers: MemoryPackets[] = [];
  world.net.packets = () => {
    const packets = new MemoryPackets();
    carriers.push(packets);
    return packets.ends;
  };
  const target = world.bind({ host: TARGET, port: 53 });
  onEach(target, (text, from) => target.sendTo(utf8(`re ${text}`), from));
  await world.clock.settle();
  const socket = world.bind({ host: "127.0.0.1", port: 1001 });
  const came: string[] = [];
  onEach(socket, (text) => void came.push(text.slice(0, 20)));
  const say = async (text: string) => {
    socket.sendTo(utf8(text), FORWARD);
    await world.clock.settle();
  };
  return { carriers, came, say };
}

for (const clientDevice of [false, true]) {
  const name = clientDevice ? "a device's link" : "a link of streams alone";
  const options = { local: ["5353:target:53/udp"], clientDevice, hasDevice: clientDevice };

  Deno.test(`${name} sends datagrams as packets, once the stream is open`, async () => {
    await using world = new StreamWorld(options);
    const { carriers, came, say } = await forwarded(world);
    await say("a");
    await say("b");
    assert.deepEqual(came, ["re a", "re b"]);
    const { sent } = carriers.at(-1)!;
    // The answer to the first one, and both ways of the second one.
    assert.equal(sent.length, 3);
    assert(!sent.some((packet) => new TextDecoder().decode(packet).includes("re ")));
    await say("c".repeat(3000));
    assert.deepEqual(came.at(-1), `re ${"c".repeat(17)}`);
    assert.equal(sent.length, 3);
  });
}

Deno.test("packets that are lost, come twice or were changed are as if they were lost", async () => {
  await using world = new StreamWorld({ local: ["5353:target:53/udp"] });
  const { carriers, came, say } = await forwarded(world);
  await say("a");
  const [packets] = carriers;
  packets!.change = () => [];
  await say("lost");
  packets!.change = (packet) => [packet, packet];
  await say("twice");
  packets!.change = (
    packet,
  ) => [packet.with(9, packet[9]! ^ 1), new Uint8Array(5), packet.with(0, 1)];
  await say("changed");
  packets!.change = (packet) => [packet];
  await say("b");
  assert.deepEqual(came, ["re a", "re twice", "re b"]);
});

Deno.test("a flow goes on by the packets of another carrier", async () => {
  await using world = new StreamWorld({ local: ["5353:target:53/udp"] });
  const { carriers, came, say } = await forwarded(world);
  await say("a");
  world.carriers.at(-1)!.reset();
  await world.clock.advance(1100);
  await say("b");
  assert.deepEqual(came, ["re a", "re b"]);
  assert.equal(carriers.length, 2);
  assert.equal(carriers[1]!.sent.length, 2);
});
