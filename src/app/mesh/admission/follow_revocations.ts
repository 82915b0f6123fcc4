import type { Logger } from "../../../base/log.ts";
import type { Clock } from "../../../contract/host.ts";
import type { MeshStore } from "../../../contract/mesh_store.ts";
import type { Revocations } from "../../../core/mesh/admission/revocations.ts";
import { sleep } from "../../loop/sleep.ts";

const PREFIX = "revoked/";

/** Milliseconds until the store is asked again after a failure. */
const RETRY = 1000;

/** Keeps the revocations as the store has them, until the signal aborts. */
export async function followRevocations(
  { store, clock, log, signal }: {
    readonly store: MeshStore;
    readonly clock: Clock;
    readonly log: Logger;
    readonly signal: AbortSignal;
  },
  revocations: Revocations,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const cursor = await listAll(store, revocations, signal);
      const o = cursor === undefined ? { signal } : { signal, from: cursor };
      for await (const change of store.watch(PREFIX, o)) {
        if (change.kind === "reset") break;
        if (change.kind === "put") revocations.add(change.entry.key);
        else revocations.remove(change.key);
      }
    } catch (error) {
      if (signal.aborted) return;
      const why = error instanceof Error ? error.message : String(error);
      log.debug("Cannot follow revocations now", { why });
      if (!await wait(clock, signal)) return;
    }
  }
}

/** Returns the cursor of the first page, from which on changes are watched. */
async function listAll(
  store: MeshStore,
  revocations: Revocations,
  signal: AbortSignal,
): Promise<string | undefined> {
  const keys: string[] = [];
  let cursor: string | undefined;
  let after: string | undefined;
  do {
    const page = await store.list(PREFIX, {
      signal,
      limit: 1000,
      ...(after !== undefined && { after }),
    });
    keys.push(...page.entries.map(({ key }) => key));
    cursor ??= page.cursor;
    after = page.next;
  } while (after !== undefined);
  revocations.replace(keys);
  return cursor;
}

/** Returns false once the signal aborts. */
async function wait(clock: Clock, signal: AbortSignal): Promise<boolean> {
  try {
    await sleep(clock, RETRY, signal);
    return true;
  } catch {
    return false; // by the signal alone
  }
}
