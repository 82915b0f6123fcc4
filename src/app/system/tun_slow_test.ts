import assert from "node:assert/strict";
import { flowPacket, markOf, marksByFlow } from "../../../tests/fake/flow.ts";
import { between, markAtEnd } from "../../../tests/fake/pool_router.ts";
import { TunWorld } from "../../../tests/fake/tun_programs.ts";
import { parseCidr } from "../../base/addr.ts";
import { AddressPool } from "../../core/ip/address_pool.ts";

const HOST = "192.0.2.11";

/** Of ten packets, eight of bulk in two flows, two small ones of two others. */
function packetsOf(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => {
    if (i % 10 >= 8) return flowPacket(i % 10, i, 32 + i % 200);
    return flowPacket(i % 2, i, 300 + (i * 61) % 980);
  });
}

for (const wire of ["v1", "v2"] as const) {
  Deno.test(`through an outage of two seconds each flow's packets come whole and in order: ${wire}`, async () => {
    await using world = new TunWorld();
    const server = world.server({ wire });
    const client = world.client({ wire, host: HOST });
    await world.clock.settle();
    world.net.cable(HOST).pull();
    const packets = packetsOf(6_000);
    for (let at = 0; at < packets.length; at += 60) {
      client.device.inject(...packets.slice(at, at + 60));
      await world.clock.advance(20);
    }
    assert.equal(server.device.written.length, 0);
    world.net.cable(HOST).plug();
    await world.clock.advance(1_000);
    client.device.inject(flowPacket(20, 6_000));
    await world.clock.settle();
    const { written } = server.device;
    await client.stop();
    assert.equal(written.length + client.router.counters.droppedLate, packets.length + 1);
    assert(written.length > 5_000, `${written.length} arrived`);
    for (const packet of written.slice(0, -1)) assert.deepEqual(packet, packets[markOf(packet)]);
    assert.equal(markOf(written.at(-1)!), 6_000);
    const flows = marksByFlow(written);
    assert.equal(flows.size, 5);
    for (const marks of flows.values()) {
      assert.deepEqual(marks, marks.toSorted((a, b) => a - b));
    }
    const firstSmall = written.findIndex((packet) => markOf(packet) > 3_000 && packet.length < 256);
    assert(firstSmall < written.length / 4, "small ones go first");
  });
}

Deno.test("of many clients one with an outage gets its packets late, and the others at once", async () => {
  await using world = new TunWorld();
  const networks = ["10.8.0.0/24"].map(parseCidr);
  const pool = new AddressPool(networks, ["10.8.0.1/24"].map(parseCidr), 2);
  const server = world.server({ wire: "v2", many: { clients: 2, pool } });
  const slow = world.client({ wire: "v2", host: HOST });
  await world.clock.settle();
  const fast = world.client({ wire: "v2", host: "192.0.2.12" });
  await world.clock.settle();
  world.net.cable(HOST).pull();
  for (let i = 0; i < 600; i++) {
    server.device.inject(
      between("10.8.0.1", "10.8.0.2", i, 1_000),
      between("10.8.0.1", "10.8.0.3", i, 1_000),
    );
    await world.clock.advance(3);
    assert.equal(fast.device.written.length, i + 1);
  }
  assert.equal(slow.device.written.length, 0);
  world.net.cable(HOST).plug();
  await world.clock.settle();
  const marks = slow.device.written.map(markAtEnd);
  assert.deepEqual(marks, marks.toSorted((a, b) => a - b));
  await slow.stop();
  assert.equal(marks.length + server.router.counters.droppedLate, 600);
  assert(marks.length > 500, `${marks.length} arrived`);
});
