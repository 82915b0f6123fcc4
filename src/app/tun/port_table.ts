import type { Cidr } from "../../base/addr.ts";
import type { Logger } from "../../base/log.ts";
import type { ClientNetworks } from "../../core/ip/client_networks.ts";
import type { PoolPort } from "./pool_port.ts";

export class PortTable {
  readonly #log: Logger;
  readonly #ports = new Set<PoolPort>();
  /** Ports by the last four bytes of each address, which are unique in an address pool. */
  readonly #routes = { 4: new Map<number, PoolPort>(), 16: new Map<number, PoolPort>() };
  readonly #networks: ClientNetworks;
  /** By network number: the port that the network is behind; null if it is not connected. */
  #behind: (PoolPort | null)[] = [];

  constructor(networks: ClientNetworks, log: Logger) {
    this.#networks = networks;
    this.#log = log;
    this.networksChanged();
  }

  /** In the order of their coming. */
  get ports(): ReadonlySet<PoolPort> {
    return this.#ports;
  }

  /**
   * Its addresses are the port's from now on, and its networks where no other session has them: the
   * newest link of a session takes the place of those before.
   */
  add(port: PoolPort): void {
    const before = this.#newestOf(port);
    this.#ports.add(port);
    this.#give(port.addresses, port);
    for (const number of this.#networks.of(port.name)) {
      const behind = this.#behind[number];
      if (behind == null || behind === before) this.#behind[number] = port;
    }
  }

  #give(addresses: readonly Cidr[], port: PoolPort): void {
    for (const { bytes } of addresses) this.#routesOf(bytes).set(lastWord(bytes), port);
  }

  /** The newest port of this one's session; undefined = there is none, or no session. */
  #newestOf({ session }: PoolPort): PoolPort | undefined {
    if (session === undefined) return undefined;
    return [...this.#ports].findLast((one) => one.session === session);
  }

  /** There are other networks now: each is behind the first session of its client's name. */
  networksChanged(): void {
    const ports = [...this.#ports];
    this.#behind = this.#networks.list.map((one) => {
      const first = ports.find(({ name }) => name === one.name);
      return first === undefined ? null : this.#newestOf(first) ?? first;
    });
  }

  delete(port: PoolPort): void {
    this.#ports.delete(port);
    const own = port.addresses.filter(({ bytes }) =>
      this.#routesOf(bytes).get(lastWord(bytes)) === port
    );
    const left = this.#networks.of(port.name).filter((number) => this.#behind[number] === port);
    const older = this.#newestOf(port);
    if (older !== undefined) {
      this.#give(own, older);
      for (const number of left) this.#behind[number] = older;
      return;
    }
    for (const { bytes } of own) this.#routesOf(bytes).delete(lastWord(bytes));
    for (const number of left) this.#behind[number] = null;
    if (left.length > 0) this.#handOver(left);
  }

  /** Passes networks on to the next port with the same client name. */
  #handOver(numbers: readonly number[]): void {
    for (const next of this.#ports) {
      const taken = this.#networks.of(next.name).filter((number) =>
        numbers.includes(number) && this.#behind[number] === null
      );
      if (taken.length === 0) continue;
      for (const number of taken) this.#behind[number] = next;
      this.#log.info("networks are behind another client of their client's name now", {
        peer: next.peer,
        networks: this.#networks.text(taken),
      });
    }
  }

  #routesOf({ length }: Uint8Array): Map<number, PoolPort> {
    return this.#routes[length === 4 ? 4 : 16];
  }

  find(bytes: Uint8Array, at: number, size: 4 | 16): PoolPort | null {
    const port = this.#routes[size].get(wordAt(bytes, at + size - 4));
    return port?.has(bytes, at, size) === true ? port : this.#findBehind(bytes, at, size);
  }

  isOf(port: PoolPort, bytes: Uint8Array, at: number, size: 4 | 16): boolean {
    return port.has(bytes, at, size) || isSame(this.#findBehind(bytes, at, size), port);
  }

  #findBehind(bytes: Uint8Array, at: number, size: 4 | 16): PoolPort | null {
    if (this.#behind.length === 0) return null;
    return this.#behind[this.#networks.find(bytes, at, size)] ?? null;
  }
}

/** True for links of one session too. */
function isSame(one: PoolPort | null, other: PoolPort): boolean {
  if (one === other) return true;
  return one !== null && one.session !== undefined && one.session === other.session;
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

function lastWord(bytes: Uint8Array): number {
  return wordAt(bytes, bytes.length - 4);
}
