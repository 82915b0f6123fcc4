import assert from "node:assert/strict";
import { Quota } from "./quota.ts";

const at = (host: string, port = 1) => ({ host, port });

Deno.test("there are so many places in total, and each that is left is free again", () => {
  const quota = new Quota({ total: 3, perAddress: 100 });
  const places = ["192.0.2.1", "192.0.2.2", "2001:db8::1"].map((host) => quota.take(at(host)));
  assert.ok(places.every((place) => place !== null));
  assert.equal(quota.take(at("192.0.2.9")), null);
  assert.equal(quota.count, 3);
  places[1]![Symbol.dispose]();
  assert.notEqual(quota.take(at("192.0.2.9")), null);
  assert.equal(quota.take(at("192.0.2.10")), null);
});

Deno.test("an IPv4 address has its share, whatever its ports, and takes nobody else's", () => {
  const quota = new Quota({ total: 100, perAddress: 2 });
  const first = quota.take(at("192.0.2.1", 1));
  assert.notEqual(quota.take(at("192.0.2.1", 2)), null);
  assert.equal(quota.take(at("192.0.2.1", 3)), null);
  assert.notEqual(quota.take(at("192.0.2.2", 1)), null);
  first![Symbol.dispose]();
  assert.notEqual(quota.take(at("192.0.2.1", 4)), null);
  assert.equal(quota.take(at("192.0.2.1", 5)), null);
});

Deno.test("a /64 of IPv6 is one address", () => {
  const quota = new Quota({ total: 100, perAddress: 2 });
  assert.notEqual(quota.take(at("2001:db8:0:1::1")), null);
  assert.notEqual(quota.take(at("2001:db8:0:1:ffff::2")), null);
  assert.equal(quota.take(at("2001:db8:0:1::3")), null);
  assert.notEqual(quota.take(at("2001:db8:0:2::1")), null);
});

Deno.test("a refusal counts for nothing", () => {
  const quota = new Quota({ total: 100, perAddress: 1 });
  const place = quota.take(at("192.0.2.1"))!;
  for (let i = 0; i < 200; i++) assert.equal(quota.take(at("192.0.2.1")), null);
  assert.equal(quota.count, 1);
  place[Symbol.dispose]();
  assert.equal(quota.count, 0);
  assert.notEqual(quota.take(at("192.0.2.1")), null);
});

Deno.test("a place that is given back twice is one place", () => {
  const quota = new Quota({ total: 2, perAddress: 2 });
  const from = { host: "192.0.2.1", port: 1 };
  const place = quota.take(from)!;
  quota.take(from);
  place[Symbol.dispose]();
  place[Symbol.dispose]();
  assert.equal(quota.count, 1);
});
