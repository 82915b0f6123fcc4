import assert from "node:assert/strict";
import { type Cidr, formatAddr, parseCidr, parseHostPort } from "../../base/addr.ts";
import { dialable } from "./dialable.ts";

/** Addresses with their prefixes, as interfaces have them. */
const own = (...texts: string[]) => texts.map(parseCidr);

const HERE = own("127.0.0.1/8", "192.168.1.10/24", "100.64.3.4/10", "169.254.7.7/16");

const tried = (candidates: string[], networks: Cidr[] = HERE) =>
  dialable(candidates.map((text) => parseHostPort(text)), networks).map(formatAddr);

Deno.test("global unicast addresses may be dialled", () => {
  const all = ["9.9.9.9:7000", "[2620:fe::9]:7000"];
  assert.deepEqual(tried(all), all);
});

Deno.test("addresses that lead elsewhere than to the other end may not", () => {
  const refused = [
    "127.0.0.1:22",
    "127.3.4.5:22",
    "[::1]:22",
    "0.0.0.0:22",
    "[::]:22",
    "10.0.0.1:22",
    "172.16.0.1:22",
    "192.168.2.1:22",
    "224.0.0.1:22",
    "255.255.255.255:22",
    "240.0.0.1:22",
    "[ff02::1]:22",
    "[fd00::1]:22",
    "[2002:7f00:1::]:22", // 6to4 of 127.0.0.1
    "[64:ff9b::a00:1]:22", // NAT64 of 10.0.0.1
    "[::ffff:10.0.0.1]:22",
    "[::ffff:127.0.0.1]:22",
    "203.0.113.1:22",
    "9.9.9.9:0",
    "name.example:22",
  ];
  assert.deepEqual(tried(refused), []);
  const linkLocal = { host: "fe80::1", port: 22 }; // on which link?
  assert.deepEqual(dialable([linkLocal], [...HERE, ...own("fe80::2/64")]), []);
});

Deno.test("private ones may where an interface here has that network", () => {
  assert.deepEqual(
    tried(["192.168.1.20:7000", "100.100.0.1:7000", "169.254.1.1:7000", "10.1.1.1:7000"]),
    ["192.168.1.20:7000", "100.100.0.1:7000", "169.254.1.1:7000"],
  );
  assert.deepEqual(tried(["[::ffff:192.168.1.20]:7000"]), ["192.168.1.20:7000"]);
  assert.deepEqual(tried(["127.0.0.2:7000"]), []); // loopback is the network of each machine
});

Deno.test("one's own addresses may not, and each counts once, eight at most", () => {
  assert.deepEqual(tried(["192.168.1.10:7000", "9.9.9.9:1", "9.9.9.9:1"]), ["9.9.9.9:1"]);
  const many = Array.from({ length: 12 }, (_, i) => `9.9.9.${i}:1`);
  assert.deepEqual(tried(many), many.slice(0, 8));
});
