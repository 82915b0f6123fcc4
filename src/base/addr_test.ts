import assert from "node:assert/strict";
import fc from "fast-check";
import {
  formatAddr,
  formatCidr,
  formatIp,
  networkOf,
  parseCidr,
  parseHostPort,
  parseIp,
  plainHost,
} from "./addr.ts";
import { toHex } from "./bytes.ts";

const usage = { name: "TtunError", kind: "usage" };

Deno.test("parseHostPort() reads names, IPv4 and bracketed IPv6", () => {
  assert.deepEqual(parseHostPort("example.org:20203"), { host: "example.org", port: 20203 });
  assert.deepEqual(parseHostPort("192.0.2.1:1"), { host: "192.0.2.1", port: 1 });
  assert.deepEqual(parseHostPort("[2001:db8::1]:65535"), { host: "2001:db8::1", port: 65535 });
  assert.deepEqual(parseHostPort("[::]:0"), { host: "::", port: 0 });
  assert.deepEqual(parseHostPort("[::ffff:1.2.3.4]:5"), { host: "::ffff:1.2.3.4", port: 5 });
});

const MALFORMED_HOST_PORTS = [
  "",
  "host",
  "host:",
  ":",
  ":80",
  "host:65536",
  "host:99999",
  "host:100000",
  "host:-1",
  "host:+1",
  "host:0x10",
  "host:8 0",
  "host: 80",
  "host:80 ",
  "host:80\n",
  "host:http",
  "::1:80",
  "2001:db8::1:80",
  "[]:80",
  "[::1]",
  "[::1]80",
  "[::1:80",
  "::1]:80",
  "[[::1]]:80",
  "[host]:80",
  "[1.2.3.4]:80",
  "[::1%eth0]:80",
  "[1::2::3]:80",
  "http://host:80",
  "a:b:80",
];

for (const text of MALFORMED_HOST_PORTS) {
  Deno.test(`parseHostPort() refuses ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseHostPort(text), usage);
    if (text !== ":80") assert.throws(() => parseHostPort(text, { anyHost: true }), usage);
  });
}

Deno.test("parseHostPort() takes a port alone only where any host will do", () => {
  assert.deepEqual(parseHostPort(":20203", { anyHost: true }), { host: "", port: 20203 });
  assert.throws(() => parseHostPort(":20203"), /write it as host:port or \[IPv6\]:port$/);
  assert.throws(() => parseHostPort("x", { anyHost: true }), /write it as :port, host:port or/);
});

Deno.test("formatAddr() is what parseHostPort() reads", () => {
  for (const text of ["example.org:80", "192.0.2.1:1", "[2001:db8::1]:65535", "[::]:0"]) {
    assert.equal(formatAddr(parseHostPort(text)), text);
  }
  assert.equal(formatAddr({ path: "/run/x.sock" }), "/run/x.sock");
});

/** Text, and the bytes that it stands for (RFC 4291 section 2.2). */
const ADDRESSES: [string, string][] = [
  ["0.0.0.0", "00000000"],
  ["255.255.255.255", "ffffffff"],
  ["10.1.1.2", "0a010102"],
  ["::", "00000000000000000000000000000000"],
  ["::1", "00000000000000000000000000000001"],
  ["1::", "00010000000000000000000000000000"],
  ["fc11::1", "fc110000000000000000000000000001"],
  ["2001:DB8:0:0:8:800:200C:417A", "20010db80000000000080800200c417a"],
  ["2001:db8::8:800:200c:417a", "20010db80000000000080800200c417a"],
  ["1:2:3:4:5:6:7:8", "00010002000300040005000600070008"],
  ["::2:3:4:5:6:7:8", "00000002000300040005000600070008"],
  ["1:2:3:4:5:6:7::", "00010002000300040005000600070000"],
  ["::ffff:129.144.52.38", "00000000000000000000ffff81903426"],
  ["::13.1.68.3", "0000000000000000000000000d014403"],
  ["64:ff9b::192.0.2.33", "0064ff9b0000000000000000c0000221"],
  ["1:2:3:4:5:6:1.2.3.4", "00010002000300040005000601020304"],
  ["0000:00ff::0001", "000000ff000000000000000000000001"],
];

for (const [text, hex] of ADDRESSES) {
  Deno.test(`parseIp() reads ${text}`, () => {
    const bytes = parseIp(text);
    assert.ok(bytes !== null);
    assert.equal(toHex(bytes), hex);
  });
}

const NO_ADDRESSES = [
  "",
  ".",
  "1",
  "1.2.3",
  "1.2.3.",
  ".1.2.3",
  "1..2.3",
  "1.2.3.4.5",
  "1.2.3.256",
  "1.2.3.1000",
  "01.2.3.4",
  "1.2.3.00",
  "0x1.2.3.4",
  "1.2.3.-4",
  "1.2.3.4 ",
  " 1.2.3.4",
  "1.2.3.4/8",
  "1e1.2.3.4",
  ":",
  ":::",
  "1:",
  ":1",
  "1:2:3:4:5:6:7",
  "1:2:3:4:5:6:7:8:9",
  "1:2:3:4:5:6:7:8::",
  "::1:2:3:4:5:6:7:8",
  "1:2:3:4::5:6:7:8",
  "1::2::3",
  "1:::2",
  "::12345",
  "::g",
  "::1%eth0",
  "[::1]",
  "::1.2.3",
  "::1.2.3.256",
  "1.2.3.4::",
  "::1.2.3.4:5",
  "1:2:3:4:5:6:7:1.2.3.4",
  "::-1",
  "::+1",
  ":: 1",
  "host",
];

for (const text of NO_ADDRESSES) {
  Deno.test(`parseIp() takes ${JSON.stringify(text)} for no address`, () => {
    assert.equal(parseIp(text), null);
  });
}

/** Forms of one address each, and the one that RFC 5952 section 4 gives it. */
const CANONICAL: [string, string][] = [
  ["2001:0db8::0001", "2001:db8::1"],
  ["2001:DB8::A", "2001:db8::a"],
  ["2001:db8:0:0:0:0:2:1", "2001:db8::2:1"],
  ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
  ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
  ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
  ["0:0:0:0:0:0:0:0", "::"],
  ["0:0:0:0:0:0:0:1", "::1"],
  ["1:0:0:0:0:0:0:0", "1::"],
  ["0:1:0:0:0:0:0:0", "0:1::"],
  ["1:2:3:4:5:6:7:0", "1:2:3:4:5:6:7:0"],
  ["192.0.2.1", "192.0.2.1"],
];

for (const [text, canonical] of CANONICAL) {
  Deno.test(`formatIp() writes ${text} as ${canonical}`, () => {
    assert.equal(formatIp(parseIp(text)!), canonical);
  });
}

Deno.test("parseIp() reads back whatever formatIp() writes, and that is the only form of it", () => {
  // Mostly zero groups: the runs of zeros are what is hard.
  const group = fc.oneof(fc.constant(0), fc.constant(0), fc.nat(0xffff));
  const v6 = fc.array(group, { minLength: 8, maxLength: 8 }).map((groups) =>
    Uint8Array.from(groups.flatMap((g) => [g >>> 8, g & 0xff]))
  );
  const v4 = fc.uint8Array({ minLength: 4, maxLength: 4 });
  fc.assert(
    fc.property(fc.oneof(v4, v6), (bytes) => {
      const text = formatIp(bytes);
      assert.deepEqual(parseIp(text), bytes);
      assert.doesNotMatch(text, /[A-F]|(^|:)0[0-9a-f]|::.*::|:::/);
    }),
    { numRuns: 1000 },
  );
});

Deno.test("parseIp() never throws, whatever the text is", () => {
  const text = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(..."0129af.:%/ []g-") }));
  fc.assert(
    fc.property(text, (some) => {
      const length = parseIp(some)?.length;
      assert.ok(length === undefined || length === (some.includes(":") ? 16 : 4));
    }),
    { numRuns: 2000 },
  );
});

Deno.test("parseCidr() reads an address with its prefix, and a bare one as itself alone", () => {
  const cidr = parseCidr("10.1.1.1/30");
  assert.deepEqual(cidr, { family: 4, bytes: Uint8Array.of(10, 1, 1, 1), prefix: 30 });
  assert.equal(formatCidr(parseCidr("fc11::1/126")), "fc11::1/126");
  assert.equal(parseCidr("fc11::1/126").family, 6);
  assert.equal(formatCidr(parseCidr("10.1.1.1")), "10.1.1.1/32");
  assert.equal(formatCidr(parseCidr("::1")), "::1/128");
  assert.equal(formatCidr(parseCidr("0.0.0.0/0")), "0.0.0.0/0");
});

for (
  const text of [
    "",
    "/",
    "/24",
    "10.0.0.0/",
    "10.0.0.0/33",
    "::/129",
    "::/1000",
    "10.0.0.0/-1",
    "10.0.0.0/8/8",
    "10.0.0.0/8 ",
    "10.0.0.0/a",
    "10.0.0/8",
    "10.0.0.0/255.0.0.0",
    "host/24",
  ]
) {
  Deno.test(`parseCidr() refuses ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseCidr(text), usage);
  });
}

for (
  const [text, network] of [
    ["10.1.1.2/30", "10.1.1.0/30"],
    ["10.255.255.255/9", "10.128.0.0/9"],
    ["192.0.2.1/0", "0.0.0.0/0"],
    ["192.0.2.1/32", "192.0.2.1/32"],
    ["192.0.2.255/24", "192.0.2.0/24"],
    ["192.0.2.255/25", "192.0.2.128/25"],
    ["fc11::2/126", "fc11::/126"],
    ["2001:db8:ffff:ffff::1/47", "2001:db8:fffe::/47"],
    ["2001:db8::1/128", "2001:db8::1/128"],
    ["2001:db8::1/0", "::/0"],
  ] as const
) {
  Deno.test(`networkOf() finds ${network} for ${text}`, () => {
    const cidr = parseCidr(text);
    const before = cidr.bytes.slice();
    assert.equal(formatCidr(networkOf(cidr)), network);
    assert.deepEqual(cidr.bytes, before); // the argument is left alone
  });
}

Deno.test("plainHost() writes addresses as the system does, mapped ones as IPv4, and leaves the rest", () => {
  for (
    const [text, plain] of [
      ["::ffff:192.0.2.1", "192.0.2.1"],
      ["::FFFF:c000:201", "192.0.2.1"],
      ["0:0:0:0:0:ffff:c000:0201", "192.0.2.1"],
      ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
      ["::192.0.2.1", "::c000:201"],
      ["64:ff9b::192.0.2.1", "64:ff9b::c000:201"],
      ["192.0.2.1", "192.0.2.1"],
      ["fe80::1%eth0", "fe80::1%eth0"],
      ["server.example", "server.example"],
      ["", ""],
    ] as const
  ) assert.equal(plainHost(text), plain);
});
