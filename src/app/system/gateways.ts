import type { ClientNetworks } from "../../core/ip/client_networks.ts";

export interface Gateway {
  /** The networks behind it as the log shows them; "" = none. */
  readonly text: string;
  /** An earlier client of the same name has the networks. */
  readonly isSecond: boolean;
}

const NONE: Gateway = { text: "", isSecond: false };

/** Of two clients of one name the first has the networks until it leaves: it may be dead. */
export class Gateways {
  readonly #networks: ClientNetworks | undefined;
  readonly #byName = new Map<string, Set<object>>();

  constructor(networks: ClientNetworks | undefined) {
    this.#networks = networks;
  }

  /** `client` identifies the session until `leave`. */
  enter(name: string, client: object): Gateway {
    if (this.#networks === undefined || name === "") return NONE;
    const clients = this.#byName.get(name) ?? new Set();
    this.#byName.set(name, clients.add(client));
    const text = this.#networks.text(this.#networks.of(name));
    return { text, isSecond: text !== "" && clients.size > 1 };
  }

  leave(name: string, client: object): void {
    const clients = this.#byName.get(name);
    clients?.delete(client);
    if (clients?.size === 0) this.#byName.delete(name);
  }
}
