/**
 * Returns a link's name for a rule of nft. The kernel allows names that cannot stand there; a rule
 * for such a link never matches.
 */
export function nftLink(link: string): string {
  return `"${link.replaceAll(/["\\\n*]/g, "?")}"`;
}

/** Returns it for iptables-restore and ip6tables-restore. */
export function iptablesLink(link: string): string {
  return link.replaceAll(/[^A-Za-z0-9._@-]/g, "?");
}
