import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { test } from "../../../../tests/check.ts";
import { FakeClock } from "../../../../tests/fake/clock.ts";
import { seededRng } from "../../../../tests/fake/rng.ts";
import { storeSuite } from "../../../../tests/suite/mesh_store.ts";
import { MeshError } from "../../../contract/mesh_store.ts";
import { openCoreFile } from "../../../io/mesh/core_file.ts";
import { DenoClock } from "../../../io/reactor/deno_clock.ts";
import { nodeMetrics } from "../http/node_metrics.ts";
import { CoreDriver } from "./core_driver.ts";
import { coreMeasures } from "./core_measures.ts";
import { fileStore } from "./file_store.ts";

storeSuite("file", async () => {
  const folder = await Deno.makeTempDir({ prefix: "ttun-store-" });
  const clock = new FakeClock();
  const opened = await openCoreFile(`${folder}/core.db`, { create: true });
  const store = fileStore(opened, { clock, rng: seededRng(2) });
  return {
    store,
    shortestTtl: 2_000,
    async pass(ms) {
      await clock.advance(ms);
      // Its commit comes after those of what has expired.
      await store.put("conf/flush", new Uint8Array(), { signal: new AbortController().signal });
    },
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await Deno.remove(folder, { recursive: true });
    },
  };
}, test);

test("file store: a watch goes on over a restart, with each change once", async () => {
  const folder = await Deno.makeTempDir({ prefix: "ttun-store-" });
  try {
    const { signal } = new AbortController();
    const open = async () => {
      const opened = await openCoreFile(`${folder}/core.db`, { create: true });
      return fileStore(opened, { clock: new FakeClock(), rng: seededRng(2) });
    };
    let cursor: string | undefined;
    {
      await using store = await open();
      await store.put("name/a", new Uint8Array([1]), { signal });
      cursor = (await store.list("name/", { signal, limit: 9 })).cursor;
      await store.put("name/a", new Uint8Array([2]), { signal });
      await store.delete("name/a", { signal });
    }
    await using store = await open();
    await store.put("name/b", new Uint8Array([3]), { signal });
    const seen: string[] = [];
    for await (const change of store.watch("name/", { signal, from: cursor! })) {
      seen.push(change.kind === "put" ? `${change.entry.key} ${change.entry.value}` : change.kind);
      if (seen.length === 3) break;
    }
    assert.deepEqual(seen, ["name/a 2", "delete", "name/b 3"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

test("file store: of a core that has just begun no watch misses a change, and one may be moved", async () => {
  const folder = await Deno.makeTempDir({ prefix: "ttun-store-" });
  const path = `${folder}/core.db`;
  const { signal } = new AbortController();
  const put = (i: number) => {
    return { type: "put", key: `name/k${i % 9}`, value: new Uint8Array([i]) } as const;
  };
  try {
    {
      const opened = await openCoreFile(path, { create: true });
      await using core = new CoreDriver(opened.state, { ...opened, clock: new DenoClock() });
      await Promise.all(Array.from({ length: 1500 }, (_, i) => core.call(put(i), { signal })));
    }
    const opened = await openCoreFile(path, { create: false, areChangesLater: true });
    assert.deepEqual([opened.state.changes, opened.state.rows.length], [[], 9]);
    await using core = new CoreDriver(opened.state, { ...opened, clock: new DenoClock() });
    await core.call(put(1500), { signal });
    const revs: number[] = [];
    for (let from = 0; from < 1501;) {
      const answer = await core.call({ type: "changes", prefix: "", from }, { signal });
      assert(answer.type === "changes");
      revs.push(...answer.changes.map(({ rev }) => rev));
      from = answer.cursor;
    }
    assert.deepEqual(revs, Array.from({ length: 1501 }, (_, i) => i + 1));
    assert.equal((await core.freeze("It moves")).changes.length, 1501);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

test("file store: a damaged change ends the core, and whoever waits for it is told", async () => {
  const folder = await Deno.makeTempDir({ prefix: "ttun-store-" });
  const path = `${folder}/core.db`;
  const { signal } = new AbortController();
  try {
    {
      const opened = await openCoreFile(path, { create: true });
      await using core = new CoreDriver(opened.state, { ...opened, clock: new DenoClock() });
      const value = new Uint8Array([1]);
      await core.call({ type: "put", key: "name/a", value }, { signal });
    }
    {
      using db = new DatabaseSync(path);
      db.exec("UPDATE change SET key = 'name/b'");
    }
    const opened = await openCoreFile(path, { create: false, areChangesLater: true });
    const failures: string[] = [];
    await using core = new CoreDriver(opened.state, {
      ...opened,
      clock: new DenoClock(),
      events: { failed: ({ message }) => failures.push(message), full: () => {} },
    });
    await assert.rejects(
      core.call({ type: "changes", prefix: "", from: 0 }, { signal }),
      (error) => error instanceof MeshError && /another checksum/.test(error.message),
    );
    assert.equal(failures.length, 1);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

test("file store: a core tells what it has, and what its commits took", async () => {
  const folder = await Deno.makeTempDir({ prefix: "ttun-store-" });
  try {
    const opened = await openCoreFile(`${folder}/core.db`, { create: true });
    await using core = new CoreDriver(opened.state, { ...opened, clock: new DenoClock() });
    const { signal } = new AbortController();
    const value = new Uint8Array(10);
    for (const key of ["name/a", "name/b"]) {
      await core.call({ type: "put", key, value }, { signal });
    }
    await core.call({ type: "grant", session: "s", ttlMs: 5_000 }, { signal });
    const { commits, ...figures } = core.figures();
    assert(commits.sum > 0);
    assert.equal(commits.count, 3);
    assert.deepEqual(figures, {
      epoch: 1,
      revision: 2,
      keys: 2,
      bytes: 2 * (6 + 10 + 64),
      sessions: 1,
      refused: 0,
    });
    const text = nodeMetrics(coreMeasures(core.figures()));
    assert.match(text, /^ttun_mesh_core_revision 2$/m);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
