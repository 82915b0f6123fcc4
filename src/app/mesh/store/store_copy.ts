import { TtunError } from "../../../base/errors.ts";
import type { CoreState } from "../../../contract/mesh_disk.ts";
import type { MeshStore } from "../../../contract/mesh_store.ts";
import { emptyCore } from "../../../core/mesh/core/core_state.ts";
import { LEASES } from "./core_store.ts";

const PAGE = 500;

/**
 * Reads all that a store has, of any kind, as a core: with new revisions, and without leases and
 * sessions, whose holders have to ask again.
 */
export async function readStore(store: MeshStore, signal: AbortSignal): Promise<CoreState> {
  const state = emptyCore();
  let after: string | undefined;
  do {
    const page = await store.list("", { signal, limit: PAGE, ...after ? { after } : {} });
    for (const { key } of page.entries) {
      if (key.startsWith(LEASES)) continue;
      const entry = await store.get(key, { signal }); // lists do not say how long a key lives
      if (entry === null) continue;
      const rev = ++state.revision;
      const ttlMs = Math.ceil(entry.expiresInMs ?? 0);
      state.rows.push({ key, value: entry.value, rev, created: rev, session: "", ttlMs });
    }
    after = page.next;
  } while (after !== undefined);
  return { ...state, floor: state.revision };
}

/**
 * Writes a core into an empty store, of any kind, without what belongs to sessions. Returns how many
 * keys there are now.
 * @throws {TtunError} usage, if there are keys already
 */
export async function writeStore(
  store: MeshStore,
  { rows }: CoreState,
  signal: AbortSignal,
): Promise<number> {
  const { entries } = await store.list("", { signal, limit: 1 });
  if (entries.length > 0) {
    throw new TtunError(
      "usage",
      `The store to import to is not empty: it has the key ${entries[0]!.key}. Nothing was changed`,
    );
  }
  const lasting = rows.filter(({ session }) => session === "");
  for (const { key, value, ttlMs } of lasting) {
    const ttl = ttlMs === 0 ? {} : { ttlMs: Math.max(1_000, ttlMs) };
    const written = await store.put(key, value, { signal, if: "absent", ...ttl });
    if (!written.ok) {
      throw new TtunError("usage", `Somebody else writes to the store: it has ${key} already`);
    }
  }
  return lasting.length;
}
