import assert from "node:assert/strict";
import fc from "fast-check";
import { type Cidr, formatCidr, parseCidr, parseIp } from "../../base/addr.ts";
import { overlap } from "../../base/prefix.ts";
import { nameServerRefusal, routeRefusal } from "./pushed_policy.ts";

fc.configureGlobal({ seed: 5 });

const CONNECTED = ["192.168.1.0/24", "fd51::/64"].map(parseCidr);
const conflictOf = (network: Cidr) => {
  const found = CONNECTED.find((one) => overlap(one, network));
  return found === undefined ? null : `${formatCidr(found)} on eth0`;
};

const EXCLUDE = ["10.7.0.0/16", "fd70::1/128"].map(parseCidr);

function refusal(route: string, server = "198.51.100.7"): string | null {
  return routeRefusal(parseCidr(route), {
    server: parseIp(server)!,
    exclude: EXCLUDE,
    conflictOf,
  });
}

Deno.test("networks behind the server are accepted", () => {
  for (const route of ["11.0.0.0/8", "172.16.5.0/24", "203.0.113.7/32", "fd20::/16", "2a00::/48"]) {
    assert.equal(refusal(route), null, route);
  }
});

Deno.test("a route that takes more than a server may is refused with the reason", () => {
  const refused: [string, RegExp][] = [
    ["0.0.0.0/0", /wider than \/8/],
    ["128.0.0.0/1", /wider than \/8/],
    ["10.0.0.0/7", /wider than \/8/],
    ["::/0", /wider than \/16/],
    ["2000::/3", /wider than \/16/],
    ["198.51.0.0/16", /server's own address/],
    ["198.51.100.7/32", /server's own address/],
    ["127.0.0.0/8", /loopback/],
    ["127.0.0.53/32", /loopback/],
    ["::1/128", /loopback/],
    ["169.254.169.254/32", /link-local/],
    ["fe80::/64", /link-local/],
    ["224.0.0.0/24", /multicast/],
    ["ff02::/16", /multicast/],
    ["192.168.0.0/16", /192\.168\.1\.0\/24 on eth0 from this machine/],
    ["192.168.1.128/25", /192\.168\.1\.0\/24 on eth0/],
    ["::ffff:10.0.0.0/104", /IPv4 addresses in IPv6 form/],
    ["10.0.0.0/8", /overlaps --exclude 10\.7\.0\.0\/16/],
    ["10.7.1.0/24", /overlaps --exclude 10\.7\.0\.0\/16/],
    ["fd70::/64", /overlaps --exclude fd70::1\/128/],
    ["fd51::1/128", /fd51::\/64 on eth0/],
  ];
  for (const [route, words] of refused) assert.match(refusal(route) ?? "", words, route);
  assert.match(refusal("2001:db8::/32", "2001:db8::7") ?? "", /server's own/);
});

Deno.test("no accepted route has an address of the server, the machine or its networks", () => {
  const server = parseIp("198.51.100.7")!;
  const kept = [
    ...CONNECTED,
    ...EXCLUDE,
    ...["127.0.0.1/32", "198.51.100.7/32", "224.0.0.1/32"].map(parseCidr),
  ];
  const any = fc.tuple(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.nat(32));
  fc.assert(fc.property(any, ([bytes, prefix]) => {
    const route: Cidr = { family: 4, bytes, prefix };
    if (routeRefusal(route, { server, exclude: EXCLUDE, conflictOf }) !== null) return;
    assert(prefix >= 8 && !kept.some((one) => overlap(one, route)), formatCidr(route));
  }));
});

Deno.test("a name server is a host elsewhere", () => {
  for (const ip of ["10.1.1.1", "fc11::1", "9.9.9.9"]) {
    assert.equal(nameServerRefusal(parseIp(ip)!), null);
  }
  for (
    const ip of [
      "127.0.0.53",
      "0.0.0.0",
      "::1",
      "::",
      "fe80::1",
      "224.0.0.251",
      "169.254.1.1",
      "::ffff:127.0.0.1",
      "::ffff:9.9.9.9",
    ]
  ) {
    assert.match(nameServerRefusal(parseIp(ip)!) ?? "", /of /, ip);
  }
});
