import assert from "node:assert/strict";
import fc from "fast-check";
import { Quota } from "./connection_quota.ts";

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

/** A connection of an account, and whether it was ended. */
function holder(account: string, lastActive = 0) {
  return {
    account,
    lastActive,
    evicted: 0,
    evict() {
      this.evicted++;
    },
  };
}

Deno.test("an account alone may have all; another one's first connection costs it its idlest", () => {
  const quota = new Quota({ total: 10, perAddress: 100 });
  const greedy = Array.from({ length: 10 }, (_, i) => holder("greedy", i === 3 ? -5 : i));
  for (const one of greedy) assert.notEqual(quota.take(at("192.0.2.1"), one), null);
  assert.equal(quota.take(at("192.0.2.1"), holder("greedy")), null, "its own share is full");
  const other = holder("other");
  assert.notEqual(quota.take(at("192.0.2.2"), other), null);
  assert.deepEqual(greedy.map(({ evicted }) => evicted), [0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  assert.deepEqual([quota.count, quota.evicted, other.evicted], [10, 1, 0]);
});

Deno.test("accounts share alike in the end, whoever keeps asking; the limit holds all the time", () => {
  const quota = new Quota({ total: 12, perAddress: 100 });
  const names = ["a", "b", "c"];
  const alive = new Map<string, number>(names.map((name) => [name, 0]));
  const open = (account: string) => {
    const one = {
      account,
      lastActive: 0,
      evict: () => void alive.set(account, alive.get(account)! - 1),
    };
    if (quota.take(at("192.0.2.1"), one) === null) return;
    alive.set(account, alive.get(account)! + 1);
  };
  for (let i = 0; i < 100; i++) open("a");
  assert.equal(alive.get("a"), 12);
  for (let i = 0; i < 100; i++) for (const name of names) open(name);
  assert.deepEqual([...alive.values()].sort(), [4, 4, 4]);
  assert.equal(quota.count, 12);
});

Deno.test("an evicted connection that ends afterwards gives back nothing twice", () => {
  const quota = new Quota({ total: 2, perAddress: 100 });
  const first = quota.take(at("192.0.2.1"), holder("greedy"))!;
  const second = quota.take(at("192.0.2.1"), holder("greedy"))!;
  quota.take(at("192.0.2.2"), holder("other"));
  assert.equal(quota.count, 2);
  first[Symbol.dispose]();
  second[Symbol.dispose]();
  assert.equal(quota.count, 1);
});

Deno.test("of several accounts behind one address none takes all of its share", () => {
  const quota = new Quota({ total: 100, perAddress: 4 });
  const greedy = Array.from({ length: 4 }, (_, i) => holder("greedy", i));
  for (const one of greedy) quota.take(at("192.0.2.1"), one);
  for (let i = 0; i < 10; i++) quota.take(at("192.0.2.2"), holder("elsewhere"));
  assert.equal(quota.take(at("192.0.2.1"), holder("greedy")), null);
  assert.equal(quota.take(at("192.0.2.1")), null, "nobody knows whose it is");
  const before = quota.count;
  assert.notEqual(quota.take(at("192.0.2.1"), holder("other")), null);
  assert.deepEqual([greedy[0]!.evicted, quota.count], [1, before]);
});

Deno.test("of one account's addresses each has its share, and of an address's accounts, whatever others have", () => {
  const quota = new Quota({ total: 50, perAddress: 40 });
  const at1 = Array.from({ length: 40 }, (_, i) => holder("family", i));
  for (const one of at1) quota.take(at("192.0.2.1"), one);
  for (let i = 0; i < 10; i++) quota.take(at("192.0.2.2"), holder("family"));
  assert.notEqual(quota.take(at("192.0.2.3"), holder("family")), null);
  assert.equal(at1[0]!.evicted, 1);
  assert.equal(quota.take(at("192.0.2.1"), holder("family")), null, "it has most of all");
  // An address that is full, while another account has more elsewhere.
  const other = new Quota({ total: 100, perAddress: 10 });
  for (let i = 0; i < 40; i++) other.take(at(`198.51.100.${i}`), holder("a"));
  const b = Array.from({ length: 10 }, () => holder("b"));
  for (const one of b) other.take(at("192.0.2.1"), one);
  assert.notEqual(other.take(at("192.0.2.1"), holder("c")), null);
  assert.equal(b[0]!.evicted, 1);
});

Deno.test("whatever comes and goes, the limits hold and who has few gets a place", () => {
  const step = fc.record({ account: fc.nat(3), address: fc.nat(3), closes: fc.boolean() });
  fc.assert(fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
    const quota = new Quota({ total: 12, perAddress: 8 });
    const open: { account: string; address: number; place: Disposable }[] = [];
    for (const { account: number, address, closes } of steps) {
      const account = `${number}`;
      if (closes && open.length > 0) {
        open.splice(number % open.length, 1)[0]!.place[Symbol.dispose]();
        continue;
      }
      const one = {
        account,
        lastActive: 0,
        evict: () => void open.splice(open.findIndex((other) => other.place === place), 1),
      };
      const own = open.filter((other) => other.account === account).length;
      const sizes = [0, 1, 2, 3].map((n) => open.filter((o) => o.account === `${n}`).length);
      const atAddress = open.filter((other) => other.address === address).length;
      const place = quota.take(at(`192.0.2.${address}`), one)!;
      if (place !== null) open.push({ account, address, place });
      else assert.ok(own + 1 >= Math.max(...sizes) || atAddress >= 8);
      assert.equal(quota.count, open.length);
      assert.ok(open.length <= 12);
    }
  }));
});
