import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import { type Cidr, formatCidr, parseCidr } from "../../base/addr.ts";
import { longestMatch } from "../../base/prefix.ts";
import { isLocalNetwork } from "./local_networks.ts";
import { type TableEntry, type TableWishes, tunnelTable } from "./tunnel_table.ts";

const cidrs = (...texts: string[]) => texts.map(parseCidr);

function table(o: Partial<TableWishes>) {
  const none = { own: [], connected: [], exclude: [], nameServers: [] };
  return tunnelTable({ families: [4, 6], ...none, ...o });
}

const text = (entries: TableEntry[]) => entries.map(({ to, way }) => `${formatCidr(to)} ${way}`);

Deno.test("tunnel's table: a family without an address is refused", () => {
  deepEqual(text(table({ families: [4] })), ["0.0.0.0/0 tunnel", "::/0 refused"]);
  deepEqual(text(table({ families: [6] })), ["0.0.0.0/0 refused", "::/0 tunnel"]);
});

Deno.test("tunnel's table: connected networks are kept if no host of the internet has them", () => {
  const connected = cidrs(
    ...["192.168.1.7/24", "203.0.113.9/24", "0.0.0.0/1", "172.16.0.5/8", "10.0.0.1/8"],
    ...["fe80::1/64", "fd00:1::5/64", "2001:db8::5/64"],
  );
  deepEqual(text(table({ connected })).slice(2), [
    "192.168.1.0/24 beside",
    "10.0.0.0/8 beside",
    "fe80::/64 beside",
    "fd00:1::/64 beside",
  ]);
});

Deno.test("tunnel's table: the tunnel's own networks are no access point's to take", () => {
  const own = cidrs("10.1.1.0/30", "fe80::/64", "0.0.0.0/1");
  const connected = cidrs("10.1.1.2/31", "10.1.1.2/30", "10.0.0.9/8", "fe80::3/64");
  deepEqual(text(table({ own, connected })).slice(2), [
    "10.0.0.0/8 beside",
    "fe80::/64 beside",
    "10.1.1.0/30 tunnel",
  ]);
});

Deno.test("tunnel's table: no lease of an access point has the tunnel's name servers", () => {
  const connected = cidrs("192.168.7.2/24", "10.0.0.53/32", "fd00:1::5/64");
  const nameServers = cidrs("192.168.7.53/32", "10.0.0.53/32", "fd00:1::53/128", "9.9.9.9/32");
  deepEqual(text(table({ connected, nameServers })).slice(2), [
    "192.168.7.0/24 beside",
    "10.0.0.53/32 tunnel",
    "fd00:1::/64 beside",
    "192.168.7.53/32 tunnel",
    "fd00:1::53/128 tunnel",
  ]);
  // Neither one that the user excludes, nor a family that the tunnel has not.
  const exclude = cidrs("192.168.7.0/24");
  deepEqual(text(table({ families: [4], exclude, nameServers })).slice(2), [
    "10.0.0.53/32 tunnel",
    "192.168.7.0/24 beside",
  ]);
});

Deno.test("tunnel's table: what the user excludes comes first", () => {
  const exclude = cidrs("203.0.113.7/24", "10.1.1.0/30");
  deepEqual(text(table({ exclude, own: cidrs("10.1.1.0/30") })).slice(2), [
    "10.1.1.0/30 beside",
    "203.0.113.0/24 beside",
  ]);
});

Deno.test("tunnel's table: no address of the internet is beside the tunnel, whatever is connected", () => {
  const network = fc.record({
    bytes: fc.uint8Array({ minLength: 4, maxLength: 4 }),
    prefix: fc.integer({ min: 0, max: 32 }),
  }).map(({ bytes, prefix }): Cidr => ({ family: 4, bytes, prefix }));
  fc.assert(fc.property(
    fc.array(network, { maxLength: 8 }),
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    (connected, address) => {
      const entries = table({ connected }).map(({ to, way }) => ({ cidr: to, way }));
      const host: Cidr = { family: 4, bytes: address, prefix: 32 };
      if (!isLocalNetwork(host)) equal(longestMatch(entries, address)!.way, "tunnel");
    },
  ));
});
