import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { seededRng } from "../../../tests/fake/rng.ts";
import type { NamedKey } from "../../base/named_key.ts";
import { clientHello } from "../../core/link/v2/hello.ts";
import { StrangerBudget, type StrangerBudgetOptions } from "./stranger_budget.ts";
import { KeyRing, type KeyRingOptions } from "./key_ring.ts";

const NOW = 1_790_000_000_000;
const secret = (i: number) => seededRng(i + 1)(32);
const helloOf = (s: Uint8Array) => clientHello(s, seededRng(99)(8), 0, NOW);

const named = (name: string, password: number): NamedKey => ({
  name,
  password: Uint8Array.of(password),
});

/** A ring of keys whose secrets the test hands out. */
function slowRing(
  count: number,
  o: Partial<StrangerBudgetOptions> & Pick<KeyRingOptions, "onUsed"> = {},
) {
  const keys = Array.from({ length: count }, (_, i) => named(`key ${i}`, i));
  const { clock = new FakeClock(), preciseNow = () => 0, onUsed = () => {} } = o;
  const budget = new StrangerBudget({ clock, preciseNow });
  const ring = new KeyRing(keys, { clock, budget, onUsed });
  const ready = Array.from({ length: count }, () => Promise.withResolvers<Uint8Array>());
  const begun: number[] = [];
  const done = ring.run(({ password: [key] }) => {
    begun.push(key!);
    return ready[key!]!.promise;
  });
  return { ring, budget, keys, ready, begun, done };
}

Deno.test("a hello's key is found as soon as its secret is ready, and none when all are", async () => {
  const { ring, ready, done } = slowRing(3);
  const ours = ring.search(helloOf(secret(1)), "host");
  const stranger = ring.search(helloOf(secret(7)), "host");
  assert.equal(ours.find(NOW), undefined);
  for (const key of [0, 1, 2]) {
    const changed = ring.changed();
    ready[key]!.resolve(secret(key));
    await changed;
    if (key === 0) assert.equal(ours.find(NOW), undefined);
    if (key < 2) assert.equal(stranger.find(NOW), undefined);
  }
  await done;
  const found = ours.find(NOW);
  assert.deepEqual([found?.name, found?.s], ["key 1", secret(1)]);
  assert.equal(stranger.find(NOW), null);
});

Deno.test("secrets are worked out two at a time, in the order of the keys", async () => {
  const { ring, ready, begun, done } = slowRing(4);
  assert.deepEqual(begun, [0, 1]);
  for (const [key, then] of [[1, [0, 1, 2]], [2, [0, 1, 2, 3]], [0, [0, 1, 2, 3]]] as const) {
    const changed = ring.changed();
    ready[key]!.resolve(secret(key));
    await changed;
    assert.deepEqual(begun, then);
  }
  ready[3]!.resolve(secret(3));
  await done;
});

Deno.test("each key is tried once for a hello", async () => {
  const { ring, ready, done } = slowRing(2);
  const search = ring.search(helloOf(secret(5)), "host");
  const first = secret(0);
  ready[0]!.resolve(first);
  await ring.changed();
  assert.equal(search.find(NOW), undefined);
  first.set(secret(5)); // would be found if it were tried again
  assert.equal(search.find(NOW), undefined);
  ready[1]!.resolve(secret(1));
  await done;
  assert.equal(search.find(NOW), null);
});

Deno.test("nobody waits for secrets that will not be worked out", async () => {
  const { ring, ready, done } = slowRing(3);
  const search = ring.search(helloOf(secret(2)), "host");
  assert.equal(search.find(NOW), undefined);
  const changed = ring.changed();
  ready[0]!.reject(new Error("no memory"));
  await assert.rejects(done, /no memory/);
  await changed;
  assert.equal(search.find(NOW), null);
});

Deno.test("keys that are replaced are found no more, their clients hear of it, others stay", async () => {
  const { ring, keys, ready, done } = slowRing(3);
  for (const [key, { resolve }] of ready.entries()) resolve(secret(key));
  await done;
  const find = (key: number) => ring.search(helloOf(secret(key)), "host").find(NOW);
  const before = [0, 1, 2].map((key) => find(key)!);
  // The first stays, the second's password is another one, the third is gone, and there is a new one.
  ring.replace([named("new", 5), keys[0]!, named("key 1", 4)]);
  assert.deepEqual(before.map(({ revoked }) => revoked.aborted), [false, true, true]);
  assert.match(`${before[2]!.revoked.reason}`, /The key of key 2 has been taken back/);
  await ring.run(({ password: [key] }) => Promise.resolve(secret(key!)));
  assert.deepEqual([0, 1, 2, 4, 5].map((key) => find(key)?.name), [
    ...["key 0", undefined, undefined, "key 1", "new"],
  ]);
});

Deno.test("a secret that is ready after its key is gone is not used", async () => {
  const { ring, keys, ready, done } = slowRing(2);
  ready[0]!.resolve(secret(0));
  await ring.changed();
  const search = ring.search(helloOf(secret(1)), "host");
  assert.equal(search.find(NOW), undefined);
  ring.replace([keys[0]!]);
  ready[1]!.resolve(secret(1));
  await done;
  assert.equal(search.find(NOW), null);
});

Deno.test("a hello is tried with the keys used last first, and a use is told once a minute", async () => {
  const clock = new FakeClock();
  const used: string[] = [];
  const { ring, ready, done } = slowRing(20, { clock, onUsed: ({ name }) => void used.push(name) });
  for (const [key, { resolve }] of ready.entries()) resolve(secret(key));
  await done;
  const find = (key: number) => {
    const found = ring.search(helloOf(secret(key)), "host").find(NOW);
    found?.use();
    return found?.name;
  };
  for (const key of [19, 7, 19]) assert.equal(find(key), `key ${key}`);
  assert.deepEqual(used, ["key 19", "key 7"]);
  await clock.advance(60_000);
  find(19);
  assert.deepEqual(used, ["key 19", "key 7", "key 19"]);
});

Deno.test("strangers wait for their turn, in order; clients of keys used last do not", async () => {
  const clock = new FakeClock();
  let spent = 0;
  const preciseNow = () => spent += 10;
  const { ring, budget, ready, done } = slowRing(20, { clock, preciseNow });
  for (const [key, { resolve }] of ready.entries()) resolve(secret(key));
  await done;
  const search = (key: number) => ring.search(helloOf(secret(key)), "host");
  const client = search(19).find(NOW);
  client?.use();
  assert.equal(client?.name, "key 19");
  let strangers = 0;
  for (; search(77).find(NOW) === null; strangers++) assert.ok(strangers < 20);
  assert.ok(strangers >= 1);
  assert.equal(search(19).find(NOW)?.name, "key 19", "it has used the server before");
  using first = search(18);
  const gone = search(77);
  using last = search(77);
  for (const one of [first, gone, last]) assert.equal(one.find(NOW), undefined);
  gone[Symbol.dispose]();
  const turns: string[] = [];
  const follow = async (name: string, one: typeof first) => {
    await one.changed();
    turns.push(`${name} ${one.find(NOW)?.name}`);
  };
  const both = [follow("first", first), follow("last", last)];
  for (let i = 0; turns.length < 2 && i < 1000; i++) {
    await clock.advance(10);
  }
  await Promise.all(both);
  assert.deepEqual(turns, ["first key 18", "last undefined"]);
  budget[Symbol.dispose]();
});

Deno.test("when strangers have cost enough, a hello is tried at once with the key used last alone", async () => {
  const clock = new FakeClock();
  let spent = 0;
  const { ring, budget, ready, done } = slowRing(3, { clock, preciseNow: () => spent += 15 });
  for (const [key, { resolve }] of ready.entries()) resolve(secret(key));
  await done;
  const search = (key: number, group = "host") => ring.search(helloOf(secret(key)), group);
  for (const key of [1, 2]) search(key).find(NOW)?.use();
  for (let i = 0; i < 2; i++) assert.equal(search(77).find(NOW), null);
  assert.equal(search(77).find(NOW), undefined);
  assert.equal(search(1).find(NOW), undefined);
  assert.equal(search(2).find(NOW)?.name, "key 2");
  budget[Symbol.dispose]();
});

Deno.test("a hello that is replayed costs as a stranger's, and its key is none used last", async () => {
  const clock = new FakeClock();
  let spent = 0;
  const used: string[] = [];
  const onUsed = ({ name }: NamedKey) => void used.push(name);
  const { ring, budget, ready, done } = slowRing(9, {
    ...{ clock, onUsed, preciseNow: () => spent += 10 },
  });
  for (const [key, { resolve }] of ready.entries()) resolve(secret(key));
  await done;
  const find = () => ring.search(helloOf(secret(8)), "host").find(NOW);
  for (let i = 0; i < 3; i++) assert.equal(find()?.name, "key 8");
  assert.equal(find(), undefined);
  assert.deepEqual(used, []);
  budget[Symbol.dispose]();
});

Deno.test("however many hellos an address sends, a client of any key gets in from another one", async () => {
  const clock = new FakeClock();
  let spent = 0;
  const { ring, budget, ready, done } = slowRing(64, { clock, preciseNow: () => spent += 0.5 });
  for (const [key, { resolve }] of ready.entries()) resolve(secret(key));
  await done;
  const flood: Disposable[] = [];
  const come = () => {
    const search = ring.search(helloOf(secret(777)), "flood");
    flood.push(search);
    const look = (): unknown => search.find(NOW) === undefined && search.changed().then(look);
    look();
    if (flood.length > 512) flood.shift()![Symbol.dispose]();
  };
  for (let ms = 0; ms < 300; ms += 10) {
    for (let i = 0; i < 30; i++) come();
    await clock.advance(10);
  }
  using client = ring.search(helloOf(secret(63)), "elsewhere");
  assert.equal(client.find(NOW), undefined);
  let name: string | undefined;
  const looking = client.changed().then(() => name = client.find(NOW)?.name);
  for (let ms = 0; ms < 100; ms += 10) {
    for (let i = 0; i < 30; i++) come();
    await clock.advance(10);
  }
  await looking;
  assert.equal(name, "key 63");
  budget[Symbol.dispose]();
});

Deno.test("however often keys are replaced, two secrets are worked out at a time", async () => {
  const { ring, keys, begun, ready, done } = slowRing(10);
  const later: number[] = [];
  const secretOf = ({ password: [key] }: NamedKey) => {
    later.push(key!);
    return Promise.resolve(secret(key!));
  };
  const more: Promise<void>[] = [];
  for (let count = 4; count <= 10; count++) {
    ring.replace(keys.slice(0, count));
    more.push(ring.run(secretOf));
  }
  assert.deepEqual([begun, later], [[0, 1], []]);
  for (const [key, { resolve }] of ready.entries()) resolve(secret(key));
  await Promise.all([done, ...more]);
  assert.deepEqual([...begun, ...later], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});
