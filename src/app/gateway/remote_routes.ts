import { toHex } from "../../base/bytes.ts";
import type { Clock } from "../../contract/host.ts";
import type { Entry, MeshStore, WatchedChange } from "../../contract/mesh_store.ts";
import {
  nodeOfRoute,
  passthroughKey,
  readRoute,
  routeKey,
  routesOf,
  type RouteTrust,
} from "../../core/gateway/route.ts";
import type { NodeKey } from "../../core/mesh/node_id.ts";
import { RateLimits } from "../../core/net/rate_limits.ts";
import { KnownRoutes } from "./known_routes.ts";

/** Milliseconds after which a name that is asked for is looked up again, while it goes on being used. */
const KNOWN_MS = 5_000;
const WATCHED_MS = 30_000;

/** Milliseconds for which it is remembered that a name has no node. */
const ABSENT_MS = 1_000;

/** Milliseconds for which a node that failed is tried after all others. */
const DEMOTED_MS = 10_000;

/** Milliseconds for which a name counts as one that was there. */
const LATELY_MS = 15_000;

/** Names that are remembered, of those that are there and of the others; and nodes of one. */
const MOST_NAMES = 10_000;
const MOST_NODES = 16;

/** Names whose routes are watched: those in use. */
const MOST_WATCHED = 256;

/** Milliseconds for which a name keeps its watch behind a use, and until it is seen whether one has none. */
const KEEP_WATCH_MS = 5_000;
const WATCH_AGAIN_MS = 1_000;

/** Questions to the ring at a time, and of one address's. */
const MOST_ASKING = 64;
const PER_ADDRESS = { burst: 40, perSecond: 10, mostKeys: 20_000 };

export interface RemoteRoutesOptions {
  readonly store: MeshStore;
  readonly clock: Clock;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly apex: string;
  readonly self: NodeKey;
  readonly trust: () => RouteTrust;
  /** The ring knows that the node does not answer, or has left. */
  readonly isDead: (node: NodeKey) => boolean;
  readonly signal: AbortSignal;
}

interface Absence {
  /** Time until which it is not looked up again. */
  readonly until: number;
  /** Its agent has published it so last; null = that could not be found out. */
  readonly isPassthrough: boolean | null;
}

/** Nodes at which agents of a name are, as the ring has it. */
export class RemoteRoutes {
  readonly #o: RemoteRoutesOptions;
  /** By name; the one that was used longest ago first. */
  readonly #known = new Map<string, KnownRoutes>();
  /** Names without a node. */
  readonly #absent = new Map<string, Absence>();
  readonly #asking = new Map<string, Promise<void>>();
  /** Times until which nodes are tried last. */
  readonly #demoted = new Map<NodeKey, number>();
  readonly #limits = new RateLimits(PER_ADDRESS);
  #watched = 0;
  /** Time until which all names with a watch are in use. */
  #allInUseUntil = -Infinity;
  #turn = 0;

  constructor(o: RemoteRoutesOptions) {
    this.#o = o;
  }

  /**
   * Returns nodes of a name, those to be tried first at the front; null where the address has asked
   * for too many names that are not known here. Never rejects.
   */
  async find(name: string, from: string): Promise<NodeKey[] | null> {
    const now = this.#o.clock.now();
    const known = this.#known.get(name);
    if (known !== undefined) {
      this.#use(name, known, now);
      const nodes = this.#usable(known);
      if (nodes.length > 0) return this.#inOrder(nodes, now);
    }
    if ((this.#absent.get(name)?.until ?? 0) > now) return [];
    if (!this.#asking.has(name)) {
      if (this.#asking.size >= MOST_ASKING || !this.#limits.take(from, now)) return null;
    }
    await this.#ask(name);
    return this.#inOrder(this.#usable(this.#known.get(name)), now);
  }

  /** Returns the id of the name's agent, in hex; null = there is none. To be asked behind `find`. */
  agentOf(name: string): string | null {
    const agentId = this.#known.get(name)?.agentId ?? null;
    return agentId === null ? null : toHex(agentId);
  }

  /** Visitors' TLS goes to the name's agents as it is. To be asked behind `find`. */
  isPassthrough(name: string): boolean {
    const known = this.#known.get(name);
    if (known !== undefined && !known.isEmpty) return known.isPassthrough;
    return this.#absent.get(name)?.isPassthrough === true;
  }

  /** A node may end the TLS of the name's visitors, as far as is known. To be asked behind `find`. */
  mayEndTls(name: string): boolean {
    return !this.isPassthrough(name) && this.#absent.get(name)?.isPassthrough !== null;
  }

  /** The name was there a moment ago, so that it may come again. */
  wasThere(name: string): boolean {
    const known = this.#known.get(name);
    return known !== undefined && this.#o.clock.now() - known.heldAt < LATELY_MS;
  }

  /** The node does not answer at once: others come first for a while. */
  demote(node: NodeKey): void {
    this.#demoted.delete(node);
    this.#demoted.set(node, this.#o.clock.now() + DEMOTED_MS);
    if (this.#demoted.size > MOST_NODES * MOST_NODES) {
      this.#demoted.delete(this.#demoted.keys().next().value!);
    }
  }

  /** The node has answered. */
  answered(node: NodeKey): void {
    this.#demoted.delete(node);
  }

  /**
   * A node has refused a connection of the name's. That may be the visitor's doing, who asks for what the
   * service is not: routes hold, and the ring is asked again soon.
   */
  refused(name: string): void {
    const known = this.#known.get(name);
    if (known !== undefined) known.dueAt = Math.min(known.dueAt, this.#o.clock.now() + ABSENT_MS);
  }

  /** The node has failed for the name: its route counts no more until the ring has it anew. */
  failed(name: string, node: NodeKey): void {
    this.demote(node);
    const known = this.#known.get(name);
    if (known === undefined) return;
    known.delete(node);
    known.dueAt = 0;
    if (!this.#o.isDead(node)) return;
    // Nobody else is to try it: the agent's next word is for another node.
    const { store, signal } = this.#o;
    store.delete(routeKey({ name, node }), { signal }).catch(() => {
      // It ends by itself.
    });
  }

  #usable(known: KnownRoutes | undefined): NodeKey[] {
    const { now, isDead } = this.#o;
    return (known?.nodes(now()) ?? []).filter((node) => !isDead(node));
  }

  #inOrder(nodes: readonly NodeKey[], now: number): NodeKey[] {
    const start = nodes.length === 0 ? 0 : this.#turn++ % nodes.length;
    const turned = [...nodes.slice(start), ...nodes.slice(0, start)];
    const isDemoted = (node: NodeKey) => (this.#demoted.get(node) ?? 0) > now ? 1 : 0;
    return turned.sort((a, b) => isDemoted(a) - isDemoted(b));
  }

  /** A name that is used stays known, is watched, and is looked up again meanwhile. */
  #use(name: string, known: KnownRoutes, now: number): void {
    this.#known.delete(name);
    this.#known.set(name, known);
    known.usedAt = now;
    if (now >= known.dueAt && this.#asking.size < MOST_ASKING) {
      void this.#ask(name); // it never rejects
    }
    this.#watch(name, known, now);
  }

  /** One question for all that wait for a name. Never rejects. */
  #ask(name: string): Promise<void> {
    const asked = this.#asking.get(name);
    if (asked !== undefined) return asked;
    const asking = this.#list(name).finally(() => this.#asking.delete(name));
    this.#asking.set(name, asking);
    return asking;
  }

  async #list(name: string): Promise<void> {
    const { store, clock, signal } = this.#o;
    let entries: readonly Entry[];
    let isPassthrough: boolean | null = false;
    try {
      ({ entries } = await store.list(routesOf(name), { signal, limit: MOST_NODES }));
      if (entries.length === 0) {
        isPassthrough = await store.get(passthroughKey(name), { signal }) !== null;
      }
    } catch {
      isPassthrough = null;
      // The ring is not reached: what was known holds, and others may know the name a moment later.
      if (this.#known.has(name)) return;
      entries = [];
    }
    const known = this.#known.get(name) ?? new KnownRoutes(clock.now());
    known.clear();
    for (const entry of entries) this.#take(name, known, entry);
    known.dueAt = clock.now() + (known.isWatched ? WATCHED_MS : KNOWN_MS);
    if (known.isEmpty) {
      if (!this.wasThere(name)) this.#forget(name);
      this.#noteAbsence(name, isPassthrough);
    } else {
      known.heldAt = clock.now();
      this.#absent.delete(name);
      this.#keep(name, known);
    }
  }

  #noteAbsence(name: string, isPassthrough: boolean | null): void {
    this.#absent.delete(name);
    this.#absent.set(name, { until: this.#o.clock.now() + ABSENT_MS, isPassthrough });
    if (this.#absent.size > MOST_NAMES) this.#absent.delete(this.#absent.keys().next().value!);
  }

  #keep(name: string, known: KnownRoutes): void {
    this.#known.delete(name);
    this.#known.set(name, known);
    if (this.#known.size > MOST_NAMES) this.#forget(this.#known.keys().next().value!);
  }

  #forget(name: string): void {
    this.#known.get(name)?.stopWatching();
    this.#known.delete(name);
  }

  #take(name: string, known: KnownRoutes, { key, value }: Entry): void {
    const { apex, self, trust, now } = this.#o;
    const node = nodeOfRoute(key);
    if (node === self) return;
    const route = readRoute(value, { name, apex, node }, trust(), now());
    if (route === null) known.delete(node);
    else known.set(node, route);
  }

  /**
   * The ring tells changes of a name in use, so that they count at once. With more names in use than are
   * watched the others are looked up: a watch costs the ring more than that.
   */
  #watch(name: string, known: KnownRoutes, now: number): void {
    if (known.isWatched) return;
    if (this.#watched >= MOST_WATCHED && !this.#stopOldest(now)) return;
    this.#watched++;
    const stop = known.watch(() => this.#watched--);
    void this.#follow(name, known, stop); // it never rejects
  }

  /** Stops a watch; false = all of them are of names in use. */
  #stopOldest(now: number): boolean {
    if (now < this.#allInUseUntil) return false;
    for (const known of this.#known.values()) {
      if (!known.isWatched) continue;
      if (now - known.usedAt < KEEP_WATCH_MS) break;
      known.stopWatching();
      return true;
    }
    this.#allInUseUntil = now + WATCH_AGAIN_MS;
    return false;
  }

  async #follow(name: string, known: KnownRoutes, stop: AbortSignal): Promise<void> {
    const signal = AbortSignal.any([this.#o.signal, stop]);
    try {
      for await (const change of this.#o.store.watch(routesOf(name), { signal })) {
        this.#change(name, known, change);
      }
    } catch {
      // Its names are looked up again as those that are not watched.
    }
    if (!stop.aborted) known.stopWatching(); // else there may be another watch by now
  }

  #change(name: string, known: KnownRoutes, change: WatchedChange): void {
    if (change.kind === "put") this.#take(name, known, change.entry);
    else if (change.kind === "delete") known.delete(nodeOfRoute(change.key));
    else known.dueAt = 0;
    if (known.isEmpty) return;
    known.heldAt = this.#o.clock.now();
    this.#absent.delete(name);
  }
}
