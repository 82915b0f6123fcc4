import assert from "node:assert/strict";
import fc from "fast-check";
import { type Cidr, formatCidr, formatIp, networkOf, parseCidr } from "../base/addr.ts";
import type { TtunError } from "../base/errors.ts";
import { packAddresses, readAddresses } from "./link/addresses.ts";
import { AddressPool, firstHost } from "./address_pool.ts";

fc.configureGlobal({ seed: 12 });

function pool(networks: string[], clients: number, taken: string[] = []): AddressPool {
  return new AddressPool(networks.map(parseCidr), taken.map(parseCidr), clients);
}

const texts = (addresses: readonly Cidr[] | null) => addresses?.map(formatCidr) ?? null;

/** What so many clients get, one after the other. */
function leases(of: AddressPool, clients: number): (string[] | null)[] {
  return Array.from({ length: clients }, (_, i) => texts(of.lease(`client ${i}`)));
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

/** The most clients that a network has addresses for, counted by trying. */
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
        addresses = pool([network], 1).lease("one")!;
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
  // Of such as clients take: no loopback, link-local or group's.
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
        const [address] = of.lease(`client ${i}`)!;
        assert.deepEqual(networkOf(address!), network);
        found.add(formatIp(address!.bytes));
      }
      assert.equal(found.size, before + clients);
      assert.equal(of.lease("one more"), null);
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

Deno.test("who comes back gets what he had; who is new, what nobody has used for the longest time", () => {
  const of = pool(["10.8.0.0/24"], 3);
  const [one, two, three] = ["one", "two", "three"].map((name) => of.lease(name)!);
  assert.deepEqual([texts(one!), texts(two!), texts(three!)], [["10.8.0.1/24"], ["10.8.0.2/24"], [
    "10.8.0.3/24",
  ]]);
  of.release(two!);
  of.release(one!);
  of.release(three!);
  assert.equal(of.lease("one"), one);
  assert.equal(of.lease("three"), three);
  of.release(one!);
  of.release(three!);
  assert.equal(of.lease("four"), two, "free for the longest time");
  assert.equal(of.lease("five"), one);
  assert.equal(of.lease("two"), three, "his own has another one now");
  assert.equal(of.lease("six"), null);
});

Deno.test("what was never used goes before what somebody had", () => {
  const of = pool(["10.8.0.0/24"], 3);
  of.release(of.lease("one")!);
  assert.deepEqual(texts(of.lease("two")), ["10.8.0.2/24"]);
  assert.deepEqual(texts(of.lease("three")), ["10.8.0.3/24"]);
  assert.deepEqual(texts(of.lease("one")), ["10.8.0.1/24"]);
});

Deno.test("a client that is there already gets another address beside", () => {
  const of = pool(["10.8.0.0/24"], 2);
  assert.deepEqual([texts(of.lease("one")), texts(of.lease("one"))], [["10.8.0.1/24"], [
    "10.8.0.2/24",
  ]]);
  assert.equal(of.lease("one"), null);
});

Deno.test("only what was given can be given back", () => {
  const of = pool(["10.8.0.0/24"], 1);
  const mine = of.lease("one")!;
  of.release([]);
  of.release(mine.slice());
  assert.equal(of.lease("two"), null);
  of.release(mine);
  assert.equal(of.lease("two"), mine);
});

Deno.test("however clients come and go, each address has one owner, and a list says who gets what", () => {
  const client = fc.nat(7).map((i) => `client ${i}`);
  const steps = fc.array(fc.tuple(fc.boolean(), client), { maxLength: 80 });
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 5 }), (list, count) => {
      const of = pool(["10.8.0.0/24"], count);
      // The model: free ones, the longest unused first, each with who had it last.
      const free = Array.from(
        { length: count },
        (_, i) => ({ text: `10.8.0.${i + 1}/24`, last: "" }),
      );
      const held = new Map<string, readonly Cidr[]>();
      for (const [comes, who] of list) {
        if (!comes || held.has(who)) {
          const mine = held.get(who);
          if (mine === undefined) continue;
          of.release(mine);
          held.delete(who);
          free.push({ text: texts(mine)![0]!, last: who });
          continue;
        }
        const own = free.findIndex(({ last }) => last === who);
        const wanted = free.splice(Math.max(own, 0), 1)[0];
        const got = of.lease(who);
        assert.equal(texts(got)?.[0], wanted?.text);
        if (got !== null) held.set(who, got);
      }
    }),
    { numRuns: 500 },
  );
});
