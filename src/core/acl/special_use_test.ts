import assert from "node:assert/strict";
import { formatCidr, formatIp, parseCidr, parseIp } from "../../base/addr.ts";
import { carriedIpv4, specialUse, unmapped, unmappedCidr } from "./special_use.ts";

const use = (ip: string) => specialUse(parseIp(ip)!);

Deno.test("each special block is known from its first address to its last", () => {
  const blocks: [string, string, string][] = [
    ["0.0.0.0", "0.255.255.255", "unspecified"],
    ["10.0.0.0", "10.255.255.255", "private"],
    ["100.64.0.0", "100.127.255.255", "behind a provider's NAT"],
    ["127.0.0.0", "127.255.255.255", "loopback"],
    ["169.254.0.0", "169.254.255.255", "link-local"],
    ["172.16.0.0", "172.31.255.255", "private"],
    ["192.0.0.0", "192.0.0.255", "for protocols"],
    ["192.0.2.0", "192.0.2.255", "for documentation"],
    ["192.168.0.0", "192.168.255.255", "private"],
    ["198.18.0.0", "198.19.255.255", "for benchmarks"],
    ["198.51.100.0", "198.51.100.255", "for documentation"],
    ["203.0.113.0", "203.0.113.255", "for documentation"],
    ["224.0.0.0", "239.255.255.255", "multicast"],
    ["240.0.0.0", "255.255.255.254", "reserved"],
    ["255.255.255.255", "255.255.255.255", "broadcast"],
    ["::", "::", "unspecified"],
    ["::1", "::1", "loopback"],
    ["::2", "::fffe:ffff:ffff", "not global unicast"],
    ["64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "for local translators"],
    ["100::", "100::ffff:ffff:ffff:ffff", "discard-only"],
    ["2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "for protocols"],
    ["2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "for documentation"],
    ["3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "for documentation"],
    ["4000::", "5eff::", "not global unicast"],
    ["5f00::", "5f00:ffff::", "for segment routing"],
    ["fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "private"],
    ["fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "link-local"],
    ["fec0::", "feff::", "not global unicast"],
    ["ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "multicast"],
  ];
  for (const [first, last, wanted] of blocks) {
    assert.equal(use(first), wanted, first);
    assert.equal(use(last), wanted, last);
  }
});

Deno.test("what lies beside them is an ordinary address", () => {
  const ordinary = "1.0.0.0 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 " +
    "128.0.0.0 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0 " +
    "192.0.3.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 198.51.101.0 203.0.112.255 " +
    "203.0.114.0 223.255.255.255 2000:: 2001:200:: 2001:db7:ffff:: 2001:db9:: 2606:4700:: " +
    "3ffe:ffff:: 3fff:1000::";
  for (const ip of ordinary.split(" ")) assert.equal(use(ip), null, ip);
});

Deno.test("an IPv4 address inside of an IPv6 one is found", () => {
  const carried = (ip: string) => {
    const found = carriedIpv4(parseIp(ip)!);
    return found === null ? null : formatIp(found);
  };
  assert.equal(carried("64:ff9b::10.1.2.3"), "10.1.2.3");
  assert.equal(carried("2002:a01:203::1"), "10.1.2.3");
  assert.equal(carried("64:ff9b:0:0:0:1:a01:203"), null);
  assert.equal(carried("2001:db8::1"), null);
  assert.equal(carried("10.1.2.3"), null);
  assert.equal(formatIp(unmapped(parseIp("::ffff:10.1.2.3")!)), "10.1.2.3");
  assert.equal(formatIp(unmapped(parseIp("::fffe:10.1.2.3")!)), "::fffe:a01:203");
  assert.equal(formatIp(unmapped(parseIp("10.1.2.3")!)), "10.1.2.3");
  assert.equal(formatCidr(unmappedCidr(parseCidr("::ffff:10.0.0.0/104"))), "10.0.0.0/8");
  assert.equal(formatCidr(unmappedCidr(parseCidr("::ffff:0:0/96"))), "0.0.0.0/0");
  assert.equal(formatCidr(unmappedCidr(parseCidr("::/0"))), "::/0");
  assert.equal(formatCidr(unmappedCidr(parseCidr("10.0.0.0/8"))), "10.0.0.0/8");
});
