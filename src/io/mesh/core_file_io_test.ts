import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { test } from "../../../tests/check.ts";
import { TtunError } from "../../base/errors.ts";
import type { CoreBatch, CoreState } from "../../contract/mesh_disk.ts";
import { MeshError } from "../../contract/mesh_store.ts";
import { openCoreFile } from "./core_file.ts";

async function inFolder(run: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "ttun-core-" });
  try {
    await run(`${folder}/core.db`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const CREATE = { create: true };

function batch(revision: number, o: Partial<CoreBatch> = {}): CoreBatch {
  return {
    revision,
    rows: [],
    deleted: [],
    sessions: [],
    endedSessions: [],
    done: [],
    forgotten: [],
    changes: [],
    forgottenChanges: [],
    floor: revision,
    ...o,
  };
}

function row(key: string, rev: number, size = 10) {
  const value = new Uint8Array(size).fill(rev);
  return { key, value, rev, created: rev, session: "", ttlMs: 0 };
}

async function write(path: string, ...batches: CoreBatch[]): Promise<void> {
  const { disk } = await openCoreFile(path, CREATE);
  await using _ = disk;
  for (const one of batches) await disk.commit(one);
}

async function read(path: string): Promise<CoreState> {
  const { disk, state } = await openCoreFile(path, { create: false });
  await disk[Symbol.asyncDispose]();
  return state;
}

async function refused(call: Promise<unknown>, kind: string, words: RegExp): Promise<void> {
  await rejects(call, (error) => {
    ok(error instanceof TtunError, String(error));
    equal(error.kind, kind);
    ok(words.test(error.message), error.message);
    return true;
  });
}

test("core file: what was committed is there again, and what was removed is not", () =>
  inFolder(async (path) => {
    await write(
      path,
      batch(3, {
        rows: [row("name/a", 1), { ...row("lease/b", 3), session: "s", ttlMs: 0 }],
        sessions: [{ id: "s", ttlMs: 5000 }, { id: "t", ttlMs: 6000 }],
        done: [{ id: "n 2", rev: 3 }, { id: "n 1", rev: 1 }],
      }),
      batch(2 ** 52, {
        rows: [row("name/c", 2 ** 52)],
        deleted: ["name/a", "name/none"],
        endedSessions: ["t"],
        forgotten: ["n 0"],
      }),
    );
    deepEqual(await read(path), {
      epoch: 1,
      revision: 2 ** 52,
      rows: [{ ...row("lease/b", 3), session: "s" }, row("name/c", 2 ** 52)],
      sessions: [{ id: "s", ttlMs: 5000 }],
      done: [{ id: "n 1", rev: 1 }, { id: "n 2", rev: 3 }],
      changes: [],
      floor: 2 ** 52,
    });
    equal((await Deno.stat(path)).mode! & 0o777, 0o600);
  }));

test("core file: changes are kept for watches until they are forgotten", () =>
  inFolder(async (path) => {
    const changes = [
      { rev: 1, key: "name/a", row: row("name/a", 1) },
      { rev: 2, key: "name/a", row: null },
      { rev: 2, key: "name/b", row: null },
      { rev: 3, key: "name/a", row: { ...row("name/a", 3), session: "s", ttlMs: 7 } },
    ];
    await write(path, batch(3, { changes, floor: 0 }));
    const before = await read(path);
    deepEqual([before.changes, before.floor], [changes, 0]);
    const next = { rev: 4, key: "name/c", row: null };
    const forgottenChanges = [{ rev: 1, key: "name/a" }, { rev: 2, key: "name/a" }];
    await write(path, batch(4, { changes: [next], forgottenChanges, floor: 2 }));
    const after = await read(path);
    deepEqual([after.changes, after.floor], [[...changes.slice(2), next], 2]);
  }));

test("core file: where an older ttun has written, no watch goes on from before", () =>
  inFolder(async (path) => {
    await write(path, batch(1, { changes: [{ rev: 1, key: "name/a", row: null }], floor: 0 }));
    // It writes everything but the changes.
    await write(path, batch(3, { floor: 0 }));
    equal((await read(path)).floor, 3);
  }));

test("core file: a missing one is not made unless that is meant", () =>
  inFolder(async (path) => {
    await refused(openCoreFile(path, { create: false }), "usage", /mesh core restore/);
    await rejects(Deno.stat(path), Deno.errors.NotFound);
  }));

test("core file: two processes never have it open", () =>
  inFolder(async (path) => {
    const { disk } = await openCoreFile(path, CREATE);
    await using _ = disk;
    await refused(openCoreFile(path, CREATE), "in_use", /Another process/);
  }));

test("core file: without room a commit is refused whole, the file is read on, and room helps", () =>
  inFolder(async (path) => {
    const { disk } = await openCoreFile(path, { create: true, maxPages: 40 });
    let committed = 0;
    {
      await using _ = disk;
      await rejects(async () => {
        for (; committed < 100; committed++) {
          const rows = [
            row(`name/${committed}`, committed + 1, 3000),
            row("name/last", committed + 1),
          ];
          await disk.commit(batch(committed + 1, { rows }));
        }
      }, (error) => error instanceof MeshError && error.reason === "limit");
      ok(committed > 10, String(committed));
      await disk.commit(batch(committed + 1, { deleted: ["name/0", "name/1"] }));
    }
    const state = await read(path);
    deepEqual([state.revision, state.rows.length], [committed + 1, committed - 2 + 1]);
    equal(state.rows.find(({ key }) => key === "name/last")?.rev, committed);
  }));

test("core file: an old file does not start after the core has moved, nor one of an older epoch", () =>
  inFolder(async (path) => {
    await write(path, batch(1, { rows: [row("name/a", 1)] }));
    await refused(openCoreFile(path, { create: false, leastEpoch: 2 }), "usage", /epoch 2/);
    {
      const { disk } = await openCoreFile(path, { create: false, leastEpoch: 1 });
      await using _ = disk;
      await disk.markMoved("abcd", 2);
    }
    await refused(openCoreFile(path, CREATE), "usage", /moved to the node abcd \(epoch 2\)/);
  }));

test("core file: everything is replaced in one step", () =>
  inFolder(async (path) => {
    await write(path, batch(1, { rows: [row("name/a", 1)], sessions: [{ id: "s", ttlMs: 5000 }] }));
    const state: CoreState = {
      epoch: 7,
      revision: 70,
      rows: [row("name/z", 69)],
      sessions: [],
      done: [{ id: "x", rev: 69 }],
      changes: [{ rev: 70, key: "name/y", row: null }],
      floor: 68,
    };
    {
      const { disk } = await openCoreFile(path, CREATE);
      await using _ = disk;
      await disk.replace(state);
    }
    deepEqual(await read(path), state);
  }));

test("core file: damage of a row or of the file is found, and the core does not start", () =>
  inFolder(async (path) => {
    const rows = Array.from({ length: 50 }, (_, i) => row(`name/${i + 10}`, i + 1, 1000));
    await write(path, batch(50, { rows }));
    const clean = await Deno.readFile(path);
    const db = new DatabaseSync(path);
    db.exec("UPDATE kv SET value = x'00' WHERE key = 'name/20'");
    db.close();
    await refused(read(path), "system", /checksum.*mesh core restore/s);
    for (const change of [cut, garble, foreign]) {
      for (const end of ["-wal", "-shm"]) await Deno.remove(path + end).catch(() => {}); // may be gone
      await Deno.writeFile(path, change(clean.slice()));
      await refused(read(path), "system", /damaged.*mesh core restore/s);
    }
  }));

function cut(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(0, bytes.length - 3 * 4096);
}

function garble(bytes: Uint8Array): Uint8Array {
  return bytes.fill(0xa5, 2 * 4096, bytes.length - 4096);
}

function foreign(): Uint8Array {
  return new TextEncoder().encode("no database at all ".repeat(1000));
}
