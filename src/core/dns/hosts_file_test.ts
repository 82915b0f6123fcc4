import assert from "node:assert/strict";
import fc from "fast-check";
import { parseHosts } from "./hosts_file.ts";

const TEXT = `127.0.0.1\tlocalhost
::1 localhost ip6-localhost # of both families
192.0.2.1   Web.Example web  # alias
# 192.0.2.2 web
192.0.2.3 web
\t192.0.2.4 indented\r
2001:DB8:0::5 six
fe80::1%eth0 router
192.0.2.6
not-an-address name
192.0.2.7 dotted.example.
192.0.2.300 wrong`;

Deno.test("names and aliases of both families, in any case, over all lines", () => {
  assert.deepEqual(Object.fromEntries(parseHosts(TEXT)), {
    "localhost": ["127.0.0.1", "::1"],
    "ip6-localhost": ["::1"],
    "web.example": ["192.0.2.1"],
    "web": ["192.0.2.1", "192.0.2.3"],
    "indented": ["192.0.2.4"],
    "six": ["2001:db8::5"],
    "router": ["fe80::1%eth0"],
    "dotted.example": ["192.0.2.7"],
  });
  assert.equal(parseHosts(null).size, 0);
});

Deno.test("a file that was cut off is read as far as it goes", () => {
  for (let at = 0; at <= TEXT.length; at++) {
    const hosts = parseHosts(TEXT.slice(0, at));
    assert(hosts.size <= 9);
  }
});

Deno.test("a large file is no trouble, nor are a thousand addresses of one name", () => {
  const lines = Array.from({ length: 50_000 }, (_, i) => `0.0.0.0 ad${i}.example.com`);
  const many = Array.from({ length: 1000 }, (_, i) => `10.0.${i >> 8}.${i & 255} many`);
  const hosts = parseHosts([...lines, ...many].join("\n"));
  assert.deepEqual(hosts.get("ad49999.example.com"), ["0.0.0.0"]);
  assert.equal(hosts.get("many")!.length, 64);
});

Deno.test("names of objects' own are names as others", () => {
  const hosts = parseHosts("192.0.2.1 constructor __proto__");
  assert.deepEqual(hosts.get("__proto__"), ["192.0.2.1"]);
  assert.equal(hosts.get("tostring"), undefined);
});

Deno.test("any text is read", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => void parseHosts(text)));
});
