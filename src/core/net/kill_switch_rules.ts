import { type Cidr, formatCidr } from "../../base/addr.ts";
import { nftTable } from "./nft_table.ts";
import { iptablesLink, nftLink } from "./rule_links.ts";

/** A network that is kept beside the tunnel on this link. */
export interface KeptNetwork {
  readonly link: string;
  readonly network: Cidr;
}

export interface KillSwitchWishes {
  /** The tunnel's device; null = there is none yet. */
  readonly device: string | null;
  /** The mark of the carrier's sockets. */
  readonly mark: number;
  readonly kept: readonly KeptNetwork[];
  /** Networks that the user has excluded, by whatever link. */
  readonly exclude: readonly Cidr[];
  /** The tunnel has the machine's name servers: those of kept networks are not asked. */
  readonly ownsNames: boolean;
}

/** DNS, and DNS over TLS or QUIC (RFC 7858, RFC 9250). */
const NAME_PORTS = [53, 853];

/** Returns a program for nft that puts the table in place. */
export function killSwitchNft(table: string, o: KillSwitchWishes): string {
  const kept = [
    ...o.exclude.map((to) => `${daddr(to)} accept`),
    ...(o.ownsNames ? REJECT_NAMES_NFT : []),
    ...keptNft(o),
  ];
  const output = [
    'oifname "lo" accept',
    ...deviceNft(o.device),
    `meta mark ${o.mark} accept`,
    // DHCP, the first messages of which pass no filter anyway.
    "udp sport 68 udp dport 67 accept",
    "ip6 daddr { fe80::/10, ff02::1:2 } udp sport 546 udp dport 547 accept",
    // Neighbours, routers, and the groups that both are heard by (RFC 4861, RFC 3810).
    "icmpv6 type { 133, 135, 136 } ip6 hoplimit 255 accept",
    "icmpv6 type { 131, 132, 143 } ip6 hoplimit 1 accept",
    ...kept,
  ];
  const forward = ['oifname "lo" accept', ...deviceNft(o.device), ...kept];
  return nftTable(table, [
    {
      name: "output",
      hook: "type filter hook output priority 0",
      rules: [...output, ...REJECT_NFT],
    },
    {
      name: "forward",
      hook: "type filter hook forward priority 0",
      rules: [...forward, ...REJECT_NFT],
    },
  ]);
}

/** A reset ends a connect() of this machine at once; an ICMP error would cost a second. */
const REJECT_NFT = [
  "meta l4proto tcp reject with tcp reset",
  "reject with icmpx type admin-prohibited",
];

const REJECT_NAMES_NFT = [
  `tcp dport { ${NAME_PORTS.join(", ")} } reject with tcp reset`,
  `udp dport { ${NAME_PORTS.join(", ")} } reject with icmpx type admin-prohibited`,
];

function deviceNft(device: string | null): string[] {
  return device === null ? [] : [`oifname ${nftLink(device)} accept`];
}

/** Link-local multicast belongs to a link's local networks: that is how printers are found. */
function keptNft({ kept }: KillSwitchWishes): string[] {
  const links = (family: 4 | 6) =>
    new Set(kept.filter(({ network }) => network.family === family).map(({ link }) => link));
  return [
    ...kept.map(({ link, network }) => `oifname ${nftLink(link)} ${daddr(network)} accept`),
    ...[...links(4)].map((link) => `oifname ${nftLink(link)} ip daddr 224.0.0.0/24 accept`),
    ...[...links(6)].map((link) => `oifname ${nftLink(link)} ip6 daddr ff02::/16 accept`),
  ];
}

function daddr(to: Cidr): string {
  return `${to.family === 4 ? "ip" : "ip6"} daddr ${formatCidr(to)}`;
}

/** Chains of the two hooks. */
export interface KillSwitchChains {
  readonly OUTPUT: string;
  readonly FORWARD: string;
}

/** Returns input for iptables-restore or ip6tables-restore, which fills the chains in one step. */
export function killSwitchIptables(
  family: 4 | 6,
  chains: KillSwitchChains,
  o: KillSwitchWishes,
): string {
  const device = o.device === null ? [] : [`-o ${iptablesLink(o.device)}`];
  const multicast = family === 4 ? "224.0.0.0/24" : "ff02::/16";
  const kept = o.kept.filter(({ network }) => network.family === family);
  const local = [
    ...kept.map(({ link, network }) => `-o ${iptablesLink(link)} -d ${formatCidr(network)}`),
    ...[...new Set(kept.map(({ link }) => link))].map((link) =>
      `-o ${iptablesLink(link)} -d ${multicast}`
    ),
  ];
  const always = family === 4 ? ["-p udp --sport 68 --dport 67"] : [
    "-d fe80::/10 -p udp --sport 546 --dport 547",
    "-d ff02::1:2 -p udp --sport 546 --dport 547",
    ...[133, 135, 136].map((type) => `-p icmpv6 --icmpv6-type ${type} -m hl --hl-eq 255`),
    ...[131, 132, 143].map((type) => `-p icmpv6 --icmpv6-type ${type} -m hl --hl-eq 1`),
  ];
  const prohibited = family === 4 ? "icmp-admin-prohibited" : "icmp6-adm-prohibited";
  const accept = (match: string) => `${match} -j ACCEPT`;
  const ports = `-m multiport --dports ${NAME_PORTS.join(",")}`;
  const names = [
    `-p tcp ${ports} -j REJECT --reject-with tcp-reset`,
    `-p udp ${ports} -j REJECT --reject-with ${prohibited}`,
  ];
  const excluded = o.exclude.filter((to) => to.family === family);
  const last = [
    ...excluded.map((to) => accept(`-d ${formatCidr(to)}`)),
    ...(o.ownsNames ? names : []),
    ...local.map(accept),
    "-p tcp -j REJECT --reject-with tcp-reset",
    `-j REJECT --reject-with ${prohibited}`,
  ];
  const lines = (chain: string, passes: readonly string[]) =>
    [...passes.map(accept), ...last].map((rule) => `-A ${chain} ${rule}`);
  return [
    "*filter",
    `:${chains.OUTPUT} - [0:0]`,
    `:${chains.FORWARD} - [0:0]`,
    ...lines(chains.OUTPUT, ["-o lo", ...device, `-m mark --mark ${o.mark}`, ...always]),
    ...lines(chains.FORWARD, ["-o lo", ...device]),
    "COMMIT",
    "",
  ].join("\n");
}
