import assert from "node:assert/strict";
import { DnsCache, type Kept } from "./cache.ts";

const found = (ttl: number): Kept => ({ kind: "addresses", addresses: ["192.0.2.1"], ttl });

Deno.test("an answer is kept for its own time, within bounds", () => {
  const cases: [Kept, number][] = [
    [found(300), 300],
    [found(0), 1],
    [found(86_400), 600],
    [{ kind: "nxdomain", ttl: 30 }, 30],
    [{ kind: "nodata", ttl: 3600 }, 60],
  ];
  for (const [outcome, seconds] of cases) {
    const cache = new DnsCache();
    cache.put("a", outcome, 1000);
    assert.equal(cache.get("a", 999 + 1000 * seconds), outcome);
    assert.equal(cache.get("a", 1000 + 1000 * seconds), null);
    assert.equal(cache.size, 0);
  }
});

Deno.test("what nobody says the time of is not kept", () => {
  const cache = new DnsCache();
  cache.put("a", { kind: "nxdomain", ttl: null }, 0);
  assert.equal(cache.get("a", 0), null);
});

Deno.test("there is an end to its size: the oldest goes first", () => {
  const cache = new DnsCache();
  for (let i = 0; i < 3000; i++) cache.put(`name${i}`, found(60), 0);
  assert.equal(cache.size, 2048);
  assert.equal(cache.get("name951", 1), null);
  assert.notEqual(cache.get("name952", 1), null);
  cache.put("name952", found(60), 0);
  cache.put("another", found(60), 0);
  assert.notEqual(cache.get("name952", 1), null, "it is a new one");
});
