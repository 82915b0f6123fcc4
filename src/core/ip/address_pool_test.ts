import assert from "node:assert/strict";
import fc from "fast-check";
import { type Cidr, formatCidr, formatIp, networkOf, parseCidr } from "../../base/addr.ts";
import type { TtunError } from "../../base/errors.ts";
import { packAddresses, readAddresses } from "../link/v2/addresses.ts";
import {
  AddressPool,
  firstHost,
  KEPT_FOR_MS,
  type Lease,
  type LeaseClaim,
  QUARANTINE_MS,
} from "./address_pool.ts";

fc.configureGlobal({ seed: 12 });

function pool(networks: string[], clients: number, taken: string[] = []): AddressPool {
  return new AddressPool(networks.map(parseCidr), taken.map(parseCidr), clients);
}

/** A client without wishes that comes back. */
const claim = (owner: string, more: Partial<LeaseClaim> = {}): LeaseClaim => ({
  owner,
  key: "",
  isKept: true,
  name: "",
  wishes: [],
  ...more,
});

const texts = (lease: Lease | null) => lease?.addresses.map(formatCidr) ?? null;

/** Addresses of a number of clients, one after the other. */
function leases(of: AddressPool, clients: number): (string[] | null)[] {
  return Array.from({ length: clients }, (_, i) => texts(of.lease(claim(`client ${i}`), 0)));
}

Deno.test("clients get the first addresses of the network, with its prefix, without the server's own", () => {
  const four = pool(["10.8.0.0/24"], 3, ["10.8.0.1/24"]);
  assert.deepEqual(leases(four, 4), [["10.8.0.2/24"], ["10.8.0.3/24"], ["10.8.0.4/24"], null]);
  const six = pool(["fd00:8::/64"], 2, ["fd00:8::1/64"]);
  assert.deepEqual(leases(six, 3), [["fd00:8::2/64"], ["fd00:8::3/64"], null]);
});

Deno.test("of two networks each client gets one address, in the order that they were given", () => {
  const both = pool(["fd00:8::/112", "10.8.0.0/16"], 2, ["10.8.0.2/16", "fd00:8::1/112"]);
  assert.deepEqual(leases(both, 3), [
    ["fd00:8::2/112", "10.8.0.1/16"],
    ["fd00:8::3/112", "10.8.0.3/16"],
    null,
  ]);
});

Deno.test("own addresses are skipped wherever they are and however they are written", () => {
  const taken = ["10.8.0.3/32", "10.8.0.1", "10.8.0.2/8", "192.168.0.4/24", "::10.8.0.5/120"];
  assert.deepEqual(leases(pool(["10.8.0.0/24"], 3, taken), 3), [
    ["10.8.0.4/24"],
    ["10.8.0.5/24"],
    ["10.8.0.6/24"],
  ]);
});

Deno.test("a network is known by its prefix, whatever stands behind it", () => {
  assert.deepEqual(leases(pool(["10.8.7.77/24"], 1), 1), [["10.8.7.1/24"]]);
  assert.deepEqual(leases(pool(["10.8.7.77/29"], 1), 1), [["10.8.7.73/29"]]);
  assert.deepEqual(leases(pool(["fd00::ab:cdef/100"], 1), 1), [["fd00::1/100"]]);
  assert.deepEqual(leases(pool(["10.255.255.250/20"], 1), 1), [["10.255.240.1/20"]]);
});

/** The number of clients that a network has addresses for, counted by trying. */
function most(network: string, taken: string[] = []): number {
  for (let clients = 1;; clients++) {
    try {
      pool([network], clients, taken);
    } catch {
      return clients - 1;
    }
  }
}

Deno.test("a network has room for so many: of IPv4 all but its first and last, of IPv6 all but its first", () => {
  const rooms: Record<string, number> = {
    "10.1.1.0/32": 0,
    "10.1.1.0/31": 0,
    "10.1.1.0/30": 2,
    "10.1.1.0/29": 6,
    "10.1.1.0/24": 254,
    "fc11::/128": 0,
    "fc11::/127": 1,
    "fc11::/126": 3,
    "fc11::/120": 255,
  };
  for (const [network, room] of Object.entries(rooms)) assert.equal(most(network), room, network);
  assert.equal(most("10.1.1.0/30", ["10.1.1.1/30"]), 1);
  assert.equal(most("10.1.1.0/30", ["10.1.1.1/30", "10.1.1.2/30"]), 0);
  assert.equal(most("fc11::/126", ["fc11::3/126"]), 2);
});

Deno.test("a network that is too small is refused, with its size and what to do", () => {
  const usage = { name: "TtunError", kind: "usage" };
  const cases: [network: string, clients: number, has: number][] = [
    ["10.1.1.0/30", 2, 1],
    ["10.1.1.0/31", 1, 0],
    ["10.1.1.7/32", 1, 0],
    ["fc11::/127", 2, 1],
    ["fc11::5/128", 1, 0],
    ["10.1.1.0/24", 254, 253],
  ];
  for (const [network, clients, has] of cases) {
    const make = () => pool([network], clients, ["10.1.1.1/30"]);
    assert.throws(make, usage, network);
    assert.throws(make, (error: Error) => {
      for (const words of [`${clients} client`, network, `only ${has};`, "--pool", "--clients"]) {
        assert(error.message.includes(words), `${words} in: ${error.message}`);
      }
      return true;
    });
    // The other network may be as large as it likes.
    assert.throws(() => pool(["10.9.0.0/16", network], clients, ["10.1.1.1/30"]), usage);
  }
  assert.deepEqual(leases(pool(["10.1.1.0/30"], 1, ["10.1.1.1/30"]), 1), [["10.1.1.2/30"]]);
});

Deno.test("a pool gives only such addresses as a client takes, or is refused", () => {
  const untaken = ["10.8.0.0/24", "10.0.0.0/8", "fd00:8::/64", "fd00:8::/32", "8.0.0.0/7"]
    .concat(["fd00::/16", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/8", "fe80::/64", "::/120"])
    .filter((network) => {
      let addresses: readonly Cidr[];
      try {
        addresses = pool([network], 1).lease(claim("one"), 0)!.addresses;
      } catch (error) {
        assert.equal((error as TtunError).kind, "usage");
        return false;
      }
      try {
        readAddresses(packAddresses(addresses));
        return false;
      } catch {
        return true;
      }
    });
  assert.deepEqual(untaken, []);
});

Deno.test("the address in a pool that the server takes itself is the first", () => {
  const first = (network: string) => formatCidr(firstHost(parseCidr(network)));
  assert.equal(first("10.8.0.0/24"), "10.8.0.1/24");
  assert.equal(first("10.8.0.99/30"), "10.8.0.97/30");
  assert.equal(first("fd00:8::/64"), "fd00:8::1/64");
  for (const network of ["10.8.0.0/31", "10.8.0.1/32", "fd00::/128"]) {
    assert.throws(() => first(network), { kind: "usage" });
  }
});

Deno.test("no client gets the network's, the broadcast's, the server's or another client's address", () => {
  // Addresses that clients accept: no loopback, link-local or multicast.
  const bytes = (first: number, last: number, size: number) =>
    fc.tuple(
      fc.integer({ min: first, max: last }),
      fc.uint8Array({ minLength: size - 1, maxLength: size - 1 }),
    ).map(([byte, others]) => Uint8Array.of(byte, ...others));
  const network = fc.tuple(bytes(1, 126, 4), fc.integer({ min: 8, max: 30 }))
    .map(([bytes, prefix]): Cidr => ({ family: 4, bytes, prefix }));
  const network6 = fc.tuple(bytes(1, 0xfd, 16), fc.integer({ min: 32, max: 126 }))
    .map(([bytes, prefix]): Cidr => ({ family: 6, bytes, prefix }));
  fc.assert(
    fc.property(fc.oneof(network, network6), fc.nat(300), (given, wanted) => {
      const bits = given.bytes.length * 8 - given.prefix;
      const room = bits > 10 ? 1_000 : 2 ** bits - (given.family === 4 ? 2 : 1);
      const own = firstHost(given);
      const clients = Math.min(1 + wanted, room - 1);
      const of = new AddressPool([given], [own], clients);
      const network = networkOf(given);
      const broadcast = network.bytes.slice();
      for (let bit = given.prefix; bit < broadcast.length * 8; bit++) {
        broadcast[bit >> 3]! |= 0x80 >> (bit & 7);
      }
      const found = new Set([formatIp(own.bytes), formatIp(network.bytes)]);
      if (given.family === 4) found.add(formatIp(broadcast));
      const before = found.size;
      for (let i = 0; i < clients; i++) {
        const [address] = of.lease(claim(`client ${i}`), 0)!.addresses;
        assert.deepEqual(networkOf(address!), network);
        found.add(formatIp(address!.bytes));
      }
      assert.equal(found.size, before + clients);
      assert.equal(of.lease(claim("one more"), 0), null);
    }),
    { numRuns: 200 },
  );
});

Deno.test("a carry goes through all bytes of an address", () => {
  const taken = Array.from({ length: 300 }, (_, i) => `10.8.${i >> 8}.${i & 255}/16`);
  assert.deepEqual(leases(pool(["10.8.0.0/16"], 2, taken), 2), [["10.8.1.44/16"], [
    "10.8.1.45/16",
  ]]);
  const six = Array.from(
    { length: 65_600 },
    (_, i) => `fd00::${(i >> 16).toString(16)}:${(i & 0xffff).toString(16)}`,
  );
  assert.deepEqual(leases(pool(["fd00::/64"], 1, six), 1), [["fd00::1:40/64"]]);
});

/** Leases and releases at once. */
function visit(of: AddressPool, who: LeaseClaim, now = 0): string[] | null {
  const lease = of.lease(who, now);
  if (lease !== null) of.release(lease, now);
  return texts(lease);
}

Deno.test("who comes back gets what he had, and nobody else gets it while there are others", () => {
  const of = pool(["10.8.0.0/24", "fd00:8::/64"], 2);
  for (let round = 0; round < 3; round++) {
    for (let i = 1; i < 200; i++) {
      assert.deepEqual(visit(of, claim(`${i}`)), [
        `10.8.0.${i}/24`,
        `fd00:8::${i.toString(16)}/64`,
      ]);
    }
  }
});

Deno.test("when all are known, the address that was unused for the longest time goes", () => {
  const of = pool(["10.8.0.0/29"], 2);
  for (let i = 1; i <= 6; i++) visit(of, claim(`${i}`));
  visit(of, claim("1")); // 2 is the oldest now
  assert.deepEqual(visit(of, claim("7")), ["10.8.0.2/29"]);
  assert.deepEqual(visit(of, claim("2")), ["10.8.0.3/29"]);
  assert.deepEqual(visit(of, claim("1")), ["10.8.0.1/29"]);
  // One that is used does not go, however old.
  const four = of.lease(claim("4"), 0)!;
  for (const who of ["5", "6", "7", "1", "2", "8"]) visit(of, claim(who));
  assert.deepEqual(texts(four), ["10.8.0.4/29"]);
  assert.notDeepEqual(visit(of, claim("9")), texts(four));
});

Deno.test("clients that keep no identity are forgotten before those that do", () => {
  const of = pool(["10.8.0.0/29"], 2);
  visit(of, claim("kept"));
  for (let i = 0; i < 50; i++) visit(of, claim(`process ${i}`, { isKept: false }));
  assert.deepEqual(visit(of, claim("kept")), ["10.8.0.1/29"]);
  assert.deepEqual(of.kept().map(({ owner }) => owner), ["kept"]);
});

Deno.test("there are never more leases than are remembered, whoever comes", () => {
  const of = pool(["10.8.0.0/16", "fd00:8::/64"], 2);
  const stays = of.lease(claim("stays"), 0)!;
  for (let i = 0; i < 5000; i++) visit(of, claim(`${i}`));
  assert.equal(of.kept().length, 4096);
  assert.deepEqual(texts(stays), ["10.8.0.1/16", "fd00:8::1/64"]);
  assert.equal(of.lease(claim("stays"), 0), null, "it is still here");
});

Deno.test("a client gets what it asks for when that is free, and keeps it", () => {
  const of = pool(["10.8.0.0/24", "fd00:8::/64"], 4, ["10.8.0.1", "fd00:8::1"]);
  const wishes = (...list: string[]) => ({ wishes: list.map(parseCidr) });
  assert.deepEqual(visit(of, claim("one", wishes("10.8.0.77/8"))), [
    "10.8.0.77/24",
    "fd00:8::2/64",
  ]);
  assert.deepEqual(visit(of, claim("one")), ["10.8.0.77/24", "fd00:8::2/64"]);
  assert.deepEqual(visit(of, claim("one", wishes("fd00:8::1234:5"))), [
    "10.8.0.77/24",
    "fd00:8::1234:5/64",
  ]);
  // The address that it had before rests, and is free for others then.
  assert.deepEqual(visit(of, claim("two")), ["10.8.0.2/24", "fd00:8::3/64"]);
  assert.deepEqual(visit(of, claim("two", wishes("9.9.9.9", "10.8.0.5", "10.8.0.6"))), [
    "10.8.0.5/24",
    "fd00:8::3/64",
  ]);
  assert.deepEqual(visit(of, claim("three"), QUARANTINE_MS), ["10.8.0.2/24", "fd00:8::2/64"]);
});

Deno.test("what was given back goes to nobody else for a while, not even on wish, unless there is nothing else", () => {
  const wish = { wishes: [parseCidr("10.8.0.1")] };
  const of = pool(["10.8.0.0/29"], 3);
  visit(of, claim("process", { isKept: false }), 0);
  assert.deepEqual(visit(of, claim("next", { isKept: false, ...wish }), 1_000), ["10.8.0.2/29"]);
  const late = pool(["10.8.0.0/29"], 3);
  visit(late, claim("process", { isKept: false }), 0);
  assert.deepEqual(
    visit(late, claim("next", { isKept: false, ...wish }), QUARANTINE_MS + 1),
    ["10.8.0.1/29"],
  );
  const moved = pool(["10.8.0.0/29"], 3);
  visit(moved, claim("moves"), 0);
  visit(moved, claim("moves", { wishes: [parseCidr("10.8.0.5")] }), 1_000);
  assert.deepEqual(visit(moved, claim("next", wish), 2_000), ["10.8.0.2/29"]);
  // Six addresses, which all have been given: the one that has rested longest is the next.
  const full = pool(["10.8.0.0/29"], 3);
  const given = Array.from(
    { length: 8 },
    (_, i) => visit(full, claim(`process ${i}`, { isKept: false }), 1_000 * i),
  );
  assert.deepEqual(given.flat().map((text) => text!.split("/")[0]!.at(-1)).join(""), "12345612");
});

Deno.test("whoever asks for another address each time does not use up the pool, nor memory", () => {
  const of = pool(["10.8.0.0/16"], 2);
  for (let i = 0; i < 20_000; i++) {
    const wishes = [parseCidr(`10.8.${100 + (i >> 8) % 100}.${i & 0xff}`)];
    assert.notEqual(visit(of, claim("greedy", { wishes }), i), null);
  }
  assert.deepEqual(visit(of, claim("other"), 20_000), ["10.8.0.1/16"]);
});

Deno.test("nobody gets by asking what is the server's, no host's, outside, or another client's", () => {
  const of = pool(["10.8.0.0/24", "fd00:8::/64"], 4, ["10.8.0.1", "fd00:8::1"]);
  const other = of.lease(claim("other"), 0)!;
  assert.deepEqual(texts(other), ["10.8.0.2/24", "fd00:8::2/64"]);
  visit(of, claim("away"), 1_000);
  for (
    const wish of ["10.8.0.1", "10.8.0.0", "10.8.0.255", "10.8.1.4", "10.8.0.2", "10.8.0.3"]
      .concat([
        "fd00:8::1:0:0:7",
        "fd00:8::ffff:1",
        "fd00:8::",
        "fd00:8::1",
        "fd00:8::2",
        "fd00:8::3",
        "fd00:9::4",
        "::10.8.0.4",
      ])
  ) {
    const got = visit(of, claim("asks", { wishes: [parseCidr(wish)] }), 2_000);
    assert.deepEqual(got, ["10.8.0.4/24", "fd00:8::4/64"], wish);
  }
  // One who has not been here for long has no claim against one who asks.
  const asks = claim("asks", { wishes: [parseCidr("10.8.0.3"), parseCidr("10.8.0.2")] });
  assert.deepEqual(visit(of, asks, 1_001 + KEPT_FOR_MS), ["10.8.0.3/24", "fd00:8::4/64"]);
  assert.deepEqual(visit(of, claim("away"), 1_002 + KEPT_FOR_MS), ["10.8.0.5/24", "fd00:8::3/64"]);
  assert.deepEqual(visit(of, asks, 10 * KEPT_FOR_MS), ["10.8.0.3/24", "fd00:8::4/64"]);
});

Deno.test("a client that is here already gets nothing more", () => {
  const of = pool(["10.8.0.0/24"], 2);
  const mine = of.lease(claim("one"), 0)!;
  assert.equal(of.lease(claim("one"), 0), null);
  assert.deepEqual(texts(of.lease(claim("two"), 0)), ["10.8.0.2/24"]);
  of.release(mine, 0);
  of.release(mine, 0); // once is enough
  assert.deepEqual(texts(of.lease(claim("three"), 0)), ["10.8.0.3/24"]);
  assert.equal(of.lease(claim("one"), 0), null, "two are here");
});

Deno.test("a new pool knows the leases of an old one, as far as they fit", () => {
  const old = pool(["10.8.0.0/24", "fd00:8::/64"], 4);
  for (const name of ["a", "b", "c", "d"]) visit(old, claim(name, { name }), 1_000);
  visit(old, claim("a", { name: "a" }), 2_000);
  const kept = old.kept();
  assert.deepEqual(kept.map(({ owner, usedAt }) => [owner, usedAt]), [
    ["b", 1_000],
    ["c", 1_000],
    ["d", 1_000],
    ["a", 2_000],
  ]);
  const again = new AddressPool(["10.8.0.0/24", "fd00:8::/64"].map(parseCidr), [], 4, kept);
  assert.deepEqual(visit(again, claim("new")), ["10.8.0.5/24", "fd00:8::5/64"]);
  assert.deepEqual(visit(again, claim("b")), ["10.8.0.2/24", "fd00:8::2/64"]);
  // Another network, one less, and an address that is the server's now.
  const own = [parseCidr("10.8.0.2/24")];
  const changed = new AddressPool([parseCidr("10.8.0.0/24")], own, 4, kept);
  assert.deepEqual(visit(changed, claim("c")), ["10.8.0.3/24"]);
  assert.deepEqual(visit(changed, claim("b")), ["10.8.0.5/24"]);
  const foreign = new AddressPool([parseCidr("10.9.0.0/24")], [], 4, kept);
  assert.deepEqual([foreign.kept(), visit(foreign, claim("c"))], [[], ["10.9.0.1/24"]]);
});

Deno.test("however clients come, ask and go, nobody has another's address, and all within bounds", () => {
  const client = fc.nat(9).map((i) => `client ${i}`);
  const wish = fc.option(fc.nat(15), { nil: undefined });
  const steps = fc.array(fc.tuple(fc.boolean(), client, wish), { maxLength: 80 });
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 5 }), (list, count) => {
      const of = pool(["10.8.0.0/28"], count, ["10.8.0.1"]);
      const held = new Map<string, Lease>();
      for (const [at, [comes, who, wanted]] of list.entries()) {
        const mine = held.get(who);
        if (mine !== undefined && !comes) {
          of.release(mine, at);
          held.delete(who);
          continue;
        }
        const wishes = wanted === undefined ? [] : [parseCidr(`10.8.0.${wanted}`)];
        const got = of.lease(claim(who, { wishes }), at);
        assert.equal(got === null, mine !== undefined || held.size === count);
        if (got !== null) held.set(who, got);
        const all = [...held.values()].flatMap((lease) => texts(lease)!);
        assert.equal(all.length, held.size);
        assert.equal(new Set(all).size, held.size);
        for (const text of all) assert.match(text, /^10\.8\.0\.([2-9]|1[0-4])\/28$/);
        assert(of.kept().length <= 13);
      }
    }),
    { numRuns: 500 },
  );
});

/** A client of a key, with an identity of its own. */
const ofKey = (key: string, n: number, more: Partial<LeaseClaim> = {}) =>
  claim(`${key}:${n}`, { key, ...more });

Deno.test("a key with ever new identities takes no address of another key's client", () => {
  const of = pool(["10.9.0.0/24", "fd00:9::/64"], 20, ["10.9.0.1", "fd00:9::1"]);
  const had = visit(of, ofKey("b", 0));
  for (let i = 0; i < 10_000; i++) {
    assert.notDeepEqual(visit(of, ofKey("a", i), i * 1_000), had);
  }
  assert.deepEqual(visit(of, ofKey("b", 0), 10_000_000), had);
  // A third key that comes when all are known gets one of the key with most of them.
  assert.notDeepEqual(visit(of, ofKey("c", 0), 10_000_001), had);
  assert.deepEqual(visit(of, ofKey("b", 0), 10_000_002), had);
});

Deno.test("asking for an address gets nobody what a client of another key is to have again", () => {
  const wishes = [parseCidr("10.9.0.1")];
  const years = 1_000 * KEPT_FOR_MS;
  for (
    const [holder, asks, isGiven] of [["b", "a", false], ["b", "b", true], ["", "a", true]] as const
  ) {
    const of = pool(["10.9.0.0/24"], 2);
    visit(of, ofKey(holder, 0));
    const got = visit(of, ofKey(asks, 1, { wishes }), years);
    assert.deepEqual(got, [isGiven ? "10.9.0.1/24" : "10.9.0.2/24"], `${asks} asks, ${holder} had`);
  }
});

Deno.test("whatever the clients of other keys do, a key whose few clients fit keeps their addresses", () => {
  const step = fc.record({
    key: fc.constantFrom("a", "c"),
    n: fc.nat(40),
    isKept: fc.boolean(),
    wish: fc.option(fc.integer({ min: 1, max: 14 }), { nil: null }),
    stays: fc.boolean(),
    later: fc.constantFrom(0, 1_000, QUARANTINE_MS + 1, KEPT_FOR_MS + 1),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
    const of = pool(["10.9.0.0/28"], 6);
    const had = [0, 1].map((n) => visit(of, ofKey("b", n)));
    const living: Lease[] = [];
    let now = 0;
    // The big key has more leases than the small one from here on.
    for (let n = 0; n < 3; n++) visit(of, ofKey("a", n));
    for (const { key, n, isKept, wish, stays, later } of steps) {
      now += later;
      const wishes = wish === null ? [] : [parseCidr(`10.9.0.${wish}`)];
      const lease = of.lease(ofKey(key, n, { isKept, wishes }), now);
      if (lease === null) continue;
      assert(!had.some((one) => one![0] === texts(lease)![0]), "it is another key's");
      if (stays) living.push(lease);
      else of.release(lease, now);
      if (living.length > 3) of.release(living.shift()!, now);
    }
    for (const lease of living) of.release(lease, now);
    had.forEach((addresses, n) => assert.deepEqual(visit(of, ofKey("b", n), now), addresses));
  }));
});

Deno.test("leases from before there were several keys give way first", () => {
  const of = pool(["10.9.0.0/29"], 2);
  for (let n = 0; n < 6; n++) visit(of, ofKey("", n));
  const had = [0, 1].map((n) => visit(of, ofKey("a", n), 1));
  assert.deepEqual(had, [["10.9.0.1/29"], ["10.9.0.2/29"]]);
  assert.deepEqual([0, 1].map((n) => visit(of, ofKey("a", n), 2)), had);
});

const reservedFor = (...all: [string, string][]) =>
  new Map(all.map(([key, address]) => [key, [parseCidr(`${address}/24`)]]));

function reserving(network: string, clients: number, ...all: [string, string][]): AddressPool {
  return new AddressPool([parseCidr(network)], [], clients, [], reservedFor(...all));
}

Deno.test("an address that is reserved for a key goes to its client, and to nobody else", () => {
  const some = reserving("10.8.0.0/24", 100, ["ann", "10.8.0.1"], ["bob", "10.8.0.9"]);
  const wishes = [parseCidr("10.8.0.9/24"), parseCidr("10.8.0.1/24")];
  assert.deepEqual(texts(some.lease(claim("x", { key: "cat", wishes }), 0)), ["10.8.0.2/24"]);
  assert.deepEqual(texts(some.lease(claim("y", { key: "bob" }), 0)), ["10.8.0.9/24"]);
  assert.deepEqual(texts(some.lease(claim("y2", { key: "bob" }), 0)), ["10.8.0.3/24"], "a second");
  assert.deepEqual(texts(some.lease(claim("z", { key: "ann", wishes }), 0)), ["10.8.0.1/24"]);
  some.release({ owner: "y" }, 0);
  assert.deepEqual(texts(some.lease(claim("y3", { key: "bob" }), 1)), ["10.8.0.9/24"], "at once");
});

Deno.test("when all others are in use, what is reserved stays free", () => {
  const few = reserving("10.8.0.0/29", 6, ["ann", "10.8.0.3"]);
  const given = Array.from(
    { length: 6 },
    (_, i) => texts(few.lease(claim(`client ${i}`, { key: "cat" }), 0)),
  );
  assert.deepEqual(given.at(-1), null);
  assert.equal(given.filter((one) => one !== null).length, 5);
  assert.deepEqual(texts(few.lease(claim("ann's", { key: "ann" }), 0)), ["10.8.0.3/29"]);
});

Deno.test("other reservations count from the next lease on", () => {
  const some = reserving("10.8.0.0/24", 100);
  const ann = claim("x", { key: "ann" });
  const cat = claim("y", { key: "cat" });
  assert.deepEqual(texts(some.lease(ann, 0)), ["10.8.0.1/24"]);
  assert.deepEqual(texts(some.lease(cat, 0)), ["10.8.0.2/24"]);
  some.reserve(reservedFor(["ann", "10.8.0.7"], ["dan", "10.8.0.2"]));
  some.release({ owner: "x" }, 0);
  assert.deepEqual(texts(some.lease(ann, 1)), ["10.8.0.7/24"]);
  assert.notDeepEqual(texts(some.lease(claim("d", { key: "dan" }), 1)), ["10.8.0.2/24"], "in use");
  some.release({ owner: "y" }, 1);
  assert.notDeepEqual(texts(some.lease(cat, 2)), ["10.8.0.2/24"], "it was cat's, and is dan's now");
  some.release({ owner: "d" }, 2);
  assert.deepEqual(texts(some.lease(claim("d", { key: "dan" }), 3)), ["10.8.0.2/24"]);
});

Deno.test("a lease of an earlier run is nobody's where its address is reserved for another key", () => {
  const before = pool(["10.8.0.0/24"], 9);
  before.lease(claim("x", { key: "cat" }), 0);
  const after = new AddressPool(
    [parseCidr("10.8.0.0/24")],
    [],
    9,
    before.kept(),
    reservedFor(["ann", "10.8.0.1"]),
  );
  assert.deepEqual(texts(after.lease(claim("x", { key: "cat" }), 1)), ["10.8.0.2/24"]);
  assert.deepEqual(texts(after.lease(claim("a", { key: "ann" }), 1)), ["10.8.0.1/24"]);
});
