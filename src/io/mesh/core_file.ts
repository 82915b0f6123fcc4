import { TtunError } from "../../base/errors.ts";
import type {
  CoreBatch,
  CoreChange,
  CoreChanges,
  CoreDisk,
  CoreState,
} from "../../contract/mesh_disk.ts";
import { DamagedFile, SqliteFile } from "./sqlite_file.ts";
import type { SqlChange, SqlValue, TableSpec } from "./sqlite_messages.ts";

const [KV, SESSIONS, REQUESTS, META, CHANGES] = [0, 1, 2, 3, 4];

const TABLES: readonly TableSpec[] = [
  {
    name: "kv",
    columns: [
      { name: "key", type: "TEXT" },
      { name: "value", type: "BLOB" },
      { name: "rev", type: "INTEGER" },
      { name: "created", type: "INTEGER" },
      { name: "session", type: "TEXT" },
      { name: "ttl", type: "INTEGER" },
    ],
    keys: 1,
  },
  {
    name: "session",
    columns: [{ name: "id", type: "TEXT" }, { name: "ttl", type: "INTEGER" }],
    keys: 1,
  },
  {
    name: "request",
    columns: [{ name: "id", type: "TEXT" }, { name: "rev", type: "INTEGER" }],
    keys: 1,
  },
  {
    name: "meta",
    columns: [{ name: "name", type: "TEXT" }, { name: "value", type: "TEXT" }],
    keys: 1,
  },
  {
    name: "change",
    columns: [
      { name: "rev", type: "INTEGER" },
      { name: "key", type: "TEXT" },
      { name: "deleted", type: "INTEGER" },
      { name: "value", type: "BLOB" },
      { name: "created", type: "INTEGER" },
      { name: "session", type: "TEXT" },
      { name: "ttl", type: "INTEGER" },
    ],
    keys: 2,
  },
];

/** The core of this file is another node's now. */
export class MovedCore extends TtunError {
  readonly node: string;
  readonly epoch: number;

  constructor(node: string, epoch: number) {
    super(
      "usage",
      `The core has moved to the node ${node} (epoch ${epoch}): it does not start here again`,
    );
    this.node = node;
    this.epoch = epoch;
  }
}

export interface OpenedCore {
  readonly disk: CoreDisk;
  /** With `areChangesLater` it lacks its changes, and its floor is older than theirs may be. */
  readonly state: CoreState;
  /** The changes; null = the state has them. Rejects if the file is damaged or closed. */
  readonly later: Promise<CoreChanges> | null;
}

/**
 * Opens the file of a core of one. `create` makes one where there is none; `leastEpoch` is the
 * newest epoch that the cluster has been heard to have: a file of an older one is out of date.
 * `isAlone`: other files of this process do not wait for it, as while a whole core is written.
 * `areChangesLater`: the changes, which can be many more than the keys, are read while the core runs.
 * @throws {TtunError} if it is missing, damaged, open elsewhere or has moved to another node
 */
export async function openCoreFile(
  path: string,
  o: {
    create: boolean;
    leastEpoch?: number;
    maxPages?: number;
    isAlone?: boolean;
    areChangesLater?: boolean;
  },
): Promise<OpenedCore> {
  if (!o.create && !await isFile(path)) {
    throw new TtunError(
      "usage",
      `There is no ${path}, which this node's core is: bring it back with \`ttun mesh core restore\``,
    );
  }
  const file = await SqliteFile.open(path, TABLES, o).catch(explain);
  try {
    const { state: kept, named } = await load(file);
    const isLater = o.areChangesLater === true;
    const changes = isLater
      ? { changes: [], floor: floorOf(named, kept.revision) }
      : await loadChanges(file, named, kept.revision);
    const state = { ...kept, ...changes };
    if (state.epoch < (o.leastEpoch ?? 0)) {
      throw new TtunError(
        "usage",
        `${path} is the core of epoch ${state.epoch}, but the cluster has one of epoch ` +
          `${o.leastEpoch}: it does not start from this file`,
      );
    }
    if (state.revision === 0) await file.commit(all(state));
    const later = isLater ? loadChanges(file, named, kept.revision).catch(explain) : null;
    later?.catch(() => {}); // whoever opened it awaits it too
    return { disk: new CoreFile(file), state, later };
  } catch (error) {
    await file[Symbol.asyncDispose]();
    return explain(error);
  }
}

class CoreFile implements CoreDisk {
  readonly #file: SqliteFile;

  constructor(file: SqliteFile) {
    this.#file = file;
  }

  commit(batch: CoreBatch): Promise<void> {
    return this.#file.commit([
      ...contents(batch),
      ...batch.deleted.map((key) => ({ table: KV, remove: [key] })),
      ...batch.endedSessions.map((id) => ({ table: SESSIONS, remove: [id] })),
      ...batch.forgotten.map((id) => ({ table: REQUESTS, remove: [id] })),
      ...batch.forgottenChanges.map(({ rev, key }) => ({ table: CHANGES, remove: [rev, key] })),
    ]);
  }

  replace(state: CoreState): Promise<void> {
    return this.#file.commit(all(state));
  }

  markMoved(node: string, epoch: number): Promise<void> {
    return this.#file.commit([meta("moved", `${node} ${epoch}`)]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#file[Symbol.asyncDispose]();
  }
}

async function load(file: SqliteFile): Promise<{
  readonly state: Omit<CoreState, keyof CoreChanges>;
  readonly named: ReadonlyMap<string, string>;
}> {
  const named = new Map(
    (await file.readAll(META, 1)).map(([name, value]) => [name as string, value as string]),
  );
  const moved = named.get("moved");
  if (moved !== undefined) {
    const [node = "", epoch] = moved.split(" ");
    throw new MovedCore(node, Number(epoch));
  }
  const rows = (await file.readAll(KV, 1)).map((row) => {
    const [key, value, rev, created, session, ttlMs] = row as [
      ...[string, Uint8Array, number],
      ...[number, string, number],
    ];
    return { key, value, rev, created, session, ttlMs };
  });
  const sessions = (await file.readAll(SESSIONS, 1)).map((row) => {
    const [id, ttlMs] = row as [string, number];
    return { id, ttlMs };
  });
  const done = (await file.readAll(REQUESTS, 1)).map((row) => {
    const [id, rev] = row as [string, number];
    return { id, rev };
  });
  const revision = Number(named.get("revision") ?? 0);
  if (rows.some(({ rev }) => rev > revision)) {
    throw new TtunError("system", "The core's file is damaged: it has keys beyond its revision");
  }
  // Requests are forgotten in the order in which they were made.
  done.sort((a, b) => a.rev - b.rev);
  const epoch = Number(named.get("epoch") ?? 1);
  return { state: { epoch, revision, rows, sessions, done }, named };
}

/** The newest revision of which changes may be missing. */
function floorOf(named: ReadonlyMap<string, string>, revision: number): number {
  return Number(named.get("floor") ?? revision);
}

/**
 * Reads the changes up to a revision; newer ones may be written meanwhile. The last change is of the last
 * revision, unless an older ttun wrote since: it leaves none.
 */
async function loadChanges(
  file: SqliteFile,
  named: ReadonlyMap<string, string>,
  revision: number,
): Promise<CoreChanges> {
  const changes = (await file.readAll(CHANGES, 2)).map((row): CoreChange => {
    const [rev, key, deleted, value, created, session, ttlMs] = row as [
      ...[number, string, number, Uint8Array],
      ...[number, string, number],
    ];
    const isThere = deleted === 0;
    return { rev, key, row: isThere ? { key, value, rev, created, session, ttlMs } : null };
  }).filter(({ rev }) => rev <= revision);
  const floor = floorOf(named, revision);
  const isWhole = (changes.at(-1)?.rev ?? floor) === revision;
  return { changes, floor: isWhole ? floor : revision };
}

function contents(
  { revision, rows, sessions, done, changes, floor }: CoreState | CoreBatch,
): SqlChange[] {
  return [
    meta("revision", String(revision)),
    meta("floor", String(floor)),
    ...rows.map(({ key, value, rev, created, session, ttlMs }) =>
      put(KV, key, value, rev, created, session, ttlMs)
    ),
    ...sessions.map(({ id, ttlMs }) => put(SESSIONS, id, ttlMs)),
    ...done.map(({ id, rev }) => put(REQUESTS, id, rev)),
    ...changes.map(({ rev, key, row }) =>
      row === null
        ? put(CHANGES, rev, key, 1, new Uint8Array(), 0, "", 0)
        : put(CHANGES, rev, key, 0, row.value, row.created, row.session, row.ttlMs)
    ),
  ];
}

function all(state: CoreState): SqlChange[] {
  return [
    ...[KV, SESSIONS, REQUESTS, META, CHANGES].map((table) => ({ table, clear: true as const })),
    ...contents(state),
    meta("epoch", String(state.epoch)),
  ];
}

function meta(name: string, value: string): SqlChange {
  return put(META, name, value);
}

function put(table: number, ...row: SqlValue[]): SqlChange {
  return { table, put: row };
}

/** A core cannot be refilled by others, as the ring is: it stays as it is until somebody decides. */
function explain(error: unknown): never {
  if (!(error instanceof DamagedFile)) throw error;
  throw new TtunError(
    "system",
    `${error.message}. The core does not start from it: bring back its newest backup with ` +
      "`ttun mesh core restore`",
    { cause: error },
  );
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
