import type { Clock, Rng } from "../../../contract/host.ts";
import type { Health, MeshStore } from "../../../contract/mesh_store.ts";
import type { RingNode, RingStatus } from "../../../core/mesh/ring_node.ts";
import { COPIES } from "../../../core/mesh/replicas.ts";
import type { CoreClient } from "./core_client.ts";
import { CoreStore } from "./core_store.ts";
import { PrefixStore } from "./prefix_store.ts";
import { type RingCalls, RingStore } from "./ring_store.ts";

export interface NodeStoreOptions {
  readonly ring: RingCalls & { readonly node: Pick<RingNode, "status" | "correctionMs"> };
  /** The host that this node is on. */
  readonly host: string;
  /** The core in this process or the way to the one elsewhere, or a store that has all of it. */
  readonly core: CoreClient | { readonly store: MeshStore };
  readonly isCoreWell: () => boolean;
  readonly clock: Clock;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly rng: Rng;
  /** Closed with the store. */
  readonly owned?: AsyncDisposable;
}

/** The store that a node of a cluster serves. */
export function nodeStore(o: NodeStoreOptions): MeshStore {
  const { node } = o.ring;
  const now = () => o.now() + node.correctionMs;
  const ring = new RingStore(o.ring, { clock: o.clock, now });
  const health = () => ringHealth(o.ring.node.status(), o);
  const { clock, rng, owned } = o;
  if ("store" in o.core) {
    const { store } = o.core;
    const both = async () => ({ ...health(), core: (await store.health()).core });
    return new PrefixStore({ ring, core: store, health: both });
  }
  const own = owned === undefined ? {} : { owned };
  return new PrefixStore({
    ring,
    core: new CoreStore(o.core, { clock, rng, health, ...own }),
    health,
  });
}

/** `stable`: the node has all its records, and its neighbours answer. */
export function ringHealth(
  { state, list, peers }: RingStatus,
  o: Pick<NodeStoreOptions, "host" | "isCoreWell">,
): Health {
  const near = peers.filter(({ key }) => list.includes(key));
  const isQuiet = state === "ready" && near.every(({ status }) => status === "alive");
  const hosts = new Set([o.host, ...near.map(({ descriptor }) => descriptor.host)]);
  return {
    ring: list.length === 0 ? "alone" : isQuiet ? "stable" : "settling",
    core: o.isCoreWell() ? "ok" : "degraded",
    copies: Math.min(COPIES, hosts.size),
  };
}
