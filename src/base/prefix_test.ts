import assert from "node:assert/strict";
import { parseCidr, parseIp } from "./addr.ts";
import { covers, longestMatch } from "./prefix.ts";

Deno.test("a network has the addresses that agree with it in its prefix", () => {
  const cases: [string, string, boolean][] = [
    ["10.0.0.0/8", "10.255.255.255", true],
    ["10.0.0.0/8", "11.0.0.0", false],
    ["100.64.0.0/10", "100.127.255.255", true],
    ["100.64.0.0/10", "100.128.0.0", false],
    ["100.64.0.0/10", "100.63.255.255", false],
    ["192.0.2.1", "192.0.2.1", true],
    ["192.0.2.1", "192.0.2.0", false],
    ["0.0.0.0/0", "255.255.255.255", true],
    ["0.0.0.0/0", "::", false],
    ["::/0", "0.0.0.0", false],
    ["::/0", "ffff::", true],
    ["fc00::/7", "fdff::", true],
    ["fc00::/7", "fe00::", false],
    ["2001:db8::1", "2001:db8::1", true],
    ["2001:db8::1", "2001:db8::", false],
  ];
  for (const [cidr, ip, wanted] of cases) {
    assert.equal(covers(parseCidr(cidr), parseIp(ip)!), wanted, `${cidr} ${ip}`);
  }
});

Deno.test("every bit of the prefix counts, and none behind it", () => {
  const ip = parseIp("2001:db8:1234:5678:9abc:def0:1357:9bdf")!;
  for (let prefix = 0; prefix <= 128; prefix++) {
    for (let bit = 0; bit < 128; bit++) {
      const other = ip.slice();
      other[bit >>> 3]! ^= 0x80 >>> (bit & 7);
      assert.equal(covers({ family: 6, bytes: ip, prefix }, other), bit >= prefix);
    }
  }
});

Deno.test("the longest prefix is found, the first of equals", () => {
  const entries = ["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/16", "::/0"]
    .map((text, i) => ({ cidr: parseCidr(text), i }));
  const found = (ip: string) => longestMatch(entries, parseIp(ip)!)?.i;
  assert.equal(found("10.1.9.9"), 2);
  assert.equal(found("10.2.0.0"), 1);
  assert.equal(found("9.9.9.9"), 0);
  assert.equal(found("::1"), 4);
  assert.equal(longestMatch([], parseIp("::1")!), null);
});
