import { utf8 } from "../../base/bytes.ts";
import type { Logger } from "../../base/log.ts";
import type { Clock } from "../../contract/host.ts";
import type { MeshStore } from "../../contract/mesh_store.ts";
import type { NodeKey } from "../../core/mesh/node_id.ts";
import { sleep } from "../loop/sleep.ts";

/** Prefix of the ring's keys that say where gateways are. */
const GATEWAYS = "node/gateway/";

/** Milliseconds between looks, of which a record outlives three. */
const LOOK_MS = 20_000;
const TTL_MS = 70_000;

/** Milliseconds for which a gateway is new. */
const YOUNG_MS = 60_000;

/** Gateways that an agent is told of. */
const MOST_TOLD = 8;

export interface GatewayDirectoryOptions {
  readonly store: MeshStore;
  readonly clock: Clock;
  readonly log: Logger;
  /** This node, and the host that it is on. */
  readonly self: NodeKey;
  readonly host: string;
  /** Where agents reach this gateway: HOST:PORT. */
  readonly address: string;
}

/** Tells other nodes where this gateway is, and knows where theirs are. */
export class GatewayDirectory {
  readonly #o: GatewayDirectoryOptions;
  #others: readonly string[] = [];
  #isLeaving = false;

  constructor(o: GatewayDirectoryOptions) {
    this.#o = o;
  }

  /** Where gateways on other hosts are: HOST:PORT, one of each host. */
  get others(): readonly string[] {
    return this.#others;
  }

  /** Agents are told of this gateway no more. Never rejects. */
  async leave(signal: AbortSignal): Promise<void> {
    const { store, self, log } = this.#o;
    this.#isLeaving = true;
    try {
      await store.delete(GATEWAYS + self, { signal });
    } catch (error) {
      log.debug("Cannot tell others that the gateway stops", { why: String(error) });
    }
  }

  /** Runs until the signal aborts. @throws its reason */
  async run(signal: AbortSignal): Promise<never> {
    const { clock, log } = this.#o;
    const began = clock.now();
    for (;;) {
      try {
        await this.#look(signal);
      } catch (error) {
        signal.throwIfAborted();
        log.debug("Cannot look for other gateways now", { why: String(error) });
      }
      // Nodes that are started together find each other sooner.
      const isNew = clock.now() - began < YOUNG_MS || this.#others.length === 0;
      await sleep(clock, isNew ? LOOK_MS / 10 : LOOK_MS, signal);
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { store, self, host, address } = this.#o;
    const value = utf8(`${host} ${address}`);
    if (!this.#isLeaving) await store.put(GATEWAYS + self, value, { signal, ttlMs: TTL_MS });
    const { entries } = await store.list(GATEWAYS, { signal, limit: 100 });
    const byHost = new Map<string, string>();
    for (const { key, value } of entries) {
      const [, at, where] = /^(\S+) (\S+)$/.exec(new TextDecoder().decode(value)) ?? [];
      if (at === undefined || where === undefined || key === GATEWAYS + self) continue;
      if (at !== host) byHost.set(at, where);
    }
    this.#others = [...byHost.values()].slice(0, MOST_TOLD);
  }
}
