import { fromHex, toHex } from "../../base/bytes.ts";

/** Packs values of a Worker's config into the text of an endpoint; bytes become hexadecimal. */
export function pack(value: unknown): string {
  return JSON.stringify(value, (_, one) => one instanceof Uint8Array ? { hex: toHex(one) } : one);
}

/** Reads what `pack` has written, in the same program. */
export function unpack<T>(text: string): T {
  return JSON.parse(text, (_, one) => {
    const hex = (one as { readonly hex?: unknown } | null)?.hex;
    return typeof hex === "string" ? fromHex(hex) : one;
  }) as T;
}
