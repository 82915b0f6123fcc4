import assert from "node:assert/strict";
import { isIpAddress, parseCidr, parseHostPort, parseIp } from "./addr.ts";
import { isLinkLocal, withoutZone, zoneOf } from "./zone.ts";

Deno.test("a link-local address is read with its interface, by name or number", () => {
  for (
    const [text, host] of [
      ["[fe80::1%eth0]:20203", "fe80::1%eth0"],
      ["[fe80::1%2]:20203", "fe80::1%2"],
      ["[FEBF::1%wlp3s0.100]:20203", "FEBF::1%wlp3s0.100"],
      ["[fe80::1%25eth0]:20203", "fe80::1%eth0"], // as in a URL (RFC 6874)
      ["[fe80::1%25]:20203", "fe80::1%25"], // the interface of that number
      ["[fe80::1%253]:20203", "fe80::1%253"],
      ["[fe80::1%tun-of-15-chars]:1", "fe80::1%tun-of-15-chars"],
    ] as const
  ) {
    assert.deepEqual(parseHostPort(text).host, host, text);
    assert.equal(isIpAddress(host), true);
  }
});

Deno.test("a zone that is missing, out of place or none is a sentence with what to do", () => {
  const refused: [string, RegExp][] = [
    [
      "[fe80::1]:20203",
      /\[fe80::1\]:20203".*write the interface .* as fe80::1%eth0 .*ip -brief link/,
    ],
    ["[febf::]:1", /write the interface/],
    ["[::1%lo]:20203", /only a link-local address .* leave %lo away/],
    ["[2001:db8::1%eth0]:20203", /leave %eth0 away/],
    ["[fe80::1%]:20203", /the interface behind the % is missing/],
    ["[fe80::1%a b]:20203", /no interface's name/],
    ["[fe80::1%a/b]:20203", /no interface's name/],
    ["[fe80::1%a%b]:20203", /no interface's name/],
    ["[fe80::1%tun-of-16-chars-]:1", /no interface's name/],
    ["[fe80::1::2%eth0]:1", /write it as host:port/],
    ["[192.0.2.1%eth0]:1", /write it as host:port/],
  ];
  for (const [text, message] of refused) {
    assert.throws(() => parseHostPort(text), { kind: "usage", message }, text);
  }
});

Deno.test("a network has no zone, and says so", () => {
  for (const text of ["fe80::1%eth0/64", "fe80::1%eth0", "fe80::%eth0/10"]) {
    assert.throws(() => parseCidr(text), { kind: "usage", message: /leave the interface .* away/ });
  }
  assert.equal(parseCidr("fe80::/10").prefix, 10);
});

Deno.test("address and zone come apart", () => {
  assert.deepEqual([withoutZone("fe80::1%eth0"), zoneOf("fe80::1%eth0")], ["fe80::1", "eth0"]);
  assert.deepEqual([withoutZone("example.net"), zoneOf("example.net")], ["example.net", null]);
  const found = ["fe80::1", "febf::1", "fec0::1", "fe7f::1", "169.254.1.1"].map((text) =>
    isLinkLocal(parseIp(text)!)
  );
  assert.deepEqual(found, [true, true, false, false, false]);
  assert.deepEqual(["fe80::1%eth0", "10.0.0.1", "a%b", "x.net", ""].map(isIpAddress), [
    true,
    true,
    false,
    false,
    false,
  ]);
});
