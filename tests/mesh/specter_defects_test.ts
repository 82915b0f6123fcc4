import { equal } from "node:assert/strict";
import { fleet, read, remove, settle, write } from "./fleet.ts";
import { replicasOf } from "./record_checks.ts";
import { inOrder } from "./ring_checks.ts";
import type { SimulatedNode, World } from "./world.ts";

const DAY_MS = 24 * 3600_000;

function fill(world: World, count: number, node: SimulatedNode): void {
  for (let i = 0; i < count; i++) equal(write(world, node, `kv/d${i}/x`, `v${i}`).is, "written");
}

function mustHave(world: World, count: number, node: SimulatedNode): void {
  for (let i = 0; i < count; i++) equal(read(world, node, `kv/d${i}/x`), `v${i}`);
}

Deno.test("specter 1: a joiner that dies at any message, or whose answer is lost, blocks nobody", () => {
  for (let message = 0; message < 24; message++) {
    const world = fleet(4);
    settle(world);
    fill(world, 12, world.nodes[0]!);
    const joiner = world.add({ seeds: [0, 1, 2] });
    let count = 0;
    const isCrash = message % 2 === 0;
    world.tap = (from, to) => {
      if (from !== joiner && to !== joiner) return;
      if (count++ !== message) return;
      if (isCrash) world.at(world.now, () => world.crash(joiner));
      else {
        const mend = world.network.cut(from.index, to.index);
        world.at(world.now + 1, mend);
      }
    };
    world.start(joiner);
    world.pass(3000);
    for (let i = 0; i < 12; i++) {
      equal(write(world, world.nodes[1]!, `kv/d${i}/x`, `v${i}`).is, "written");
    }
    if (isCrash) {
      world.tap = null;
      world.start(joiner);
    }
    settle(world);
    mustHave(world, 12, joiner);
  }
});

Deno.test("specter 2: a crash with the disk loses no record", () => {
  const world = fleet(6);
  settle(world);
  fill(world, 40, world.nodes[0]!);
  for (const node of world.nodes) {
    world.crash(node);
    node.disk.wipe();
    world.pass(8000);
    world.start(node);
    world.pass(8000);
  }
  settle(world);
  mustHave(world, 40, world.nodes[2]!);
});

Deno.test("specter 3: a wiped owner is refilled though nobody publishes again", () => {
  const world = fleet(5);
  settle(world);
  fill(world, 20, world.nodes[0]!);
  const [owner] = replicasOf(inOrder(world), "kv/d7");
  world.crash(owner!);
  owner!.disk.wipe();
  world.start(owner!);
  settle(world);
  equal(owner!.ring!.held("kv/d7", "x") !== undefined, true);
});

Deno.test("specter 5: a holder that is no longer one leaves nothing behind", () => {
  const world = fleet(5);
  settle(world);
  const soft = { kind: "soft" as const, ttlMs: 90_000 };
  for (const holder of [0, 1, 2]) {
    write(world, world.nodes[holder]!, `route/h.example/i.n${holder}`, "", soft);
  }
  world.crash(world.nodes[2]!);
  for (let i = 0; i < 4; i++) {
    world.pass(30_000);
    for (const holder of [0, 1]) {
      write(world, world.nodes[holder]!, `route/h.example/i.n${holder}`, "", soft);
    }
  }
  equal(read(world, world.nodes[3]!, "route/h.example/i.n2"), null);
  equal(read(world, world.nodes[3]!, "route/h.example/i.n1"), "");
});

Deno.test("specter 6: a node with an old disk brings back nothing that was deleted meanwhile", () => {
  for (const away of [3600_000, 5 * DAY_MS, 8 * DAY_MS]) {
    const world = fleet(5, { isChecked: false });
    settle(world);
    fill(world, 15, world.nodes[0]!);
    world.pass(70_000);
    const node = replicasOf(inOrder(world), "kv/d0")[1]!;
    world.crash(node);
    const others = world.live;
    for (let i = 0; i < 5; i++) equal(remove(world, others[0]!, `kv/d${i}/x`).is, "written");
    // The clocks of all go on, as if the time had passed.
    for (const other of others) {
      const again = other;
      world.crash(again);
      again.offset += away;
      world.start(again);
    }
    node.offset += away;
    world.pass(100_000);
    world.start(node);
    settle(world, 90_000);
    world.pass(20_000);
    for (let i = 0; i < 15; i++) {
      equal(read(world, node, `kv/d${i}/x`), i < 5 ? null : `v${i}`, `${i} after ${away} ms`);
    }
  }
});

Deno.test("specter 6: a fleet that was down for days keeps its records", () => {
  const world = fleet(5);
  settle(world);
  fill(world, 20, world.nodes[0]!);
  world.pass(70_000);
  for (const node of world.nodes) world.crash(node);
  for (const node of world.nodes) node.offset += 9 * DAY_MS;
  world.start(world.nodes[3]!);
  world.pass(120_000);
  for (const node of world.nodes) world.start(node);
  settle(world, 120_000);
  world.pass(90_000);
  mustHave(world, 20, world.nodes[1]!);
});

Deno.test("specter 7: a transfer of 100 MB that is cut at any batch goes on where it was", () => {
  const world = fleet(4, { isChecked: false });
  world.network.longest = 20;
  settle(world);
  const value = "x".repeat(60_000);
  const count = 1700;
  for (let i = 0; i < count; i++) {
    const o = {
      key: `kv/m${i}/x`,
      value: new TextEncoder().encode(value),
      class: "durable" as const,
    };
    world.ask(world.nodes[0]!, (ring, id, now) => ring.put(id, o, now), () => {});
    world.pass(1);
  }
  world.pass(5000);
  const joiner = world.add({ seeds: [0, 1, 2] });
  let pushes = 0;
  world.tap = (_from, to, frame) => {
    // Every other batch cuts the joiner off for a second.
    if (to !== joiner || frame.type !== "push" || ++pushes % 40 !== 0) return;
    const others = world.nodes.map(({ index }) => index).filter((index) => index !== joiner.index);
    const mend = world.network.part([joiner.index], others, true);
    world.at(world.now + 1500, mend);
  };
  world.start(joiner);
  world.pass(60_000);
  world.tap = null;
  settle(world, 120_000);
});

Deno.test("specter 8: a kill between any two steps of the disk loses nothing acknowledged", () => {
  for (let kill = 0; kill < 30; kill++) {
    const world = fleet(3, { seed: kill + 1 });
    settle(world);
    const victim = world.nodes[kill % 3]!;
    victim.disk.latency = 40;
    const written: number[] = [];
    for (let i = 0; i < 20; i++) {
      const o = { key: `kv/k${i}/x`, value: new Uint8Array([i]), class: "durable" as const };
      world.ask(world.nodes[(kill + 1) % 3]!, (ring, id, now) => ring.put(id, o, now), (result) => {
        if (result.is === "written") written.push(i);
      });
      world.pass(7);
      if (i === 10) world.at(world.now + kill * 5, () => world.crash(victim));
    }
    world.pass(3000);
    // The others lose their disks one after the other: the victim's must suffice, with one of theirs.
    world.start(victim);
    settle(world);
    for (const i of written) {
      for (const node of world.nodes) equal(node.ring!.held(`kv/k${i}`, "x") !== undefined, true);
    }
    equal(written.length >= 10, true);
  }
});

Deno.test("specter 9: a nodeId that is no longer at an address is answered `left`", () => {
  const world = fleet(3);
  settle(world);
  const [one, other] = [world.nodes[0]!, world.nodes[1]!];
  let code = "";
  world.tap = (from, to, frame) => {
    if (from === other && to === one && frame.type === "error") code = frame.code;
  };
  const target = "ab".repeat(32);
  world.act(
    other,
    (ring, now) => ring.feed(one.key, { type: "ping", request: 99, target, load: 100 }, now),
  );
  equal(code, "left");
});

Deno.test("specter 10: a node without a predecessor answers everything", () => {
  const world = fleet(0);
  const [alone, other] = [world.add({ seeds: [] }), world.add({ seeds: [] })];
  world.start(alone);
  world.start(other);
  world.act(alone, (ring, now) => ring.met(other.descriptor, now, true));
  settle(world);
  equal(write(world, other, "kv/p/x", "1").is, "written");
  equal(read(world, alone, "kv/p/x"), "1");
});

Deno.test("specter 11: three hosts are found though each has five processes", () => {
  const world = fleet(40, { perHost: 5, isChecked: false });
  settle(world, 60_000);
  const result = write(world, world.nodes[0]!, "kv/hosts/x", "1");
  equal(result.is === "written" && result.copies, 3);
  world.pass(12_000);
  const holders = world.live.filter((node) => node.ring!.held("kv/hosts", "x") !== undefined);
  equal(new Set(holders.map(({ host }) => host)).size, 3);
});

Deno.test("specter 15: instances of one agent stand side by side; a new session replaces a dead twin", () => {
  const world = fleet(5);
  settle(world);
  const soft = { kind: "soft" as const, ttlMs: 90_000 };
  write(world, world.nodes[0]!, "route/ha.example/i1.n0", "a", { ...soft, epoch: 1n });
  write(world, world.nodes[1]!, "route/ha.example/i2.n1", "b", { ...soft, epoch: 1n });
  equal(read(world, world.nodes[2]!, "route/ha.example/i1.n0", true), "a");
  equal(read(world, world.nodes[2]!, "route/ha.example/i2.n1", true), "b");
  // The agent reconnects while its old link is still thought to be there.
  equal(
    write(world, world.nodes[0]!, "route/ha.example/i1.n0", "c", { ...soft, epoch: 2n }).is,
    "written",
  );
  write(world, world.nodes[3]!, "route/ha.example/i1.n0", "old", { ...soft, epoch: 1n });
  equal(read(world, world.nodes[2]!, "route/ha.example/i1.n0"), "c");
});
