import type { ClientNetworks } from "../../core/ip/client_networks.ts";

export interface Gateway {
  readonly networks: readonly number[];
  /** The networks as the log shows them. */
  readonly text: string;
  /** An earlier client of the same name has the networks. */
  readonly isSecond: boolean;
}

const NONE: Gateway = { networks: [], text: "", isSecond: false };

/** Of two clients of one name the first has the networks until it leaves: it may be dead. */
export class Gateways {
  readonly #networks: ClientNetworks | undefined;
  readonly #byName = new Map<string, Set<object>>();

  constructor(networks: ClientNetworks | undefined) {
    this.#networks = networks;
  }

  /** `client` identifies the session until `leave`. */
  enter(name: string, client: object): Gateway {
    const networks = this.#networks?.of(name) ?? [];
    if (this.#networks === undefined || networks.length === 0) return NONE;
    const clients = this.#byName.get(name) ?? new Set();
    this.#byName.set(name, clients.add(client));
    return { networks, text: this.#networks.text(networks), isSecond: clients.size > 1 };
  }

  leave(name: string, client: object): void {
    const clients = this.#byName.get(name);
    clients?.delete(client);
    if (clients?.size === 0) this.#byName.delete(name);
  }
}
