import type { Clock } from "../../contract/host.ts";
import type { MeshStore } from "../../contract/mesh_store.ts";
import { nodeOfRoute, readRoute, routesOf, type RouteTrust } from "../../core/gateway/route.ts";
import type { NodeKey } from "../../core/mesh/node_id.ts";

/** Milliseconds for which nodes of a name are remembered, and that there are none. */
const KNOWN_MS = 5_000;
const UNKNOWN_MS = 1_000;

/** Milliseconds for which a node that failed is tried after all others. */
const DEMOTED_MS = 10_000;

/** Names that are remembered, and nodes of one. */
const MOST_NAMES = 10_000;
const MOST_NODES = 16;

export interface RemoteRoutesOptions {
  readonly store: MeshStore;
  readonly clock: Clock;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly apex: string;
  readonly self: NodeKey;
  readonly trust: () => RouteTrust;
  readonly signal: AbortSignal;
}

interface Known {
  readonly nodes: readonly NodeKey[];
  readonly until: number;
}

/** Nodes at which agents of a name are, as the ring has it. */
export class RemoteRoutes {
  readonly #o: RemoteRoutesOptions;
  readonly #known = new Map<string, Known>();
  readonly #asking = new Map<string, Promise<readonly NodeKey[]>>();
  /** Times until which nodes are tried last. */
  readonly #demoted = new Map<NodeKey, number>();
  #turn = 0;

  constructor(o: RemoteRoutesOptions) {
    this.#o = o;
  }

  /** Returns nodes of a name, those to be tried first at the front. Never rejects. */
  async find(name: string): Promise<NodeKey[]> {
    const now = this.#o.clock.now();
    const known = this.#known.get(name);
    const nodes = known !== undefined && now < known.until ? known.nodes : await this.#ask(name);
    const start = nodes.length === 0 ? 0 : this.#turn++ % nodes.length;
    const turned = [...nodes.slice(start), ...nodes.slice(0, start)];
    const isDemoted = (node: NodeKey) => (this.#demoted.get(node) ?? 0) > now ? 1 : 0;
    return turned.sort((a, b) => isDemoted(a) - isDemoted(b));
  }

  /** The node has failed for the name: the ring is asked again, and others come first. */
  failed(name: string, node: NodeKey): void {
    this.#known.delete(name);
    this.#demoted.delete(node);
    this.#demoted.set(node, this.#o.clock.now() + DEMOTED_MS);
    if (this.#demoted.size > MOST_NODES * MOST_NODES) {
      this.#demoted.delete(this.#demoted.keys().next().value!);
    }
  }

  /** One question for all that wait for a name. */
  #ask(name: string): Promise<readonly NodeKey[]> {
    const asked = this.#asking.get(name);
    if (asked !== undefined) return asked;
    const asking = this.#list(name).finally(() => this.#asking.delete(name));
    this.#asking.set(name, asking);
    return asking;
  }

  async #list(name: string): Promise<readonly NodeKey[]> {
    const { store, clock, now, apex, self, trust, signal } = this.#o;
    let nodes: NodeKey[] = [];
    try {
      const { entries } = await store.list(routesOf(name), { signal, limit: MOST_NODES });
      nodes = entries.filter(({ key, value }) => {
        const node = nodeOfRoute(key);
        if (node === self) return false;
        return readRoute(value, { name, apex, node }, trust(), now()) !== null;
      }).map(({ key }) => nodeOfRoute(key));
    } catch {
      // The ring is not reached: others may know the name a moment later.
    }
    const until = clock.now() + (nodes.length > 0 ? KNOWN_MS : UNKNOWN_MS);
    this.#known.delete(name);
    this.#known.set(name, { nodes, until });
    if (this.#known.size > MOST_NAMES) this.#known.delete(this.#known.keys().next().value!);
    return nodes;
  }
}
