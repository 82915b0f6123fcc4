import { type Cidr, formatCidr, networkOf } from "../base/addr.ts";
import { TtunError } from "../base/errors.ts";
import { isAcceptable } from "./link/addresses.ts";

interface Slot {
  readonly addresses: readonly Cidr[];
  /** Who has it, or had it last. */
  owner: string | null;
  isFree: boolean;
  /** When it was given back, in the order of such events. */
  freedAt: number;
}

/**
 * Addresses for so many clients: one from each network. Who comes back gets what he had, as long
 * as nobody else needed it meanwhile.
 */
export class AddressPool {
  readonly #slots: Slot[];
  #events = 0;

  /**
   * `taken`: the server's own addresses.
   * @throws {TtunError} usage, when a network is too small
   */
  constructor(networks: readonly Cidr[], taken: readonly Cidr[], clients: number) {
    const columns = networks.map((network) => hosts(network, taken, clients));
    this.#slots = Array.from({ length: clients }, (_, i) => ({
      addresses: columns.map((column) => column[i]!),
      owner: null,
      isFree: true,
      freedAt: 0,
    }));
  }

  /** Addresses for this client until `release`; null when all are given out. */
  lease(client: string): readonly Cidr[] | null {
    const free = this.#slots.filter(({ isFree }) => isFree);
    const slot = free.find(({ owner }) => owner === client) ??
      free.toSorted((a, b) => a.freedAt - b.freedAt)[0];
    if (slot === undefined) return null;
    slot.owner = client;
    slot.isFree = false;
    return slot.addresses;
  }

  /** Gives back what `lease` gave. */
  release(addresses: readonly Cidr[]): void {
    const slot = this.#slots.find((candidate) => candidate.addresses === addresses);
    if (slot === undefined) return;
    slot.isFree = true;
    slot.freedAt = ++this.#events;
  }
}

/** The server's own address in a network of its pool, where the user names none: the first. */
export function firstHost(network: Cidr): Cidr {
  return hosts(network, [], 1)[0]!;
}

/** The first `count` addresses of a network that a machine may have, without those taken. */
function hosts(network: Cidr, taken: readonly Cidr[], count: number): Cidr[] {
  const { family, bytes, prefix } = networkOf(network);
  const bits = bytes.length * 8 - prefix;
  // Of IPv4 the last one is for broadcast; the first is the network itself (IPv6: all its routers).
  const last = (bits > 30 ? 2 ** 30 : 2 ** bits) - (family === 4 ? 2 : 1);
  const used = new Set(taken.map((cidr) => formatCidr({ ...cidr, prefix })));
  const found: Cidr[] = [];
  for (let i = 1; i <= last && found.length < count; i++) {
    const host: Cidr = { family, bytes: plus(bytes, i), prefix };
    if (!isAcceptable(host)) {
      throw new TtunError(
        "usage",
        `Cannot give clients addresses of ${formatCidr(network)}: no client takes such a one; ` +
          "give a --pool as 10.9.0.0/24 or fd00:9::/64",
      );
    }
    if (!used.has(formatCidr(host))) found.push(host);
  }
  if (found.length < count) {
    throw new TtunError(
      "usage",
      `Cannot give ${count} clients addresses of ${formatCidr(network)}: it has only ` +
        `${found.length}; give a larger --pool or fewer --clients`,
    );
  }
  return found;
}

function plus(bytes: Uint8Array, n: number): Uint8Array {
  const sum = bytes.slice();
  for (let i = sum.length - 1, rest = n; rest > 0 && i >= 0; i--) {
    const value = sum[i]! + rest % 256;
    sum[i] = value;
    rest = Math.floor(rest / 256) + (value > 255 ? 1 : 0);
  }
  return sum;
}
