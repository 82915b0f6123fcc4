import { type Cidr, formatCidr } from "../../base/addr.ts";
import { nftTable } from "./nft_table.ts";
import { iptablesLink, nftLink } from "./rule_links.ts";

/** A link with the address that packets of a tunnel leave the machine with. */
export interface Uplink {
  readonly family: 4 | 6;
  readonly link: string;
}

export interface NatWishes {
  readonly device: string;
  readonly uplinks: readonly Uplink[];
  /** Networks of the device, and those behind its peers. */
  readonly networks: readonly Cidr[];
}

/**
 * Returns a program for nft that puts the table in place. The segment size is that of the path in
 * both directions (`rt mtu`). From the uplink only answers reach clients, and what the administrator
 * forwards to them (DNAT): neighbours there could send packets for the tunnel's networks to this
 * machine.
 */
export function natNft(table: string, o: NatWishes): string {
  const masquerade = sources(o).map(({ link, network }) =>
    `oifname ${nftLink(link)} ${network.family === 4 ? "ip" : "ip6"} saddr ${
      formatCidr(network)
    } masquerade`
  );
  const clamp = ["iifname", "oifname"].map((way) =>
    `${way} ${nftLink(o.device)} tcp flags & (syn|rst) == syn tcp option maxseg size set rt mtu`
  );
  const enter = uplinkNames(o).map((link) =>
    `iifname ${nftLink(link)} oifname ${nftLink(o.device)}`
  );
  const guard = enter.flatMap((way) => [
    `${way} ct state established,related accept`,
    `${way} ct status dnat accept`,
    `${way} drop`,
  ]);
  return nftTable(table, [
    {
      name: "postrouting",
      hook: "type nat hook postrouting priority 100",
      rules: masquerade,
    },
    {
      name: "forward",
      hook: "type filter hook forward priority -150",
      rules: [...clamp, ...guard],
    },
  ]);
}

export type NatTable = "nat" | "mangle" | "filter";

/** Rules of a chain of ttun's, to which a built-in chain jumps. */
export interface NatChain {
  readonly table: NatTable;
  readonly builtIn: "POSTROUTING" | "FORWARD";
  /** Returns input for iptables-restore or ip6tables-restore, which fills the chain in one step. */
  text(family: 4 | 6, chain: string): string;
}

/** Returns chains for iptables, which also decide what its own ones may drop of the forwarded. */
export function natIptables(o: NatWishes): NatChain[] {
  const device = iptablesLink(o.device);
  const masquerade = (family: 4 | 6) =>
    sources(o).filter(({ network }) => network.family === family).map(({ link, network }) =>
      `-o ${iptablesLink(link)} -s ${formatCidr(network)} -j MASQUERADE`
    );
  const clamp = ["-i", "-o"].map((way) =>
    `${way} ${device} -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu`
  );
  const filter = [
    `-i ${device} -j ACCEPT`,
    `-o ${device} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
    ...uplinkNames(o).map((link) =>
      `-i ${iptablesLink(link)} -o ${device} -m conntrack ! --ctstate DNAT -j DROP`
    ),
  ];
  return [
    { table: "nat", builtIn: "POSTROUTING", text: restoreText("nat", masquerade) },
    { table: "mangle", builtIn: "FORWARD", text: restoreText("mangle", () => clamp) },
    { table: "filter", builtIn: "FORWARD", text: restoreText("filter", () => filter) },
  ];
}

function restoreText(
  table: NatTable,
  rules: (family: 4 | 6) => readonly string[],
): NatChain["text"] {
  return (family, chain) => {
    const lines = rules(family).map((rule) => `-A ${chain} ${rule}`);
    return [`*${table}`, `:${chain} - [0:0]`, ...lines, "COMMIT", ""].join("\n");
  };
}

function uplinkNames({ uplinks }: NatWishes): string[] {
  return [...new Set(uplinks.map(({ link }) => link))];
}

function sources({ uplinks, networks }: NatWishes) {
  return uplinks.flatMap(({ family, link }) =>
    networks.filter((network) => network.family === family).map((network) => ({ link, network }))
  );
}

/**
 * Returns a chain of others that drops what no rule of theirs lets through, as "inet filter
 * forward": what one table accepts, another may still drop. Null = there is none, or it is unknown.
 * `listing`: what nft lists as JSON.
 */
export function droppingChain(listing: string): string | null {
  let parsed: { nftables?: readonly { chain?: Readonly<Record<string, unknown>> }[] };
  try {
    parsed = JSON.parse(listing);
  } catch {
    return null; // an nft without JSON
  }
  const found = parsed.nftables?.find(({ chain }) =>
    chain?.hook === "forward" && chain.policy === "drop"
  )?.chain;
  return found === undefined ? null : `${found.family} ${found.table} ${found.name}`;
}
