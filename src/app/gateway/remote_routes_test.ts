import assert from "node:assert/strict";
import { SERVICE_KINDS } from "../../core/gateway/service_kinds.ts";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { onAbort } from "../../base/scope.ts";
import type { Entry, MeshStore, WatchedChange } from "../../contract/mesh_store.ts";
import { encodeRoute, ROUTE_MS, routeKey, signRoute } from "../../core/gateway/route.ts";
import { issueAgentCertificate } from "../../core/mesh/admission/agent_certificate.ts";
import { ed25519Signer, verifyEd25519 } from "../../io/crypto/ed25519.ts";
import { RemoteRoutes } from "./remote_routes.ts";

const NOW = Date.UTC(2026, 5, 1);
const signer = (byte: number) => ed25519Signer(new Uint8Array(32).fill(byte));
const [AUTHORITY, AGENT] = [signer(1), signer(2)];
const [SELF, A, B] = ["00", "aa", "bb"].map((byte) => byte.repeat(32)) as [string, string, string];

function routeTo(
  node: string,
  expires = NOW + ROUTE_MS,
  isPassthrough = false,
  name = "shop",
): Entry {
  const o = { authority: AUTHORITY, serial: new Uint8Array([1]), nowMs: NOW };
  const names = { publicKey: AGENT.publicKey, names: ["*"], quota: 9, kinds: SERVICE_KINDS };
  const place = { name, apex: "mesh.test", node };
  const value = encodeRoute({
    certificate: issueAgentCertificate(names, o),
    expires,
    signature: signRoute(AGENT, place, { expires, isPassthrough }),
    isPassthrough,
  });
  return { key: routeKey(place), value, version: "1" };
}

class World {
  readonly clock = new FakeClock();
  readonly dead = new Set<string>();
  readonly deleted: string[] = [];
  readonly stop = new AbortController();
  entries: Entry[] = [];
  isAway = false;
  /** The name is marked as one whose TLS is its agent's to end. */
  isMarked = false;
  /** Questions to the ring. */
  lists = 0;
  watches = 0;
  tell: (change: WatchedChange) => void = () => {};

  readonly routes = new RemoteRoutes({
    store: {
      list: (prefix: string) => {
        this.lists++;
        if (this.isAway) return Promise.reject(new Error("The ring is away"));
        return Promise.resolve({
          entries: this.entries.filter(({ key }) => key.startsWith(prefix)),
        });
      },
      get: () => Promise.resolve(this.isMarked ? this.entries : null),
      watch: (_: string, { signal }: { signal: AbortSignal }) => this.#watch(signal),
      delete: (key: string) => {
        this.deleted.push(key);
        return Promise.resolve({ ok: true, version: "" });
      },
    } as unknown as MeshStore,
    clock: this.clock,
    now: () => NOW + this.clock.now(),
    apex: "mesh.test",
    self: SELF,
    trust: () => ({
      authorities: [AUTHORITY.publicKey],
      verify: verifyEd25519,
      isRevoked: () => false,
    }),
    isDead: (node) => this.dead.has(node),
    signal: this.stop.signal,
  });

  async *#watch(signal: AbortSignal): AsyncGenerator<WatchedChange> {
    this.watches++;
    const changes: WatchedChange[] = [];
    let wake = () => {};
    this.tell = (change) => {
      changes.push(change);
      wake();
    };
    using _aborts = onAbort(signal, () => wake());
    while (!signal.aborted) {
      const next = changes.shift();
      if (next !== undefined) yield next;
      else await new Promise<void>((resolve) => wake = resolve);
    }
  }

  find(from = "192.0.2.1", name = "shop") {
    return this.routes.find(name, from);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop.abort();
    await this.clock.settle();
  }
}

Deno.test("nodes of a name are remembered, and changes are told", async () => {
  await using world = new World();
  world.entries = [routeTo(A), routeTo(SELF), {
    key: routeKey({ name: "shop", node: B }),
    value: new Uint8Array(),
    version: "1",
  }];
  assert.deepEqual(await world.find(), [A]);
  assert.deepEqual(await world.find(), [A]);
  assert.equal(world.lists, 1);
  assert.equal(world.watches, 1);
  world.tell({ kind: "put", entry: routeTo(B) });
  await world.clock.settle();
  assert.deepEqual((await world.find())!.sort(), [A, B]);
  world.tell({ kind: "delete", key: routeKey({ name: "shop", node: A }) });
  await world.clock.settle();
  assert.deepEqual(await world.find(), [B]);
  assert.equal(world.lists, 1);
});

Deno.test("a node that failed comes last, and a dead one is forgotten for all", async () => {
  await using world = new World();
  world.entries = [routeTo(A), routeTo(B)];
  await world.find();
  world.routes.demote(A);
  assert.deepEqual(await world.find(), [B, A]);
  assert.deepEqual(await world.find(), [B, A]);
  world.routes.answered(A);
  world.dead.add(B);
  assert.deepEqual(await world.find(), [A]);
  world.routes.failed("shop", B);
  assert.deepEqual(world.deleted, [routeKey({ name: "shop", node: B })]);
  world.routes.failed("shop", A);
  world.entries = [];
  assert.deepEqual(await world.find(), []);
  assert.equal(world.routes.wasThere("shop"), true);
  assert.equal(world.deleted.length, 1);
  await world.clock.advance(20_000);
  assert.deepEqual(await world.find(), []);
  assert.equal(world.routes.wasThere("shop"), false);
});

Deno.test("routes hold while a node refuses, and the ring is asked once a second at most", async () => {
  await using world = new World();
  world.entries = [routeTo(A)];
  await world.find();
  for (let i = 0; i < 10; i++) {
    world.routes.refused("shop");
    assert.deepEqual(await world.find(), [A]);
  }
  assert.equal(world.lists, 1);
  await world.clock.advance(1000);
  world.entries = [routeTo(B)];
  assert.deepEqual(await world.find(), [A]);
  await world.clock.settle();
  assert.equal(world.lists, 2);
  assert.deepEqual(await world.find(), [B]);
});

Deno.test("no node ends TLS for a name that is passed through, also while its agent is off", async () => {
  await using world = new World();
  const mayEnd = async () => {
    await world.clock.advance(1000); // it is looked up again
    await world.find();
    return world.routes.mayEndTls("shop");
  };
  assert.equal(await mayEnd(), true);
  world.isMarked = true;
  assert.equal(await mayEnd(), false);
  assert(world.routes.isPassthrough("shop"));
  world.isMarked = false;
  world.isAway = true;
  assert.equal(await mayEnd(), false); // nobody knows
  assert(!world.routes.isPassthrough("shop"));
  world.isAway = false;
  world.entries = [routeTo(A, NOW + ROUTE_MS, true)];
  assert.equal(await mayEnd(), false);
  world.entries = [routeTo(B)];
  await world.clock.advance(31_000);
  await world.find();
  await world.clock.settle();
  assert.equal(await mayEnd(), true);
});

Deno.test("an address that asks for many names that are not there gets no more looked up", async () => {
  await using world = new World();
  let refused = 0;
  for (let i = 0; i < 100; i++) {
    if (await world.find("192.0.2.9", `none-${i}`) === null) refused++;
  }
  assert.equal(world.lists, 40);
  assert.equal(refused, 60);
  assert.deepEqual(await world.find("192.0.2.9", "none-0"), []); // known not to be there
  assert.equal(world.lists, 40);
  world.entries = [routeTo(A)];
  assert.deepEqual(await world.find("192.0.2.1"), [A]);
  assert.deepEqual(await world.find("192.0.2.9"), [A]); // known by now, for all
  await world.clock.advance(1000);
  assert.deepEqual(await world.find("192.0.2.9", "none-7"), []);
});

Deno.test("with more names in use than are watched no watch is given up for another", async () => {
  await using world = new World();
  const names = Array.from({ length: 260 }, (_, i) => `shop-${i}`);
  world.entries = names.map((name) => routeTo(A, NOW + ROUTE_MS, false, name));
  const use = async (names: readonly string[]) => {
    for (const [i, name] of names.entries()) {
      assert.deepEqual(await world.find(`192.0.2.${i % 250}`, name), [A]);
    }
  };
  await use(names); // known now
  for (let round = 0; round < 3; round++) await use(names);
  assert.equal(world.watches, 256);
  await world.clock.advance(6000);
  // The oldest watch is given up for another name, and begun anew at once.
  const both = [world.find("192.0.2.1", names[256]), world.find("192.0.2.1", names[0])];
  await Promise.all(both);
  await world.clock.settle();
  await use([names[256]!, names[0]!]);
  assert.equal(world.watches, 258);
  await use(names.slice(257));
  assert.equal(world.watches, 261);
});

Deno.test("a name that is in use is looked up again while what is known still counts", async () => {
  await using world = new World();
  world.entries = [routeTo(A)];
  await world.find();
  await world.clock.advance(40_000);
  world.entries = [routeTo(B, NOW + 40_000 + ROUTE_MS)];
  assert.deepEqual(await world.find(), [A]);
  await world.clock.settle();
  assert.deepEqual(await world.find(), [B]);
});
