import assert from "node:assert/strict";
import { orderAddresses } from "./address_order.ts";

/** Of a machine with these addresses, by family and scope. */
const order = (addresses: string[], sources: Record<string, string>) =>
  orderAddresses(addresses, (to) => sources[to] ?? null);

Deno.test("an address without a way to it comes last", () => {
  assert.deepEqual(order(["2001:db8::1", "192.0.2.1"], { "192.0.2.1": "10.0.0.1" }), [
    "192.0.2.1",
    "2001:db8::1",
  ]);
});

Deno.test("IPv6 before IPv4 where both have a way, unless it is only a local one", () => {
  const v4 = { "192.0.2.1": "10.0.0.1" };
  const global = { ...v4, "2001:db8::1": "2001:db8::9" };
  assert.deepEqual(order(["192.0.2.1", "2001:db8::1"], global), ["2001:db8::1", "192.0.2.1"]);
  const unique = { ...v4, "2001:db8::1": "fd00::9" };
  assert.deepEqual(order(["2001:db8::1", "192.0.2.1"], unique), ["192.0.2.1", "2001:db8::1"]);
  const linkOnly = { ...v4, "2001:db8::1": "fe80::9" };
  assert.deepEqual(order(["2001:db8::1", "192.0.2.1"], linkOnly), ["192.0.2.1", "2001:db8::1"]);
  const tunnel = { ...v4, "2001:db8::1": "2002:c000:201::1" };
  assert.deepEqual(order(["2001:db8::1", "192.0.2.1"], tunnel), ["192.0.2.1", "2001:db8::1"]);
});

Deno.test("loopback and a machine of one family", () => {
  const here = { "127.0.0.1": "127.0.0.1", "::1": "::1" };
  assert.deepEqual(order(["127.0.0.1", "::1"], here), ["::1", "127.0.0.1"]);
  assert.deepEqual(order(["127.0.0.1", "::1"], { "127.0.0.1": "127.0.0.1" }), ["127.0.0.1", "::1"]);
});

Deno.test("equal ones stay as the name server has them, and a single one is not looked at", () => {
  const sources = Object.fromEntries([3, 1, 2].map((i) => [`192.0.2.${i}`, "192.0.2.9"]));
  assert.deepEqual(order(["192.0.2.3", "192.0.2.1", "192.0.2.2"], sources), [
    "192.0.2.3",
    "192.0.2.1",
    "192.0.2.2",
  ]);
  assert.deepEqual(orderAddresses(["192.0.2.1"], () => assert.fail()), ["192.0.2.1"]);
});

Deno.test("of two IPv6 addresses the one that is nearer to ours is first", () => {
  const sources = { "2001:db8:ffff::1": "2001:db8::9", "2001:db8::1": "2001:db8::9" };
  assert.deepEqual(order(["2001:db8:ffff::1", "2001:db8::1"], sources)[0], "2001:db8::1");
});
