/** Two hosts behind a NAT or firewall each, which have public addresses side by side. */
import { Host, linkHosts } from "./netns.ts";
import { hostBehind } from "./networks.ts";

/** `open`: no NAT, no firewall, the host itself has the public address. */
export type NatKind = "open" | "firewall" | "port-restricted" | "remapping";

/** Rules of iptables for each kind; `wan` is the public side. */
const RULES: Readonly<Record<Exclude<NatKind, "open">, string>> = {
  firewall: "",
  "port-restricted": "iptables -t nat -A POSTROUTING -o wan -j MASQUERADE",
  remapping: "iptables -t nat -A POSTROUTING -o wan -j MASQUERADE --random-fully",
};

/** Nothing that nobody inside has asked for gets in. */
const CLOSED = `
  iptables -A INPUT -i wan -m conntrack ! --ctstate ESTABLISHED,RELATED -j DROP
  iptables -A FORWARD -i wan -m conntrack ! --ctstate ESTABLISHED,RELATED -j DROP`;

export const PUBLIC = ["198.51.100.1", "198.51.100.2"] as const;

export interface NatLab extends AsyncDisposable {
  /** Hosts with the public addresses of the same number; a host behind a firewall has it itself. */
  readonly hosts: readonly [Host, Host];
  /** NATs and firewalls of the same number; of an open end it is the host. */
  readonly edges: readonly [Host, Host];
}

/** Makes the host a NAT or firewall of that kind, whose public side is `wan`. */
export async function guard(edge: Host, kind: NatKind): Promise<void> {
  if (kind !== "open") await edge.sh(`${RULES[kind]}\n${CLOSED}`);
}

export async function natLab(...kinds: [NatKind, NatKind]): Promise<NatLab> {
  await using cleanup = new AsyncDisposableStack();
  const edges = [cleanup.use(await Host.create()), cleanup.use(await Host.create())] as const;
  await linkHosts(edges[0], edges[1], {
    ifname: "wan",
    v4: [`${PUBLIC[0]}/24`, `${PUBLIC[1]}/24`],
  });
  const hosts = [];
  for (const [i, kind] of kinds.entries()) {
    const edge = edges[i]!;
    await guard(edge, kind);
    const isEdge = kind === "open" || kind === "firewall";
    hosts.push(isEdge ? edge : cleanup.use(await hostBehind(edge, `6${i}`)));
  }
  const kept = cleanup.move();
  return { hosts: hosts as [Host, Host], edges, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
