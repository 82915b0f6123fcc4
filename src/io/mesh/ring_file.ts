import type { LoadedRing, RingDisk, RingRows } from "../../contract/mesh_disk.ts";
import { DamagedFile, SqliteFile } from "./sqlite_file.ts";
import type { SqlChange, SqlValue, TableSpec } from "./sqlite_messages.ts";

const [RING, PEERS, VALUES] = [0, 1, 2];

const TABLES: readonly TableSpec[] = [
  {
    name: "ring",
    columns: [
      { name: "bucket", type: "TEXT" },
      { name: "child", type: "TEXT" },
      { name: "value", type: "BLOB" },
      { name: "ver", type: "BLOB" },
      { name: "exp", type: "INTEGER" },
      { name: "tombstone", type: "INTEGER" },
    ],
    keys: 2,
  },
  {
    name: "peer",
    columns: [
      { name: "place", type: "INTEGER" },
      { name: "descriptor", type: "BLOB" },
      { name: "heard", type: "INTEGER" },
    ],
    keys: 1,
  },
  {
    name: "value",
    columns: [{ name: "name", type: "TEXT" }, { name: "value", type: "BLOB" }],
    keys: 1,
  },
];

/**
 * Opens the file of a node of the ring, or makes it. A damaged table is thrown away, and the file
 * where that is not enough: others have copies.
 * @throws {TtunError} in_use, system
 */
export async function openRingFile(
  path: string,
  o: { maxPages?: number } = {},
): Promise<{ disk: RingDisk; loaded: LoadedRing }> {
  let wasDamaged = false;
  let file: SqliteFile;
  try {
    file = await SqliteFile.open(path, TABLES, o);
  } catch (error) {
    if (!(error instanceof DamagedFile)) throw error;
    wasDamaged = true;
    file = await openAnew(path, o);
  }
  const read = async (table: number): Promise<SqlValue[][]> => {
    try {
      return await file.readAll(table, TABLES[table]!.keys);
    } catch (error) {
      if (!(error instanceof DamagedFile)) throw error;
      wasDamaged = true;
      try {
        await file.commit([{ table, clear: true }]);
      } catch (second) {
        if (!(second instanceof DamagedFile)) throw second;
        await file[Symbol.asyncDispose]();
        file = await openAnew(path, o);
      }
      return [];
    }
  };
  try {
    const rows = (await read(RING)).map((row) => {
      const [bucket, child, value, version, expiry, tombstone] = row as [
        ...[string, string, Uint8Array],
        ...[Uint8Array, number, number],
      ];
      return { bucket, child, value, version, expiry, isTombstone: tombstone === 1 };
    });
    const peers = (await read(PEERS)).map((row) => {
      const [, descriptor, heardAtMs] = row as [number, Uint8Array, number];
      return { descriptor, heardAtMs };
    });
    const values = new Map(
      (await read(VALUES)).map(([name, value]) => [name as string, value as Uint8Array]),
    );
    return { disk: new RingFile(file), loaded: { rows, peers, values, wasDamaged } };
  } catch (error) {
    await file[Symbol.asyncDispose]();
    throw error;
  }
}

async function openAnew(path: string, o: { maxPages?: number }): Promise<SqliteFile> {
  for (const end of ["", "-wal", "-shm", "-journal"]) {
    await Deno.remove(path + end).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
  return await SqliteFile.open(path, TABLES, o);
}

class RingFile implements RingDisk {
  readonly #file: SqliteFile;

  constructor(file: SqliteFile) {
    this.#file = file;
  }

  commit({ put, remove, values, peers }: RingRows): Promise<void> {
    const changes: SqlChange[] = [
      ...put.map(({ bucket, child, value, version, expiry, isTombstone }) => ({
        table: RING,
        put: [bucket, child, value, version, expiry, isTombstone ? 1 : 0],
      })),
      ...remove.map(({ bucket, child }) => ({ table: RING, remove: [bucket, child] })),
      ...values.map(({ name, value }) => ({ table: VALUES, put: [name, value] })),
    ];
    if (peers !== undefined) {
      changes.push({ table: PEERS, clear: true });
      for (const [place, { descriptor, heardAtMs }] of peers.entries()) {
        changes.push({ table: PEERS, put: [place, descriptor, heardAtMs] });
      }
    }
    return this.#file.commit(changes);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#file[Symbol.asyncDispose]();
  }
}
