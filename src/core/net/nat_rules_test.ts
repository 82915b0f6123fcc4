import assert from "node:assert/strict";
import { parseCidr } from "../../base/addr.ts";
import { droppingChain, natIptables, natNft } from "./nat_rules.ts";

const WISHES = {
  device: "ttun0",
  uplinks: [{ family: 4, link: "eth0" }, { family: 6, link: "eth1" }],
  networks: ["10.1.1.0/30", "10.20.0.0/24", "fc11::/126"].map(parseCidr),
} as const;

Deno.test("nft: each network leaves by the uplink of its family, under that one's address", () => {
  const text = natNft("ttun_nat_7", WISHES);
  assert.deepEqual(text.match(/oifname .* masquerade/g), [
    'oifname "eth0" ip saddr 10.1.1.0/30 masquerade',
    'oifname "eth0" ip saddr 10.20.0.0/24 masquerade',
    'oifname "eth1" ip6 saddr fc11::/126 masquerade',
  ]);
  assert.equal(text.match(/"ttun0" tcp flags .* set rt mtu/g)?.length, 2);
  assert.match(text, /^add table inet ttun_nat_7\ndelete table inet ttun_nat_7\n/m);
});

Deno.test("from an uplink only answers, and what was forwarded on purpose, reach clients", () => {
  const guard = natNft("t", WISHES).match(/iifname "eth0" oifname .*/g);
  assert.deepEqual(guard, [
    'iifname "eth0" oifname "ttun0" ct state established,related accept',
    'iifname "eth0" oifname "ttun0" ct status dnat accept',
    'iifname "eth0" oifname "ttun0" drop',
  ]);
  const filter = natIptables(WISHES)[2]!;
  assert.deepEqual(filter.text(4, "c").match(/-i eth.*/g), [
    "-i eth0 -o ttun0 -m conntrack ! --ctstate DNAT -j DROP",
    "-i eth1 -o ttun0 -m conntrack ! --ctstate DNAT -j DROP",
  ]);
});

Deno.test("nft: a link's name cannot end its quotes", () => {
  const uplinks = [{ family: 4, link: 'a" accept; x' }] as const;
  assert.doesNotMatch(natNft("t", { ...WISHES, uplinks }), /"a" accept/);
});

Deno.test("iptables: a family without an uplink masquerades nothing, and is clamped all the same", () => {
  const [nat, mangle] = natIptables({ ...WISHES, uplinks: [WISHES.uplinks[0]] });
  assert.equal(nat!.text(6, "c"), "*nat\n:c - [0:0]\nCOMMIT\n");
  assert.match(nat!.text(4, "c"), /^-A c -o eth0 -s 10\.1\.1\.0\/30 -j MASQUERADE$/m);
  assert.equal(mangle!.text(6, "c").match(/--clamp-mss-to-pmtu/g)?.length, 2);
});

Deno.test("a chain that drops what is forwarded is found in what nft lists", () => {
  const chain = { family: "ip", table: "filter", name: "FORWARD", hook: "forward", policy: "drop" };
  const listing = (...all: object[]) => JSON.stringify({ nftables: [{ metainfo: {} }, ...all] });
  assert.equal(droppingChain(listing({ chain })), "ip filter FORWARD");
  assert.equal(droppingChain(listing({ chain: { ...chain, policy: "accept" } })), null);
  assert.equal(droppingChain(listing({ chain: { ...chain, hook: "input" } })), null);
  assert.equal(droppingChain("Error: syntax error"), null);
  assert.equal(droppingChain("{}"), null);
});
