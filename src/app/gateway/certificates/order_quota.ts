import { utf8 } from "../../../base/bytes.ts";
import { TtunError } from "../../../base/errors.ts";
import type { MeshStore } from "../../../contract/mesh_store.ts";

const KEY = "acme/orders";
const HOUR_MS = 3600_000;

/** Orders for hosts in an hour: authorities count those of an account, and the apex needs some too. */
const MOST_ORDERS = 50;

/** How often a lost race is looked at again. */
const TRIES = 5;

/**
 * Counts an order for a host among those of the whole cluster in this hour. `nowMs`: since 1970.
 * @throws {TtunError} busy, if there were too many; {MeshError}
 */
export async function takeOrder(
  store: MeshStore,
  nowMs: number,
  signal: AbortSignal,
): Promise<void> {
  const hour = Math.floor(nowMs / HOUR_MS);
  for (let tries = 0; tries < TRIES; tries++) {
    const entry = await store.get(KEY, { signal });
    const [then, count] = new TextDecoder().decode(entry?.value).split(" ").map(Number);
    const before = then === hour && Number.isInteger(count) ? count! : 0;
    if (before >= MOST_ORDERS) break;
    const value = utf8(`${hour} ${before + 1}`);
    if ((await store.put(KEY, value, { signal, if: entry?.version ?? "absent" })).ok) return;
  }
  throw new TtunError("busy", "Too many certificates for hosts were ordered in this hour");
}
