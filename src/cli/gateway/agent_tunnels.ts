import type { Tunnel } from "../../app/gateway/dial_agent.ts";
import type { TunnelConfig } from "./plane_config.ts";

/** Names of tunnels by how they differ from those before. */
export interface TunnelChanges {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
}

interface OpenedTunnel {
  /** Its config as text, which tells whether it is the same. */
  readonly text: string;
  readonly tunnel: Tunnel;
}

/** The tunnels of an agent, which may be others later: those that stay the same go on as they are. */
export class AgentTunnels {
  readonly #open: (config: TunnelConfig) => Tunnel;
  #opened: ReadonlyMap<string, OpenedTunnel> = new Map();
  #all: readonly Tunnel[] = [];

  /** `open` may throw. */
  constructor(open: (config: TunnelConfig) => Tunnel) {
    this.#open = open;
  }

  /** Another list when something has changed. */
  get all(): readonly Tunnel[] {
    return this.#all;
  }

  /** Takes these in place of those before. Throws as `open`, and changes nothing then. */
  replace(configs: readonly TunnelConfig[]): TunnelChanges {
    const before = this.#opened;
    const next = new Map<string, OpenedTunnel>();
    const added: string[] = [];
    const changed: string[] = [];
    for (const config of configs) {
      const { name } = config;
      const text = textOf(config);
      const known = before.get(name);
      if (known?.text === text) {
        next.set(name, known);
        continue;
      }
      next.set(name, { text, tunnel: this.#open(config) });
      (known === undefined ? added : changed).push(name);
    }
    const removed = [...before.keys()].filter((name) => !next.has(name));
    this.#opened = next;
    for (const [name, known] of before) {
      if (next.get(name) !== known) known.tunnel.end?.();
    }
    if (added.length + changed.length + removed.length > 0) {
      this.#all = [...next.values()].map(({ tunnel }) => tunnel);
    }
    return { added, changed, removed };
  }
}

function textOf(config: TunnelConfig): string {
  return JSON.stringify(config, (_, value) => value instanceof Uint8Array ? [...value] : value);
}
