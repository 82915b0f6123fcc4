import { utf8 } from "../../../base/bytes.ts";
import { TtunError } from "../../../base/errors.ts";
import type { MeshStore } from "../../../contract/mesh_store.ts";

const KEY = "acme/orders";
const HOUR_MS = 3600_000;

/** Orders for hosts in an hour: authorities count those of an account, and the apex needs some too. */
const MOST_ORDERS = 50;

/** Those of one agent, which may have hosts without number. */
const MOST_OF_AGENT = 20;

/** How often a lost race is looked at again. */
const TRIES = 5;

/**
 * Counts an order for an agent's host among those of the whole cluster in this hour. `agent`: its id in
 * hex. `nowMs`: since 1970. @throws {TtunError} busy, if there were too many; {MeshError}
 */
export async function takeOrder(
  store: MeshStore,
  agent: string,
  nowMs: number,
  signal: AbortSignal,
): Promise<void> {
  const hour = Math.floor(nowMs / HOUR_MS);
  await takeOne(store, { key: `${KEY}/${agent}`, most: MOST_OF_AGENT, hour }, {
    signal,
    ttlMs: 2 * HOUR_MS,
  });
  await takeOne(store, { key: KEY, most: MOST_ORDERS, hour }, { signal });
}

/** Adds one to the count of an hour. `ttlMs`: of the count. */
async function takeOne(
  store: MeshStore,
  { key, most, hour }: { readonly key: string; readonly most: number; readonly hour: number },
  call: { readonly signal: AbortSignal; readonly ttlMs?: number },
): Promise<void> {
  for (let tries = 0; tries < TRIES; tries++) {
    const entry = await store.get(key, { signal: call.signal });
    const [then, count] = new TextDecoder().decode(entry?.value).split(" ").map(Number);
    const before = then === hour && Number.isInteger(count) ? count! : 0;
    if (before >= most) break;
    const over = entry?.version ?? "absent";
    if ((await store.put(key, utf8(`${hour} ${before + 1}`), { ...call, if: over })).ok) return;
  }
  throw new TtunError("busy", "Too many certificates for hosts were ordered in this hour");
}
