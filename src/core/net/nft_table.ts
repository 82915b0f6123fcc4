/** A base chain of a table, which accepts what no rule of it refuses. */
export interface NftChain {
  readonly name: string;
  /** Its type and place, as "type filter hook output priority 0". */
  readonly hook: string;
  readonly rules: readonly string[];
}

/**
 * Returns a program for nft that puts the table in place, or another in the place of an earlier one,
 * in one transaction: there is no moment without it.
 */
export function nftTable(table: string, chains: readonly NftChain[]): string {
  const texts = chains.map(({ name, hook, rules }) => `
  chain ${name} {
    ${hook}; policy accept;
    ${rules.join("\n    ")}
  }`);
  return `
add table inet ${table}
delete table inet ${table}
add table inet ${table} {${texts.join("")}
}
`;
}
