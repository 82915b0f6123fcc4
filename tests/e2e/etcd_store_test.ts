import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { test } from "../check.ts";
import { type Etcd, hasEtcd, startEtcd } from "../etcd.ts";
import { selfSignedLeaf } from "../suite/certificates.ts";
import { named, refuses, storeSuite, take } from "../suite/mesh_store.ts";
import { EtcdStore } from "../../src/app/mesh/store/etcd_store.ts";
import type { MeshStore } from "../../src/contract/mesh_store.ts";
import { EtcdGateway, type EtcdOptions } from "../../src/io/mesh/etcd_gateway.ts";
import { DenoClock } from "../../src/io/reactor/deno_clock.ts";

const rng = (length: number) => crypto.getRandomValues(new Uint8Array(length));
const { signal } = new AbortController();
const bytes = (text: string) => new TextEncoder().encode(text);

function storeOf(etcd: Pick<Etcd, "endpoints">, o: Partial<EtcdOptions> = {}, prefix = "ttun/") {
  const gateway = new EtcdGateway({ endpoints: etcd.endpoints, ...o });
  return new EtcdStore(gateway, { clock: new DenoClock(), rng, prefix });
}

/** One etcd for all tests of the suite, each with keys of its own. */
let shared: Promise<Etcd> | null = null;
let users = 0;

storeSuite(
  "etcd",
  async () => {
    const etcd = await (shared ??= startEtcd());
    const store = storeOf(etcd, {}, `test${users++}/`);
    return {
      store,
      shortestTtl: 2_000,
      pass: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
      [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
    };
  },
  // The one etcd outlives each test, so that nothing of it can be counted.
  (name, fn) =>
    Deno.test({ name, ignore: !hasEtcd, fn, sanitizeOps: false, sanitizeResources: false }),
);

Deno.test({
  name: "etcd store: the suite's etcd ends",
  ignore: !hasEtcd,
  sanitizeResources: false,
  sanitizeOps: false,
  fn: async () => await (await shared)?.[Symbol.asyncDispose](),
});

function etcdTest(name: string, fn: () => Promise<void>): void {
  test({ name: `etcd store: ${name}`, ignore: !hasEtcd, fn });
}

/** Calls etcd itself, beside the store. */
async function direct(etcd: Etcd, path: string, body: unknown, token?: string): Promise<unknown> {
  const response = await fetch(`${etcd.endpoints[0]}${path}`, {
    method: "POST",
    body: JSON.stringify(body),
    headers: token === undefined ? {} : { authorization: token },
  });
  return await response.json();
}

etcdTest("keys of others are neither seen nor touched", async () => {
  await using etcd = await startEtcd();
  await using ours = storeOf(etcd);
  await using others = storeOf(etcd, {}, "ttun2/");
  await others.put("name/a", bytes("theirs"), { signal });
  await ours.put("name/a", bytes("ours"), { signal, requestId: "r" });
  const { entries } = await others.list("", { signal, limit: 10 });
  deepEqual(entries.map(({ key }) => key), ["name/a"]);
  ok((await ours.delete("name/a", { signal })).ok);
  equal((await others.get("name/a", { signal }))?.value.length, 6);
});

etcdTest("keys that are put with the same time to live share a lease", async () => {
  await using etcd = await startEtcd();
  await using store = storeOf(etcd);
  await Promise.all(
    Array.from(
      { length: 50 },
      (_, i) => store.put(`route/h/${i}`, bytes("1"), { signal, ttlMs: 90_000 }),
    ),
  );
  const { leases } = await direct(etcd, "/v3/lease/leases", {}) as { leases: unknown[] };
  equal(leases.length, 1);
});

etcdTest("a watch whose changes are compacted says to list again, and goes on", async () => {
  await using etcd = await startEtcd();
  await using store = storeOf(etcd);
  const first = await store.put("name/a", bytes("1"), { signal });
  for (let i = 0; i < 3; i++) await store.put("name/a", bytes("2"), { signal });
  const last = await store.put("name/a", bytes("3"), { signal });
  ok(first.ok && last.ok);
  await direct(etcd, "/v3/kv/compaction", { revision: last.version, physical: true });
  const seen = take(store.watch("name/", { signal, from: first.version }), 2);
  let isDone = false;
  const writing = (async () => {
    while (!isDone) {
      await store.put("name/b", bytes("1"), { signal });
      await new Promise((wake) => setTimeout(wake, 50));
    }
  })();
  const changes = await seen;
  isDone = true;
  await writing;
  deepEqual(named(changes), ["reset", "put name/b"]);
});

etcdTest(
  "with a login and a token that etcd has forgotten; a wrong password is denied",
  async () => {
    await using etcd = await startEtcd();
    await direct(etcd, "/v3/auth/user/add", { name: "root", password: "rp" });
    await direct(etcd, "/v3/auth/role/add", { name: "root" });
    await direct(etcd, "/v3/auth/user/grant", { user: "root", role: "root" });
    await direct(etcd, "/v3/auth/user/add", { name: "u", password: "up" });
    await direct(etcd, "/v3/auth/role/add", { name: "r" });
    const range = { key: btoa("ttun/"), range_end: btoa("ttun0"), permType: "READWRITE" };
    await direct(etcd, "/v3/auth/role/grant", { name: "r", perm: range });
    await direct(etcd, "/v3/auth/user/grant", { user: "u", role: "r" });
    await direct(etcd, "/v3/auth/enable", {});
    await using store = storeOf(etcd, { login: { name: "u", password: "up" } });
    await store.put("name/a", bytes("1"), { signal });
    // A change of the users makes every token void.
    const { token } = await direct(etcd, "/v3/auth/authenticate", {
      name: "root",
      password: "rp",
    }) as { token: string };
    await direct(etcd, "/v3/auth/user/changepw", { name: "u", password: "new" }, token);
    await direct(etcd, "/v3/auth/user/changepw", { name: "u", password: "up" }, token);
    equal((await store.get("name/a", { signal }))?.value.length, 1);
    const { cursor } = await store.list("name/", { signal, limit: 1 });
    const seen = take(store.watch("name/", { signal, from: cursor! }), 1);
    await store.put("name/b", bytes("1"), { signal });
    deepEqual(named(await seen), ["put name/b"]);
    await using elsewhere = storeOf(etcd, { login: { name: "u", password: "up" } }, "other/");
    await refuses("denied", elsewhere.put("name/a", bytes("1"), { signal }));
    await using wrong = storeOf(etcd, { login: { name: "u", password: "x" } });
    await refuses("denied", wrong.get("name/a", { signal }));
    await using nobody = storeOf(etcd);
    await rejects(nobody.get("name/a", { signal }));
  },
);

etcdTest("of three members one may die: another one answers, and watches go on", async () => {
  await using etcd = await startEtcd({ members: 3 });
  await using store = storeOf(etcd, { answerMs: 2_000 });
  const put = (key: string) =>
    eventually(() => store.put(key, bytes("1"), { signal, requestId: key }));
  await put("name/a");
  const { cursor } = await eventually(() => store.list("name/", { signal, limit: 1 }));
  const seen = take(store.watch("name/", { signal, from: cursor! }), 2);
  await put("name/b");
  await etcd.kill(0);
  await put("name/c");
  deepEqual(named(await seen), ["put name/b", "put name/c"]);
  await eventually(async () => equal((await store.health()).copies, 3));
  await etcd.kill(1);
  await refuses("unavailable", store.put("name/d", bytes("1"), { signal }));
  equal((await store.health()).core, "degraded");
});

/** A new leader is elected within seconds, on a loaded machine later. */
async function eventually<T>(call: () => Promise<T>): Promise<T> {
  for (let tries = 0;; tries++) {
    try {
      return await call();
    } catch (error) {
      if (tries === 30) throw error;
      await new Promise((wake) => setTimeout(wake, 200));
    }
  }
}

etcdTest("over TLS with a CA of one's own, and not without it", async () => {
  using certificate = selfSignedLeaf("IP:127.0.0.1");
  await using etcd = await startEtcd({ tls: certificate });
  const ca = await Deno.readTextFile(certificate.cert);
  await using store: MeshStore = storeOf(etcd, { ca });
  await store.put("name/a", bytes("1"), { signal });
  await using without = storeOf(etcd);
  await refuses("unavailable", without.put("name/a", bytes("1"), { signal }));
});

etcdTest("what is no etcd, and a port where nobody listens, are told as such", async () => {
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    () => new Response("Hello"),
  );
  try {
    await using store = storeOf({ endpoints: [`http://127.0.0.1:${server.addr.port}`] });
    await refuses("unavailable", store.get("name/a", { signal }));
  } finally {
    await server.shutdown();
  }
  await using none = storeOf({ endpoints: [`http://127.0.0.1:${server.addr.port}`] });
  await rejects(none.put("name/a", bytes("1"), { signal }), /outcome|member/);
});
