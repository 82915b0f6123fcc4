import { type Cidr, formatCidr, networkOf, parseCidr } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { covers } from "../../base/prefix.ts";
import { isAcceptable } from "../link/v2/addresses.ts";
import { isClientName } from "../link/v2/client_name.ts";
import { PrefixTrie } from "./prefix_trie.ts";

/** A network behind the client of this name. */
export interface ClientNetwork {
  readonly name: string;
  readonly network: Cidr;
}

/** Networks behind clients are numbered by their place in the list. */
export class ClientNetworks {
  #list: readonly ClientNetwork[];
  #trie: PrefixTrie;

  constructor(list: readonly ClientNetwork[]) {
    this.#list = list;
    this.#trie = trieOf(list);
  }

  get list(): readonly ClientNetwork[] {
    return this.#list;
  }

  /** Numbers from before it mean nothing any more. */
  replace(list: readonly ClientNetwork[]): void {
    this.#list = list;
    this.#trie = trieOf(list);
  }

  /** Returns the number of the network of the address of `size` bytes at `at`; -1 = none. */
  find(bytes: Uint8Array, at: number, size: 4 | 16): number {
    return this.#trie.find(bytes, at, size);
  }

  /** Returns the numbers of the networks behind the client of that name; none for "". */
  of(name: string): readonly number[] {
    return [...this.list.keys()].filter((i) => name !== "" && this.list[i]!.name === name);
  }

  text(numbers: readonly number[]): string {
    return numbers.map((i) => formatCidr(this.list[i]!.network)).join(",");
  }
}

function trieOf(list: readonly ClientNetwork[]): PrefixTrie {
  return new PrefixTrie(list.map(({ network }) => network));
}

/** Reads `NAME=CIDR`. @throws {TtunError} usage */
export function parseClientNetwork(text: string): ClientNetwork {
  const at = text.indexOf("=");
  const name = text.slice(0, Math.max(at, 0)).toLowerCase();
  if (!isClientName(name)) {
    throw new TtunError(
      "usage",
      `Cannot read ${JSON.stringify(text)}: write a client's name, = and a network, ` +
        "as laptop=192.168.7.0/24",
    );
  }
  const network = networkOf(parseCidr(text.slice(at + 1)));
  if (!isAcceptable(network)) {
    throw new TtunError(
      "usage",
      `Cannot have ${formatCidr(network)} behind a client: it is too large or no network of ` +
        "hosts; give at least /8 (IPv6: /32)",
    );
  }
  return { name, network };
}

/** Checks that no network has two clients or overlaps the pool. @throws {TtunError} usage */
export function checkClientNetworks(list: readonly ClientNetwork[], pool: readonly Cidr[]): void {
  const seen = new Map<string, string>();
  for (const { name, network } of list) {
    const text = formatCidr(network);
    const other = seen.get(text);
    if (other !== undefined) {
      throw new TtunError(
        "usage",
        `Cannot have ${text} behind ${other} and ${name}: give it to one client`,
      );
    }
    seen.set(text, name);
    const inPool = pool.find((one) => covers(one, network.bytes) || covers(network, one.bytes));
    if (inPool !== undefined) {
      throw new TtunError(
        "usage",
        `Cannot have ${text} behind ${name}: it overlaps --pool ${formatCidr(inPool)}`,
      );
    }
  }
}
