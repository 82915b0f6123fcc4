import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { test } from "../../../tests/check.ts";
import type { RingRow, RingRows } from "../../contract/mesh_disk.ts";
import { MeshError } from "../../contract/mesh_store.ts";
import { openRingFile } from "./ring_file.ts";

async function inFolder(run: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "ttun-ring-" });
  try {
    await run(`${folder}/ring.db`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function row(child: string, size = 10): RingRow {
  return {
    bucket: "kv/a",
    child,
    value: new Uint8Array(size).fill(child.length),
    version: Uint8Array.from({ length: 24 }, (_, i) => i),
    expiry: 2 ** 48 - 1,
    isTombstone: child === "dead",
  };
}

function rows(o: Partial<RingRows>): RingRows {
  return { put: [], remove: [], values: [], ...o };
}

async function load(path: string) {
  const { disk, loaded } = await openRingFile(path);
  await disk[Symbol.asyncDispose]();
  return loaded;
}

test("ring file: records, peers and a node's own values are there again", () =>
  inFolder(async (path) => {
    const peer = { descriptor: new Uint8Array([1, 2]), heardAtMs: 5 };
    {
      const { disk, loaded } = await openRingFile(path);
      await using _ = disk;
      deepEqual(loaded, { rows: [], peers: [], values: new Map(), wasDamaged: false });
      await disk.commit(rows({ put: [row("a"), row("dead"), row("")], peers: [peer, peer, peer] }));
      await disk.commit(rows({
        remove: [{ bucket: "kv/a", child: "a" }],
        values: [{ name: "hlc", value: new Uint8Array([7]) }],
        peers: [peer],
      }));
      await disk.commit(rows({}));
    }
    deepEqual(await load(path), {
      rows: [row(""), row("dead")],
      peers: [peer],
      values: new Map([["hlc", new Uint8Array([7])]]),
      wasDamaged: false,
    });
  }));

test("ring file: many that wait for the disk are committed together", () =>
  inFolder(async (path) => {
    {
      const { disk } = await openRingFile(path);
      await using _ = disk;
      await Promise.all(
        Array.from({ length: 700 }, (_, i) => disk.commit(rows({ put: [row(String(i))] }))),
      );
    }
    equal((await load(path)).rows.length, 700);
  }));

test("ring file: a damaged table is thrown away, the others stay; a damaged file is begun anew", () =>
  inFolder(async (path) => {
    const values = [{ name: "hlc", value: new Uint8Array([7]) }];
    {
      const { disk } = await openRingFile(path);
      await using _ = disk;
      await disk.commit(rows({ put: Array.from({ length: 99 }, (_, i) => row(`${i}`)), values }));
    }
    const db = new DatabaseSync(path);
    db.exec("UPDATE ring SET exp = 1 WHERE child = '50'");
    db.close();
    const damaged = await load(path);
    deepEqual([damaged.rows, damaged.wasDamaged, damaged.values.size], [[], true, 1]);
    equal((await load(path)).wasDamaged, false);
    await Deno.writeTextFile(path, "rubbish ".repeat(3000));
    const anew = await load(path);
    deepEqual([anew.rows, anew.wasDamaged, anew.values.size], [[], true, 0]);
    deepEqual((await load(path)).wasDamaged, false);
  }));

test("ring file: without room writes are refused with `limit`, and all that was acknowledged stays", () =>
  inFolder(async (path) => {
    const acknowledged: string[] = [];
    {
      const { disk } = await openRingFile(path, { maxPages: 30 });
      await using _ = disk;
      await rejects(async () => {
        for (let i = 0; i < 200; i++) {
          await disk.commit(rows({ put: [row(String(i), 2000)] }));
          acknowledged.push(String(i));
        }
      }, (error) => error instanceof MeshError && error.reason === "limit");
    }
    ok(acknowledged.length > 10);
    deepEqual((await load(path)).rows.map(({ child }) => child).sort(), acknowledged.sort());
  }));
