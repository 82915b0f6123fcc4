import { deepEqual, equal, ok } from "node:assert/strict";
import { RingWorld } from "../../../../tests/fake/ring_world.ts";
import { seededRng } from "../../../../tests/fake/rng.ts";
import { named, refuses, storeSuite, take } from "../../../../tests/suite/mesh_store.ts";
import type { MeshStore } from "../../../contract/mesh_store.ts";
import { emptyCore } from "../../../core/mesh/core/core_state.ts";
import type { RingDriver } from "../ring/ring_driver.ts";
import { CoreDriver } from "./core_driver.ts";
import { CorePlace } from "./core_place.ts";
import { CoreServer } from "./core_server.ts";
import { nodeStore } from "./node_store.ts";
import { RemoteCore } from "./remote_core.ts";

const { signal } = new AbortController();
const bytes = (text: string) => new TextEncoder().encode(text);
const text = (value: Uint8Array | undefined) => value && new TextDecoder().decode(value);

/** Milliseconds that pass between two looks at what is to be done. */
const STEP_MS = 2;

/** Three nodes, whose first one has the core. Time passes by itself while the world is open. */
class StoreWorld implements AsyncDisposable {
  readonly ring = new RingWorld();
  readonly core: CoreDriver;
  readonly #running: Promise<void>;
  readonly #offsets: readonly number[];
  #isOver = false;

  /** `offsets`: milliseconds by which the nodes' clocks are ahead. */
  constructor(offsets: readonly number[] = [0, 0, 0]) {
    this.#offsets = offsets;
    const { clock } = this.ring;
    this.core = new CoreDriver(emptyCore(), { disk: null, clock });
    const server = new CoreServer(this.core, {
      epoch: 1,
      refusal: () => null,
      onNewer: () => true,
    });
    const seeds = ["192.0.2.1:20204"];
    const [first, ...others] = offsets;
    const answer = (from: string, body: Uint8Array) => server.answer(from, body, signal);
    this.ring.add({ core: answer, offsetMs: first! });
    for (const offsetMs of others) this.ring.add({ seeds, offsetMs });
    this.#running = this.#run();
  }

  /** The store of a node, 0 to 2. */
  store(index: number): MeshStore {
    const ring = this.ring.drivers[index]!;
    const { clock } = this.ring;
    const now = () => this.ring.now() + this.#offsets[index]!;
    const rng = seededRng(index + 1);
    const place = new CorePlace({
      place: null,
      save: () => {},
      candidates: () => coreNodes(ring),
      ask: (node, body, signal) => ring.askCore(node, body, signal),
      clock,
    });
    return nodeStore({
      ring,
      host: `host-${index + 1}`,
      core: index === 0 ? this.core : new RemoteCore(place, { clock, rng }),
      isCoreWell: () => true,
      clock,
      now,
      rng,
    });
  }

  async pass(ms: number): Promise<void> {
    const until = this.ring.clock.now() + ms;
    while (this.ring.clock.now() < until) await new Promise((resolve) => setTimeout(resolve, 0));
  }

  async #run(): Promise<void> {
    await this.ring.clock.advance(20_000);
    while (!this.#isOver) await this.ring.clock.advance(STEP_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await this.#running;
    this.ring[Symbol.dispose]();
    await this.core[Symbol.asyncDispose]();
  }
}

function coreNodes(ring: RingDriver): string[] {
  return ring.node.status().peers
    .filter(({ descriptor }) => descriptor.roles.includes("core"))
    .map(({ key }) => key);
}

storeSuite("mesh", async () => {
  const world = new StoreWorld();
  await world.pass(20_000);
  const store = world.store(2);
  return {
    store,
    shortestTtl: 2_000,
    pass: (ms) => world.pass(ms),
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await world[Symbol.asyncDispose]();
    },
  };
});

Deno.test("mesh store: keys of the ring are at every node, and vanish at every node", async () => {
  await using world = new StoreWorld();
  await world.pass(20_000);
  await using first = world.store(0);
  await using third = world.store(2);
  const put = await first.put("kv/app/a", bytes("1"), { signal });
  ok(put.ok);
  const entry = await third.get("kv/app/a", { signal });
  deepEqual([entry?.key, text(entry?.value), entry?.version], ["kv/app/a", "1", put.version]);
  const later = await third.put("kv/app/a", bytes("2"), { signal });
  ok(later.ok && later.version !== put.version);
  equal(text((await first.get("kv/app/a", { signal, stale: true }))?.value), "2");
  ok((await third.delete("kv/app/a", { signal })).ok);
  equal(await first.get("kv/app/a", { signal }), null);
  equal(await first.get("kv/app/none", { signal }), null);
});

Deno.test("mesh store: the ring takes no conditions and no sessions, and says so", async () => {
  await using world = new StoreWorld();
  await world.pass(20_000);
  await using store = world.store(1);
  deepEqual(store.capabilities("kv/app/a"), { cas: false, watch: "hint", maxValue: 65_536 });
  equal(store.capabilities("name/a").cas, true);
  await refuses("unsupported", store.put("kv/a/b", bytes("1"), { signal, if: "absent" }));
  await refuses("unsupported", store.delete("kv/a/b", { signal, if: "1" }));
  const session = await store.session(10_000, { signal });
  await refuses("unsupported", store.put("route/a/b", bytes("1"), { signal, session }));
  for (const prefix of ["kv/", "kv", "kv/app", "route/h"]) {
    await refuses("unsupported", store.list(prefix, { signal, limit: 1 }));
    await refuses("unsupported", take(store.watch(prefix, { signal }), 1));
  }
  for (const key of ["kv", "kv//a", "kv/a b", "kv/" + "x".repeat(300)]) {
    await refuses("limit", store.put(key, bytes("1"), { signal }));
  }
  await refuses("limit", store.put("kv/a/b", new Uint8Array(65_537), { signal }));
  await refuses("limit", store.put("route/a/b", bytes("1"), { signal, ttlMs: 1_000 }));
  await store.put("route/a/b", bytes("1"), { signal });
  const left = (await store.get("route/a/b", { signal }))?.expiresInMs ?? 0;
  ok(left > 80_000 && left <= 90_000, String(left));
});

Deno.test("mesh store: pages of a bucket have all of its keys, in order", async () => {
  await using world = new StoreWorld();
  await world.pass(20_000);
  await using store = world.store(1);
  const keys = Array.from({ length: 23 }, (_, i) => `kv/app/p${String(i).padStart(2, "0")}`);
  for (const key of ["kv/app", "kv/apple/x", "kv/app/other", ...keys]) {
    await store.put(key, bytes(key), { signal });
  }
  await store.delete(keys[7]!, { signal });
  const found: string[] = [];
  let after: string | undefined;
  do {
    const page = await store.list("kv/app/p", { signal, limit: 5, ...after && { after } });
    found.push(...page.entries.map(({ key }) => key));
    after = page.next;
  } while (after !== undefined);
  deepEqual(found, keys.toSpliced(7, 1));
  const all = await store.list("kv/app/", { signal, limit: 100 });
  equal(all.entries.length, 23);
});

Deno.test("mesh store: a watch of a bucket tells what comes, goes and vanishes", async () => {
  await using world = new StoreWorld();
  await world.pass(20_000);
  await using first = world.store(0);
  await using third = world.store(2);
  const seen = take(third.watch("route/h/", { signal, from: "1" }), 5);
  await world.pass(1_000);
  await first.put("route/h/a", bytes("1"), { signal, ttlMs: 90_000 });
  await first.put("route/h/b", bytes("1"), { signal, ttlMs: 5_000 });
  await first.put("route/other/c", bytes("1"), { signal, ttlMs: 5_000 });
  await world.pass(500);
  await first.delete("route/h/a", { signal });
  await world.pass(6_000);
  equal(await first.get("route/h/b", { signal }), null);
  deepEqual(named(await seen), [
    "reset",
    "put route/h/a",
    "put route/h/b",
    "delete route/h/a",
    "delete route/h/b",
  ]);
});

Deno.test("mesh store: a write that is repeated with its id does not undo a later one", async () => {
  await using world = new StoreWorld();
  await world.pass(20_000);
  await using store = world.store(1);
  const once = { signal, requestId: "one" };
  const put = await store.put("kv/app/a", bytes("1"), once);
  await store.put("kv/app/a", bytes("2"), { signal });
  deepEqual(await store.put("kv/app/a", bytes("1"), once), put);
  equal(text((await store.get("kv/app/a", { signal }))?.value), "2");
});

Deno.test("mesh store: without the core the ring goes on; health says what there is", async () => {
  await using world = new StoreWorld();
  await world.pass(20_000);
  await using store = world.store(2);
  await store.put("name/a", bytes("1"), { signal });
  deepEqual(await store.health(), { ring: "stable", core: "ok", copies: 3 });
  world.ring.kill(world.ring.drivers[0]!);
  await refuses("unavailable", store.get("name/a", { signal }));
  ok((await store.put("kv/app/a", bytes("1"), { signal })).ok);
  await world.pass(20_000);
  deepEqual(await store.health(), { ring: "stable", core: "ok", copies: 2 });
});

Deno.test("mesh store: a node with a wrong clock tells how long an entry lives by the clock of the others", async () => {
  await using world = new StoreWorld([0, 0, -3600_000]);
  await world.pass(20_000);
  await using right = world.store(0);
  await using wrong = world.store(2);
  await right.put("route/h/a", bytes("1"), { signal, ttlMs: 30_000 });
  await world.pass(1000);
  const { expiresInMs } = (await wrong.get("route/h/a", { signal }))!;
  ok(expiresInMs! > 25_000 && expiresInMs! <= 30_000, `${expiresInMs} ms`);
});
