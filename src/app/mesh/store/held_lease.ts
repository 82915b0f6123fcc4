import { onAbort } from "../../../base/scope.ts";
import type { Clock } from "../../../contract/host.ts";
import {
  type Lease,
  MeshError,
  type MeshStore,
  type Session,
} from "../../../contract/mesh_store.ts";
import { sleep } from "../../loop/sleep.ts";

/** Milliseconds until a watch of a lease begins again after a failure. */
const RETRY_MS = 1_000;

/** A lease in its holder's eyes: lost with its session, or when its key is deleted or another's. */
export function heldLease(
  store: Pick<MeshStore, "get" | "watch">,
  o: { key: string; token: string; session: Session; clock: Clock },
): Lease {
  const lost = new AbortController();
  const lose = () => {
    ended[Symbol.dispose]();
    lost.abort(new MeshError("closed", "The lease is lost"));
  };
  const ended = onAbort(o.session.ended, lose);
  // Never rejects: a failing watch begins again until the session ends.
  void leaseEnd(store, { ...o, signal: o.session.ended }).then(lose);
  return { token: o.token, lost: lost.signal };
}

/** Resolves once the lease is deleted or another's, or the signal aborts. */
async function leaseEnd(
  store: Pick<MeshStore, "get" | "watch">,
  { key, token, signal, clock }: { key: string; token: string; signal: AbortSignal; clock: Clock },
): Promise<void> {
  while (!signal.aborted) {
    try {
      for await (const change of store.watch(key, { signal, from: token })) {
        if (change.kind === "reset") {
          if ((await store.get(key, { signal }))?.version !== token) return;
        } else if ((change.kind === "put" ? change.entry.key : change.key) === key) return;
      }
    } catch {
      // The store is out of reach for now, or the session has ended.
      await sleep(clock, RETRY_MS, signal).catch(() => {}); // the loop's condition knows
    }
  }
}
