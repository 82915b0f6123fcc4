import { fromHex, toHex } from "../../../base/bytes.ts";

export const REVOKED = "revoked/";

export function revocationKey(nodeId: Uint8Array): string {
  return REVOKED + toHex(nodeId);
}

/**
 * The nodes whose certificates count no more, as the cluster's store has them below `revoked/`. A key
 * stands for a node, and its value for the words of whoever revoked it.
 */
export class Revocations {
  readonly #revoked = new Set<string>();
  readonly #onRevoked: (nodeId: Uint8Array) => void;
  readonly #keep: (ids: readonly string[]) => void;

  /**
   * `onRevoked`: closes the links of that node. `kept`: ids that were kept at the last start, in hex;
   * `keep`: keeps them for the next one, at which the store may not be reached.
   */
  constructor(
    onRevoked: (nodeId: Uint8Array) => void,
    kept: readonly string[] = [],
    keep: (ids: readonly string[]) => void = () => {},
  ) {
    this.#onRevoked = onRevoked;
    this.#keep = keep;
    for (const id of kept) this.#revoked.add(id);
  }

  get count(): number {
    return this.#revoked.size;
  }

  isRevoked(nodeId: Uint8Array): boolean {
    return this.#revoked.has(toHex(nodeId));
  }

  /** A key of another form is ignored. */
  add(key: string): void {
    const id = idOf(key);
    if (id === null || this.#revoked.has(id)) return;
    this.#revoked.add(id);
    this.#keep([...this.#revoked]);
    this.#onRevoked(fromHex(id));
  }

  /** The node may come again, with a certificate that still holds. */
  remove(key: string): void {
    const id = idOf(key);
    if (id !== null && this.#revoked.delete(id)) this.#keep([...this.#revoked]);
  }

  /** Takes a list of all keys, after changes were missed. */
  replace(keys: readonly string[]): void {
    const listed = new Set(keys.map(idOf));
    for (const id of [...this.#revoked]) if (!listed.has(id)) this.remove(REVOKED + id);
    for (const key of keys) this.add(key);
  }
}

function idOf(key: string): string | null {
  const id = key.startsWith(REVOKED) ? key.slice(REVOKED.length) : "";
  return /^[0-9a-f]{64}$/.test(id) ? id : null;
}
