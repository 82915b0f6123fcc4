import {
  addressRecord,
  authorityRecord,
  nameServerRecord,
  textRecord,
  type ZoneRecord,
} from "../dns/server/record.ts";
import { Zone } from "../dns/server/zone.ts";

/** The part of one node in the zone, told to those that answer for the zone. */
export interface ZoneMember {
  /** Addresses of its gateway; none, if it takes no visitors or does not know them. */
  readonly visitors: readonly string[];
  /** The name under which it answers for the zone, and its own addresses; null = it does not. */
  readonly server: { readonly name: string; readonly addresses: readonly string[] } | null;
}

/** A text that proves to a certificate authority whose a name is (RFC 8555 section 8.4). */
export interface Challenge {
  /** Name in the zone, without the zone's own: `_acme-challenge`, or below it. */
  readonly label: string;
  readonly text: string;
}

/** Seconds for which records are kept: nodes come and go, challenges within a second. */
const ADDRESS_TTL = 60;
const SERVER_TTL = 300;
const CHALLENGE_TTL = 1;
const NEGATIVE_TTL = 10;

/** Of each kind: more would not fit into a datagram. */
const MOST_ADDRESSES = 32;
const MOST_SERVERS = 8;
const MOST_TEXTS = 8;

export const CHALLENGE = "_acme-challenge";

export interface ZoneContent {
  readonly zone: string;
  /** The zone is the apex of published services; if not, it has challenges alone. */
  readonly isApex: boolean;
  readonly members: readonly ZoneMember[];
  readonly challenges: readonly Challenge[];
  /** Day of the zone's state, in days since 1970: each node that answers says so alike. */
  readonly day: number;
}

/** Makes the zone that all nodes with a DNS server answer from. */
export function gatewayZone({ zone, isApex, members, challenges, day }: ZoneContent): Zone {
  const servers = members.flatMap(({ server }) => server ?? []).sort(byName).slice(0, MOST_SERVERS);
  const names = [...new Set(servers.map(({ name }) => name))];
  const start = { server: names[0] ?? zone, serial: day, negativeTtl: NEGATIVE_TTL };
  const records: ZoneRecord[] = [
    authorityRecord(zone, start),
    ...names.map((name) => nameServerRecord(zone, name, SERVER_TTL)),
    // The servers' own names, where they are in the zone itself.
    ...servers.filter(({ name }) => name.endsWith(`.${zone}`)).flatMap(({ name, addresses }) =>
      addresses.slice(0, MOST_ADDRESSES).map((one) => addressRecord(name, one, SERVER_TTL))
    ),
  ];
  if (isApex) {
    const addresses = [...new Set(members.flatMap(({ visitors }) => visitors))].sort();
    for (const address of addresses.slice(0, MOST_ADDRESSES)) {
      records.push(addressRecord(zone, address, ADDRESS_TTL));
      records.push(addressRecord(`*.${zone}`, address, ADDRESS_TTL));
    }
  }
  const counts = new Map<string, number>();
  for (const { label, text } of challenges) {
    const count = counts.get(label) ?? 0;
    counts.set(label, count + 1);
    if (count < MOST_TEXTS) records.push(textRecord(`${label}.${zone}`, text, CHALLENGE_TTL));
  }
  return new Zone(zone, records);
}

/** Returns true for names that have challenges, now or at another time. */
export function isChallengeName(name: string, zone: string): boolean {
  return name === `${CHALLENGE}.${zone}` || name.endsWith(`.${CHALLENGE}.${zone}`);
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : Number(a.name > b.name);
}
