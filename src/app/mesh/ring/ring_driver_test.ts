import assert from "node:assert/strict";
import { RingWorld } from "../../../../tests/fake/ring_world.ts";
import { utf8 } from "../../../base/bytes.ts";
import { MeshError } from "../../../contract/mesh_store.ts";
import { msOfHlc } from "../../../core/mesh/hybrid_clock.ts";
import type { MeshRecord } from "../../../core/mesh/record.ts";
import { imageOf } from "../../../core/mesh/ring_rows.ts";
import { nodeMetrics } from "../http/node_metrics.ts";
import type { RingDriver } from "./ring_driver.ts";
import { ringMeasures } from "./ring_measures.ts";

const { signal } = new AbortController();

function three(): RingWorld {
  const world = new RingWorld();
  const seeds = ["192.0.2.1:20204"];
  world.add({ core: (_, body) => Promise.resolve(Uint8Array.of(...body, 1)) });
  world.add({ seeds });
  world.add({ seeds });
  return world;
}

const NAME = { key: "kv/app/x", class: "durable" } as const;

Deno.test("a record that one node writes is read at the others, and after the first has died", async () => {
  using world = three();
  await world.clock.advance(20_000);
  const [first, second, third] = world.drivers as [RingDriver, RingDriver, RingDriver];
  const written = await world.settle(first.put({ ...NAME, value: utf8("blue") }, signal));
  assert.equal(written.copies, 3);
  const read = async (driver: RingDriver) =>
    (await world.settle(driver.get({ key: NAME.key, isSoft: false }, signal)))?.value;
  assert.deepEqual(await read(third), utf8("blue"));
  world.kill(first);
  await world.clock.advance(10_000);
  assert.deepEqual(await read(second), utf8("blue"));
  const again = await world.settle(second.put({ ...NAME, value: utf8("red") }, signal));
  assert.equal(again.copies, 2);
  assert.deepEqual(await read(third), utf8("red"));
  assert(second.counts.dead > 0);
});

Deno.test("a node alone keeps records, and refuses what cannot be", async () => {
  using world = new RingWorld();
  const only = world.add();
  await world.clock.advance(2000);
  await world.settle(only.put({ ...NAME, value: utf8("1") }, signal));
  const failed = world.settle(only.put({ ...NAME, key: "none", value: utf8("1") }, signal));
  await assert.rejects(failed, (error) => error instanceof MeshError && error.reason === "denied");
  const listed = await world.settle(
    only.list({ bucket: "kv/app", prefix: "", after: null, limit: 10, isSoft: false }, signal),
  );
  assert.deepEqual(listed.records.map(({ child }) => child), ["x"]);
});

Deno.test("changes of a bucket are told to those that follow it, and to nobody after", async () => {
  using world = three();
  await world.clock.advance(20_000);
  const [first, , third] = world.drivers as [RingDriver, RingDriver, RingDriver];
  const seen: string[] = [];
  const following = third.follow("kv/app", ({ value }: MeshRecord) => {
    seen.push(new TextDecoder().decode(value));
  });
  await world.settle(first.put({ ...NAME, value: utf8("1") }, signal));
  await world.clock.advance(1000);
  assert.deepEqual(seen, ["1"]);
  following[Symbol.dispose]();
  await world.settle(first.put({ ...NAME, value: utf8("2") }, signal));
  await world.clock.advance(1000);
  assert.deepEqual(seen, ["1"]);
});

Deno.test("the core of another node is asked, and one that is none refuses", async () => {
  using world = three();
  await world.clock.advance(20_000);
  const [first, , third] = world.drivers as [RingDriver, RingDriver, RingDriver];
  const keys = third.node.neighbours().list;
  const core = keys.find((key) => third.node.descriptorOf(key)!.host === "host-1")!;
  const other = keys.find((key) => third.node.descriptorOf(key)!.host === "host-2")!;
  const answer = await world.settle(third.askCore(core, Uint8Array.of(7), signal));
  assert.deepEqual(answer, Uint8Array.of(7, 1));
  const refused = world.settle(third.askCore(other, Uint8Array.of(7), signal));
  await assert.rejects(refused, (error) => error instanceof MeshError);
  const stop = new AbortController();
  world.kill(first);
  const waiting = third.askCore(core, Uint8Array.of(7), stop.signal);
  stop.abort(new Error("enough"));
  await assert.rejects(waiting, /enough/);
});

Deno.test("a core's node that was started again is asked again at once", async () => {
  using world = new RingWorld();
  world.add({ core: () => new Promise(() => {}) });
  const asking = world.add({ seeds: ["192.0.2.1:20204"] });
  await world.clock.advance(20_000);
  const core = world.keyOf(world.drivers[0]!);
  const descriptor = asking.node.descriptorOf(core)!;
  const waiting = asking.askCore(core, Uint8Array.of(7), signal);
  asking.met(descriptor); // another link with the same process
  asking.met({ ...descriptor, incarnation: descriptor.incarnation + 1 });
  await assert.rejects(waiting, (error) => {
    return error instanceof MeshError && error.reason === "unavailable" &&
      error.outcome === "unknown";
  });
});

Deno.test("a process's requests have other numbers than those of the process before it", async () => {
  using world = three();
  await world.clock.advance(20_000);
  const core = world.keyOf(world.drivers[0]!);
  const add = async () => {
    const driver = world.add({ seeds: ["192.0.2.1:20204"] });
    await world.clock.advance(10_000);
    await world.settle(driver.askCore(core, Uint8Array.of(7), signal));
    const sent = world.sent.filter(({ from }) => from === world.keyOf(driver));
    return sent.map(({ frame }) => frame)
      .filter(({ type, request }) => request !== 0 && type !== "answer" && type !== "error")
      .map(({ request }) => request);
  };
  const [before, after] = [new Set(await add()), new Set(await add())];
  assert(before.size > 1);
  assert.deepEqual(before.intersection(after), new Set());
});

Deno.test("a node that leaves gives its records away first", async () => {
  using world = three();
  await world.clock.advance(20_000);
  const [first, second] = world.drivers as [RingDriver, RingDriver, RingDriver];
  await world.settle(first.put({ ...NAME, value: utf8("1") }, signal));
  await world.settle(first.leave());
  world.kill(first);
  await world.clock.advance(5000);
  const found = await world.settle(second.get({ key: NAME.key, isSoft: false }, signal));
  assert.deepEqual(found?.value, utf8("1"));
});

Deno.test("requests end with the node, and with their signal", async () => {
  using world = three();
  await world.clock.advance(20_000);
  const [first] = world.drivers as [RingDriver, RingDriver, RingDriver];
  const stop = new AbortController();
  const put = (signal: AbortSignal) => first.put({ ...NAME, value: utf8("1") }, signal);
  const aborted = put(stop.signal);
  stop.abort(new Error("enough"));
  await assert.rejects(aborted, /enough/);
  const open = put(signal);
  first.close();
  await assert.rejects(open, (error) => error instanceof MeshError && error.reason === "closed");
  await assert.rejects(put(signal), MeshError);
});

Deno.test("the measures of a node tell its lookups, its copies and what its disk has done", async () => {
  using world = three();
  await world.clock.advance(20_000);
  const [first] = world.drivers as [RingDriver];
  for (let i = 0; i < 9; i++) {
    await world.settle(first.put({ ...NAME, key: `kv/app${i}/x`, value: utf8("1") }, signal));
  }
  const text = nodeMetrics(ringMeasures(first, {}));
  for (const name of ["lookup_hops", "disk_commit_seconds", 'request_seconds{kind="write"}']) {
    const [whole, label = ""] = name.split(/(?=\{)/);
    assert.match(text, new RegExp(`^ttun_mesh_${whole}_count${label} [1-9]`, "m"));
  }
  assert(text.includes('ttun_mesh_request_seconds_bucket{kind="write",le="+Inf"} 9\n'));
  const zero = ["flaps_total", "flapping", "disagreements_total", "under_replicated_buckets"];
  for (const name of [...zero, "relayed_total", "differences_total"]) {
    assert.match(text, new RegExp(`^ttun_mesh_${name} [0-9]`, "m"));
  }
});

Deno.test("a node that is stopped leaves its disk with the time, not with what it had reserved", async () => {
  using world = three();
  await world.clock.advance(20_000);
  const [first] = world.drivers as [RingDriver];
  await world.settle(first.put({ ...NAME, value: utf8("1") }, signal));
  await world.clock.advance(1000);
  world.stored.length = 0;
  first.close();
  const loaded = { rows: [], peers: [], values: new Map<string, Uint8Array>(), wasDamaged: false };
  for (const { name, value } of world.stored.at(-1)!.values) loaded.values.set(name, value);
  const { reservedHlc } = imageOf(loaded, world.now(), true);
  assert(msOfHlc(reservedHlc) <= world.now());
  assert(msOfHlc(reservedHlc) >= world.now() - 5000);
});
