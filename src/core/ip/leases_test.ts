import assert from "node:assert/strict";
import fc from "fast-check";
import { parseCidr } from "../../base/addr.ts";
import type { Lease } from "./address_pool.ts";
import { readLeases, writeLeases } from "./leases.ts";

const A = "00112233445566778899aabbccddeeff";
const B = "f".repeat(32);

const LEASES: Lease[] = [
  { owner: A, key: "", name: "", usedAt: 1_795_251_600_000, addresses: ["10.9.0.2"] },
  { owner: B, key: "", name: "laptop", usedAt: 0, addresses: ["10.9.0.3", "fd00:9::3"] },
  { owner: `ann_é:${B}`, key: "ann_é", name: "laptop", usedAt: 1, addresses: ["10.9.0.4"] },
].map((lease) => ({ ...lease, isKept: true, addresses: lease.addresses.map(parseCidr) }));

const TEXT = `# ttun: [key:]identity, name, last used, addresses
${A} - 2026-11-21T09:00:00.000Z 10.9.0.2
${B} laptop 1970-01-01T00:00:00.000Z 10.9.0.3 fd00:9::3
ann_é:${B} laptop 1970-01-01T00:00:00.001Z 10.9.0.4
`;

Deno.test("leases are a line each, and read as they were", () => {
  assert.equal(writeLeases(LEASES), TEXT);
  assert.deepEqual(readLeases(TEXT), LEASES);
  assert.deepEqual(readLeases(""), []);
});

Deno.test("lines that are none are left out, the others stay", () => {
  const garbage = [
    "",
    "x",
    "\0\0\0",
    A,
    `${A} -`,
    `${A} - 2026-11-21T09:00:00.000Z`,
    `${A} - yesterday 10.9.0.2`,
    `:${A} - 2026-11-21T09:00:00.000Z 10.9.0.2`,
    `a:b:${A} - 2026-11-21T09:00:00.000Z 10.9.0.2`,
    `${A.slice(1)} - 2026-11-21T09:00:00.000Z 10.9.0.2`,
    `${A} La\u001bp 2026-11-21T09:00:00.000Z 10.9.0.2`,
    `${A} - 2026-11-21T09:00:00.000Z 10.9.0.999 ::g`,
    `${A} - +999999-01-01T00:00:00Z 10.9.0.2`,
  ];
  assert.deepEqual(readLeases(`${garbage.join("\n")}\n${TEXT}${garbage.join("\r\n")}`), LEASES);
});

Deno.test("no text makes more than leases of it", () => {
  fc.assert(fc.property(fc.string({ maxLength: 200 }), (text) => {
    assert.deepEqual(readLeases(text), []);
    assert.deepEqual(readLeases(text + "\n" + TEXT).slice(-3), LEASES);
  }));
  fc.assert(fc.property(fc.nat(TEXT.length - 1), fc.string({ maxLength: 5 }), (at, put) => {
    const found = readLeases(TEXT.slice(0, at) + put + TEXT.slice(at + put.length));
    assert(found.length <= 4);
    writeLeases(found);
  }));
});
