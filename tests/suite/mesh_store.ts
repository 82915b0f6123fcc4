/** Tests of the `MeshStore` contract that every implementation runs. */
import { deepEqual, equal, notEqual, ok, rejects } from "node:assert/strict";
import type { Change, MeshStore, WatchedChange } from "../../src/contract/mesh_store.ts";
import { MeshError, type MeshReason } from "../../src/contract/mesh_store.ts";

export interface OpenedStore extends AsyncDisposable {
  readonly store: MeshStore;
  /** Lets time pass, in the store too. */
  pass(ms: number): Promise<void>;
  /** The shortest time that the store keeps to, in milliseconds: etcd counts whole seconds. */
  readonly shortestTtl: number;
}

/** How a test is defined: `test` of tests/check.ts where descriptors can be compared. */
export type Define = (name: string, fn: () => Promise<void>) => void;

type Case = (o: OpenedStore & { signal: AbortSignal }) => Promise<void>;

/** All keys of a test begin with "name/" or "lease/", whose store has everything. */
export function storeSuite(
  label: string,
  open: () => Promise<OpenedStore>,
  define: Define = Deno.test,
): void {
  const test = (title: string, run: Case) =>
    define(`${label} store: ${title}`, async () => {
      const end = new AbortController();
      try {
        await using opened = await open();
        const { store, shortestTtl } = opened;
        await run({
          store,
          shortestTtl,
          pass: (ms) => opened.pass(ms),
          signal: end.signal,
          [Symbol.asyncDispose]: () => Promise.resolve(),
        });
      } finally {
        end.abort(new Error("The test is over"));
      }
    });

  test("a key has the value that was put, and none after a delete", putsAndDeletes);
  test("of many that create one key, one wins", hasOneWinner);
  test("a change that names another version than there is does nothing", comparesVersions);
  test("a key that was deleted and made again has another version", neverRepeatsVersions);
  test("values of 0 bytes and of the most; one more is refused", keepsAnySize);
  test("what is no key is refused", refusesBadKeys);
  test("a key with a time to live vanishes, which a watch sees", expires);
  test("the keys of a session vanish with it, and a put makes a key one's own", endsWithSession);
  test("a session that is not renewed ends; one that is lives on", sessionExpires);
  test("pages have every key once that was there all the time, in order", pagesUnderWrites);
  test("a watch from the cursor of a page has every change once, in order", watchesFromCursor);
  test("a watch goes on from any of its own cursors", resumesWatch);
  test("a watch from a cursor that is nobody's says to list again", resetsUnknownCursor);
  test("a lease has one holder, and each has a greater token", hasOneHolder);
  test("a holder hears that its lease is lost", tellsLostLease);
  test("many that want one lease never hold it together", neverTwoHolders);
  test("a request that is repeated has one effect and the same answer", repeatsRequests);
  test("a call ends with its signal, also one that has ended before", abortsCalls);
  test("a store that closes ends those that wait", closesWaiting);
}

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (value: Uint8Array | undefined) => value && new TextDecoder().decode(value);

async function putsAndDeletes({ store, signal }: Parameters<Case>[0]) {
  equal(await store.get("name/a", { signal }), null);
  const put = await store.put("name/a", bytes("1"), { signal });
  ok(put.ok);
  const entry = await store.get("name/a", { signal });
  deepEqual([entry?.key, text(entry?.value), entry?.version], ["name/a", "1", put.version]);
  equal(text((await store.get("name/a", { signal, stale: true }))?.value), "1");
  ok((await store.delete("name/a", { signal })).ok);
  equal(await store.get("name/a", { signal }), null);
  ok((await store.delete("name/a", { signal })).ok); // nothing is there: nothing to do
}

async function hasOneWinner({ store, signal }: Parameters<Case>[0]) {
  for (let round = 0; round < 5; round++) {
    const key = `name/race${round}`;
    const all = await Promise.all(
      Array.from(
        { length: 16 },
        (_, i) => store.put(key, bytes(String(i)), { signal, if: "absent" }),
      ),
    );
    const winners = [...all.keys()].filter((i) => all[i]!.ok);
    equal(winners.length, 1);
    equal(text((await store.get(key, { signal }))?.value), String(winners[0]));
    // Each of the others was told who is there.
    for (const written of all) if (!written.ok) equal(written.current?.key, key);
  }
}

async function comparesVersions({ store, signal }: Parameters<Case>[0]) {
  const first = await store.put("name/c", bytes("1"), { signal, if: "absent" });
  ok(first.ok);
  const second = await store.put("name/c", bytes("2"), { signal, if: first.version });
  ok(second.ok);
  notEqual(second.version, first.version);
  for (const version of [first.version, "0", "-1", "x", "", "99999999"]) {
    const written = await store.put("name/c", bytes("3"), { signal, if: version });
    deepEqual(written.ok ? null : [text(written.current?.value), written.current?.version], [
      "2",
      second.version,
    ]);
    const deleted = await store.delete("name/c", { signal, if: version });
    equal(deleted.ok, false);
  }
  deepEqual(await store.put("name/none", bytes("1"), { signal, if: first.version }), {
    ok: false,
    current: null,
  });
  deepEqual(await store.delete("name/none", { signal, if: first.version }), {
    ok: false,
    current: null,
  });
  ok((await store.delete("name/c", { signal, if: second.version })).ok);
}

async function neverRepeatsVersions({ store, signal }: Parameters<Case>[0]) {
  const seen = new Set<string>();
  for (let i = 0; i < 4; i++) {
    const put = await store.put("name/again", bytes("same"), { signal, if: "absent" });
    ok(put.ok);
    seen.add(put.version);
    await store.delete("name/again", { signal });
  }
  equal(seen.size, 4);
}

async function keepsAnySize({ store, signal }: Parameters<Case>[0]) {
  await store.put("name/empty", new Uint8Array(), { signal });
  equal((await store.get("name/empty", { signal }))?.value.length, 0);
  const { maxValue } = store.capabilities("name/most");
  const most = Uint8Array.from({ length: maxValue }, (_, i) => i * 7);
  await store.put("name/most", most, { signal });
  deepEqual((await store.get("name/most", { signal }))?.value, most);
  const more = new Uint8Array(maxValue + 1);
  await refuses("limit", store.put("name/more", more, { signal }));
  equal(await store.get("name/more", { signal }), null);
}

async function refusesBadKeys({ store, signal }: Parameters<Case>[0]) {
  for (
    const key of ["", "/", "name//a", "name/a/", "name/ä", "name/a b", "name/" + "x".repeat(300)]
  ) {
    await refuses("limit", store.put(key, bytes("1"), { signal }));
  }
}

async function expires({ store, signal, pass, shortestTtl }: Parameters<Case>[0]) {
  const { cursor } = await store.list("name/", { signal, limit: 1 });
  await store.put("name/short", bytes("1"), { signal, ttlMs: shortestTtl });
  await store.put("name/kept", bytes("1"), { signal, ttlMs: shortestTtl });
  await store.put("name/kept", bytes("2"), { signal });
  const left = (await store.get("name/short", { signal }))?.expiresInMs ?? 0;
  ok(left > 0 && left <= shortestTtl * 1.5, String(left));
  const seen = take(store.watch("name/short", { signal, from: cursor! }), 2);
  await pass(2.5 * shortestTtl);
  deepEqual((await seen).map(({ kind }) => kind), ["put", "delete"]);
  equal(await store.get("name/short", { signal }), null);
  equal(text((await store.get("name/kept", { signal }))?.value), "2");
}

async function endsWithSession({ store, signal }: Parameters<Case>[0]) {
  const session = await store.session(10_000, { signal });
  const other = await store.session(10_000, { signal });
  await store.put("name/s1", bytes("1"), { signal, session });
  await store.put("name/s2", bytes("1"), { signal, session });
  await store.put("name/s3", bytes("1"), { signal, session });
  await store.put("name/s2", bytes("2"), { signal });
  await store.put("name/s3", bytes("2"), { signal, session: other });
  const { cursor } = await store.list("name/", { signal, limit: 10 });
  const seen = take(store.watch("name/", { signal, from: cursor! }), 1);
  await session.end({ signal });
  ok(session.ended.aborted);
  deepEqual(named(await seen), ["delete name/s1"]);
  const { entries } = await store.list("name/", { signal, limit: 10 });
  deepEqual(entries.map(({ key }) => key), ["name/s2", "name/s3"]);
  await refuses("closed", store.put("name/s4", bytes("1"), { signal, session }));
  await refuses("closed", session.renew({ signal }));
  await other.end({ signal });
  equal(await store.get("name/s3", { signal }), null);
}

async function sessionExpires({ store, signal, pass }: Parameters<Case>[0]) {
  const ttl = 5_000;
  const dead = await store.session(ttl, { signal });
  const live = await store.session(ttl, { signal });
  await store.put("name/dead", bytes("1"), { signal, session: dead });
  await store.put("name/live", bytes("1"), { signal, session: live });
  for (let i = 0; i < 6; i++) {
    await pass(ttl / 4);
    await live.renew({ signal });
  }
  equal(await store.get("name/dead", { signal }), null);
  ok(dead.ended.aborted);
  equal(text((await store.get("name/live", { signal }))?.value), "1");
  ok(!live.ended.aborted);
  await live.end({ signal });
}

async function pagesUnderWrites({ store, signal }: Parameters<Case>[0]) {
  const keys = Array.from({ length: 25 }, (_, i) => `name/p${String(i).padStart(2, "0")}`);
  for (const key of keys) await store.put(key, bytes(key), { signal });
  await store.put("named", bytes("no"), { signal }).catch(() => {}); // no bucket: some refuse it
  const found: string[] = [];
  let after: string | undefined;
  for (let page = 0;; page++) {
    const listed = await store.list("name/p", { signal, limit: 4, ...after && { after } });
    ok(listed.entries.length <= 4);
    found.push(...listed.entries.map(({ key }) => key));
    if (listed.next === undefined) break;
    after = listed.next;
    await store.put(`name/p${String(page).padStart(2, "0")}x`, bytes("new"), { signal });
    await store.put(keys[24]!, bytes("changed"), { signal });
  }
  deepEqual(found.filter((key) => !key.endsWith("x")), keys);
  deepEqual(found, found.toSorted());
  deepEqual(await store.list("name/q", { signal, limit: 4 }).then((l) => [l.entries, l.next]), [
    [],
    undefined,
  ]);
}

async function watchesFromCursor({ store, signal }: Parameters<Case>[0]) {
  await store.put("name/w/0", bytes("0"), { signal });
  const { cursor } = await store.list("name/w/", { signal, limit: 10 });
  for (let i = 1; i < 6; i++) await store.put(`name/w/${i}`, bytes(String(i)), { signal });
  await store.delete("name/w/3", { signal });
  await store.put("name/other", bytes("not of the prefix"), { signal });
  const seen = take(store.watch("name/w/", { signal, from: cursor! }), 9);
  const writer = (async () => {
    for (let i = 6; i < 9; i++) await store.put(`name/w/${i}`, bytes(String(i)), { signal });
  })();
  await writer;
  const kinds = named(await seen);
  deepEqual(kinds, [
    ...[1, 2, 3, 4, 5].map((i) => `put name/w/${i}`),
    "delete name/w/3",
    ...[6, 7, 8].map((i) => `put name/w/${i}`),
  ]);
}

async function resumesWatch({ store, signal }: Parameters<Case>[0]) {
  const { cursor } = await store.list("name/r/", { signal, limit: 10 });
  const session = await store.session(10_000, { signal });
  await store.put("name/r/1", bytes("1"), { signal });
  await store.put("name/r/2", bytes("2"), { signal, session });
  await store.put("name/r/3", bytes("3"), { signal, session });
  await session.end({ signal }); // two keys by one command
  await store.put("name/r/4", bytes("4"), { signal });
  const all = await take(store.watch("name/r/", { signal, from: cursor! }), 6);
  equal(all.length, 6);
  for (const [index, change] of all.entries()) {
    if (change.cursor === undefined || index === 5) continue;
    const rest = await take(
      store.watch("name/r/", { signal, from: change.cursor }),
      5 - index,
    );
    deepEqual(named(rest), named(all.slice(index + 1)));
  }
}

async function resetsUnknownCursor({ store, signal }: Parameters<Case>[0]) {
  await store.put("name/u", bytes("1"), { signal });
  const [change] = await take(store.watch("name/", { signal, from: "rubbish" }), 1);
  equal(change?.kind, "reset");
  await rejects(take(store.watch("ä", { signal }), 1));
}

async function hasOneHolder({ store, signal }: Parameters<Case>[0]) {
  const [a, b] = [
    await store.session(10_000, { signal }),
    await store.session(10_000, { signal }),
  ];
  const first = await store.acquire("job", a, { signal });
  ok(first !== null);
  equal(await store.acquire("job", b, { signal }), null);
  equal((await store.acquire("job", a, { signal }))?.token, first.token);
  equal(await store.release("job", "1234567", { signal }), false);
  equal(await store.release("job", first.token, { signal }), true);
  equal(await store.release("job", first.token, { signal }), false);
  const second = await store.acquire("job", b, { signal });
  ok(second !== null && BigInt(second.token) > BigInt(first.token));
  await b.end({ signal });
  const third = await store.acquire("job", a, { signal });
  ok(third !== null && BigInt(third.token) > BigInt(second.token));
  await refuses("closed", store.acquire("job", b, { signal }));
  await a.end({ signal });
}

async function tellsLostLease({ store, signal }: Parameters<Case>[0]) {
  const session = await store.session(10_000, { signal });
  const taken = (await store.acquire("taken", session, { signal }))!;
  const kept = (await store.acquire("kept", session, { signal }))!;
  const lost = aborted(taken.lost);
  await store.delete("lease/taken", { signal });
  await lost;
  ok(!kept.lost.aborted);
  const both = aborted(kept.lost);
  await session.end({ signal });
  await both;
}

async function neverTwoHolders({ store, signal }: Parameters<Case>[0]) {
  let holders = 0;
  const tokens: bigint[] = [];
  const worker = async () => {
    for (let round = 0; round < 4; round++) {
      const session = await store.session(30_000, { signal });
      const lease = await store.acquire("contended", session, { signal });
      if (lease !== null) {
        equal(++holders, 1);
        tokens.push(BigInt(lease.token));
        await store.get("name/any", { signal });
        equal(holders--, 1);
      }
      await session.end({ signal });
    }
  };
  await Promise.all(Array.from({ length: 5 }, worker));
  ok(tokens.length > 0);
  deepEqual(tokens, tokens.toSorted((x, y) => (x < y ? -1 : 1)));
  equal(new Set(tokens).size, tokens.length);
}

async function repeatsRequests({ store, signal }: Parameters<Case>[0]) {
  const once = { signal, requestId: "one", if: "absent" } as const;
  const put = await store.put("name/id", bytes("1"), once);
  ok(put.ok);
  deepEqual(await store.put("name/id", bytes("1"), once), put);
  const later = await store.put("name/id", bytes("2"), { signal, requestId: "two" });
  ok(later.ok);
  deepEqual(await store.put("name/id", bytes("1"), once), put);
  equal(text((await store.get("name/id", { signal }))?.value), "2");
  const remove = { signal, requestId: "three", if: later.version };
  const removed = await store.delete("name/id", remove);
  ok(removed.ok);
  await store.put("name/id", bytes("3"), { signal });
  deepEqual(await store.delete("name/id", remove), removed);
  equal(text((await store.get("name/id", { signal }))?.value), "3");
  const [first, second] = await Promise.all([
    store.put("name/both", bytes("1"), { signal, requestId: "four", if: "absent" }),
    store.put("name/both", bytes("1"), { signal, requestId: "four", if: "absent" }),
  ]);
  ok(first.ok);
  deepEqual(second, first);
}

async function abortsCalls({ store, signal }: Parameters<Case>[0]) {
  const reason = new Error("not wanted any more");
  const is = (error: unknown) => error === reason;
  const gone = AbortSignal.abort(reason);
  await rejects(store.get("name/a", { signal: gone }), is);
  await rejects(store.put("name/a", bytes("1"), { signal: gone }), is);
  await rejects(store.list("name/", { signal: gone, limit: 1 }), is);
  await rejects(store.session(10_000, { signal: gone }), is);
  const waits = new AbortController();
  const { cursor } = await store.list("name/", { signal, limit: 1 });
  const watching = take(store.watch("name/", { signal: waits.signal, from: cursor! }), 1);
  await store.get("name/a", { signal }); // the watch has begun
  waits.abort(reason);
  await rejects(watching, is);
  equal(await store.get("name/a", { signal }), null);
}

async function closesWaiting({ store, signal }: Parameters<Case>[0]) {
  const session = await store.session(10_000, { signal });
  const lease = (await store.acquire("closing", session, { signal }))!;
  const watching = take(store.watch("name/", { signal, from: "0" }), 1_000);
  const ended = rejects(watching, MeshError);
  await store.get("name/a", { signal });
  await store[Symbol.asyncDispose]();
  await ended;
  await refuses("closed", store.get("name/a", { signal }));
  await refuses("closed", store.put("name/a", bytes("1"), { signal }));
  ok(session.ended.aborted);
  await aborted(lease.lost);
  await store[Symbol.asyncDispose]();
}

/** The first `count` changes. */
export async function take(
  changes: AsyncIterable<WatchedChange>,
  count: number,
): Promise<WatchedChange[]> {
  const taken: WatchedChange[] = [];
  for await (const change of changes) {
    taken.push(change);
    if (taken.length === count) break;
  }
  return taken;
}

export function named(changes: Change[]): string[] {
  return changes.map((change) =>
    change.kind === "put"
      ? `put ${change.entry.key}`
      : change.kind === "delete"
      ? `delete ${change.key}`
      : "reset"
  );
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

export async function refuses(reason: MeshReason, call: Promise<unknown>): Promise<void> {
  await rejects(call, (error) => {
    ok(error instanceof MeshError, String(error));
    equal(error.reason, reason);
    return true;
  });
}
