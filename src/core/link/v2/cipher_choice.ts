import type { CipherName } from "../../../contract/cipher.ts";

/** Nanoseconds to seal 16 KiB at one end, by cipher. */
export type CipherCosts = Readonly<Partial<Record<CipherName, number>>>;

/**
 * How a cipher was chosen: by the server's order, by the speeds of both ends, or since this end's
 * user has named it.
 */
export type CipherReason = "order" | "speed" | "named";

/** Ciphers of one end, best first. */
export interface CipherWishes {
  readonly ciphers: readonly CipherName[];
  /** Null = its user has named the first; undefined = they are not known. */
  readonly costs?: CipherCosts | null | undefined;
}

/**
 * Chooses a client's cipher (docs/wire/link-v2.md, TLV 81): where the server leaves it open, that
 * whose slower end is fastest. Returns null if there is none in common.
 */
export function chooseCipher(
  server: CipherWishes,
  own: CipherWishes,
): { readonly name: CipherName; readonly reason: CipherReason } | null {
  const common = server.ciphers.filter((name) => own.ciphers.includes(name));
  if (common.length === 0) return null;
  const isOpen = server.costs !== undefined && server.costs !== null;
  const [named] = own.ciphers;
  if (isOpen && own.costs === null && common.includes(named!)) {
    return { name: named!, reason: "named" };
  }
  if (!isOpen || own.costs === null) return { name: common[0]!, reason: "order" };
  const slower = (name: CipherName) =>
    Math.max(server.costs![name] ?? Infinity, own.costs?.[name] ?? 0);
  const name = common.reduce((best, one) => slower(one) < slower(best) ? one : best);
  return { name, reason: "speed" };
}
