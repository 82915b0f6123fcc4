/** Two hosts behind a NAT or firewall each, which have public addresses side by side. */
import { Host, linkHosts } from "./netns.ts";
import { hostBehind } from "./networks.ts";

/**
 * `open`: no NAT, no firewall, the host itself has the public address. `full-cone`: passes what comes
 * to any port to the host inside. `reset`: as `port-restricted`, but it answers what it does not let
 * in. `ipv6-firewall`: as `firewall`, without IPv4.
 */
export type NatKind =
  | "open"
  | "full-cone"
  | "port-restricted"
  | "reset"
  | "remapping"
  | "firewall"
  | "ipv6-firewall";

const MASQUERADE = "iptables -t nat -A POSTROUTING -o wan -j MASQUERADE";

/** Nothing that nobody inside has asked for gets in. */
const closed = (how: string, iptables = "iptables") => `
  ${iptables} -A INPUT -i wan -p tcp -m conntrack ! --ctstate ESTABLISHED,RELATED -j ${how}
  ${iptables} -A FORWARD -i wan -p tcp -m conntrack ! --ctstate ESTABLISHED,RELATED -j ${how}`;

/** Rules of iptables for each kind; `wan` is the public side, `inside` the host's address. */
const RULES: Readonly<Record<NatKind, (inside: string) => string>> = {
  open: () => "",
  firewall: () => closed("DROP"),
  "ipv6-firewall": () => closed("DROP", "ip6tables"),
  "full-cone": (inside) => `
    ${MASQUERADE}
    iptables -t nat -A PREROUTING -i wan -p tcp --dport 1024: -j DNAT --to-destination ${inside}
    iptables -A FORWARD -i wan -m conntrack --ctstate DNAT -j ACCEPT
    ${closed("DROP")}`,
  "port-restricted": () => MASQUERADE + closed("DROP"),
  reset: () => MASQUERADE + closed("REJECT --reject-with tcp-reset"),
  remapping: () => `${MASQUERADE} --random-fully${closed("DROP")}`,
};

/** Kinds of which the host itself has the public address. */
const WITHOUT_NAT: readonly NatKind[] = ["open", "firewall", "ipv6-firewall"];

export const PUBLIC = ["198.51.100.1", "198.51.100.2"] as const;

export interface NatLab extends AsyncDisposable {
  /** Hosts with the public addresses of the same number; a host behind a firewall has it itself. */
  readonly hosts: readonly [Host, Host];
  /** NATs and firewalls of the same number; of an open end it is the host. */
  readonly edges: readonly [Host, Host];
}

/**
 * Makes `edge`, whose public side is `wan`, a NAT or firewall of that kind; returns the host behind
 * it, which the caller owns, or itself. `number`: of the network inside.
 */
export async function hostGuarded(edge: Host, kind: NatKind, number: number): Promise<Host> {
  await edge.sh(RULES[kind](`10.${number}.0.2`));
  return WITHOUT_NAT.includes(kind) ? edge : await hostBehind(edge, `${number}`);
}

export async function natLab(...kinds: [NatKind, NatKind]): Promise<NatLab> {
  await using cleanup = new AsyncDisposableStack();
  const edges = [cleanup.use(await Host.create()), cleanup.use(await Host.create())] as const;
  await linkHosts(edges[0], edges[1], {
    ifname: "wan",
    v4: [`${PUBLIC[0]}/24`, `${PUBLIC[1]}/24`],
  });
  const hosts: Host[] = [];
  for (const [i, kind] of kinds.entries()) {
    const host = await hostGuarded(edges[i]!, kind, 60 + i);
    hosts.push(host === edges[i] ? host : cleanup.use(host));
  }
  const kept = cleanup.move();
  return { hosts: hosts as [Host, Host], edges, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
