import { utf8 } from "../../../base/bytes.ts";
import type { Logger } from "../../../base/log.ts";
import type { Clock } from "../../../contract/host.ts";
import { MeshError, type MeshStore } from "../../../contract/mesh_store.ts";
import { numberField, readFields } from "../../../core/mesh/admission/json.ts";
import { sleep } from "../../loop/sleep.ts";

/** The key that tells nodes which generation of authorities and secrets there is; it holds no secret. */
const KEY = "conf/trust";

/** Milliseconds between two looks, beside those that a change brings. */
const EVERY = 3600_000;

/** Milliseconds until the store is asked again after a failure. */
const RETRY = 5_000;

export async function publishGeneration(
  store: MeshStore,
  generation: number,
  signal: AbortSignal,
): Promise<void> {
  await store.put(KEY, utf8(JSON.stringify({ generation })), { signal });
}

export interface TrustOptions {
  readonly store: MeshStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Returns the generation that this node has. */
  readonly generation: () => number;
  /** Returns true if the certificate is to be renewed. */
  readonly isOld: () => boolean;
  /** Fetches a new certificate, and all authorities and secrets. `isBehind`: there are newer ones. */
  readonly renew: (isBehind: boolean) => Promise<void>;
}

/** Keeps the node's certificate, authorities and secrets up to date, until the signal aborts. */
export async function keepTrust(o: TrustOptions): Promise<void> {
  while (!o.signal.aborted) {
    try {
      const { generation, cursor } = await published(o);
      const isBehind = generation > o.generation();
      if (o.isOld() || isBehind) await o.renew(isBehind);
      await nextLook(o, cursor);
    } catch (error) {
      if (o.signal.aborted) return;
      const why = error instanceof Error ? error.message : String(error);
      // The core's node may be down for long, which is no reason to repeat that.
      const isLoud = !(error instanceof MeshError);
      o.log[isLoud ? "warn" : "debug"]("Cannot renew the certificate now", { why });
      await sleep(o.clock, RETRY, o.signal).catch(() => {}); // the loop ends by the signal
    }
  }
}

async function published({ store, signal }: TrustOptions) {
  const { entries, cursor } = await store.list(KEY, { signal, limit: 1 });
  const entry = entries.find(({ key }) => key === KEY);
  const generation = entry === undefined
    ? 0
    : numberField(readFields(entry.value, KEY), "generation", KEY);
  return { generation, cursor };
}

/** Returns after a change since the cursor, or after an hour. */
async function nextLook(
  { store, clock, signal }: TrustOptions,
  cursor: string | undefined,
): Promise<void> {
  const stop = new AbortController();
  using _timer = clock.after(EVERY, () => stop.abort());
  const o = { signal: AbortSignal.any([signal, stop.signal]) };
  try {
    const changes = store.watch(KEY, cursor === undefined ? o : { ...o, from: cursor });
    for await (const _ of changes) return;
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  }
}
