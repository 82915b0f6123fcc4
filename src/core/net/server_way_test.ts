import assert from "node:assert/strict";
import fc from "fast-check";
import { parseCidr, parseIp } from "../../base/addr.ts";
import { covers } from "../../base/prefix.ts";
import type { TableRoute } from "../../contract/routing.ts";
import { bestRoute, serverWay } from "./server_way.ts";

const route = (to: string, o: Partial<TableRoute> = {}): TableRoute => ({
  to: parseCidr(to),
  index: 2,
  metric: 0,
  isDead: false,
  isForServer: false,
  hop: to,
  ...o,
});
const ip = (text: string) => parseIp(text)!;
const networks = (...some: string[]) => some.map(parseCidr);

Deno.test("the longest prefix is taken, then the lowest metric, then the first", () => {
  const table = [
    route("0.0.0.0/0", { hop: "a", metric: 100 }),
    route("0.0.0.0/0", { hop: "b", metric: 50 }),
    route("0.0.0.0/0", { hop: "c", metric: 50 }),
    route("192.0.2.0/24", { hop: "d", metric: 700 }),
    route("192.0.2.0/28", { hop: "dead", isDead: true }),
    route("::/0", { hop: "six" }),
  ];
  assert.equal(bestRoute(table, ip("203.0.113.1"))?.hop, "b");
  assert.equal(bestRoute(table, ip("192.0.2.1"))?.hop, "d");
  assert.equal(bestRoute(table, ip("2001:db8::1"))?.hop, "six");
  assert.equal(bestRoute([], ip("192.0.2.1")), null);
});

Deno.test("a server needs a route of its own only where one of the tunnel would be taken", () => {
  const table = [route("0.0.0.0/0", { hop: "default" }), route("10.0.0.0/24", { hop: "link" })];
  const kind = (tunnel: string[], server: string) =>
    serverWay(table, networks(...tunnel), ip(server)).kind;
  assert.equal(kind(["10.1.1.0/30", "fc11::/126"], "192.0.2.1"), "free");
  assert.equal(kind(["0.0.0.0/0"], "192.0.2.1"), "covered");
  assert.equal(kind(["0.0.0.0/1", "128.0.0.0/1"], "192.0.2.1"), "covered");
  assert.equal(kind(["192.0.2.0/24"], "192.0.2.1"), "covered");
  assert.equal(kind(["192.0.2.1/32"], "192.0.2.1"), "covered");
  // On the link itself: that is longer than the tunnel's, or as long, or shorter.
  assert.equal(kind(["0.0.0.0/0"], "10.0.0.9"), "free");
  assert.equal(kind(["10.0.0.0/24"], "10.0.0.9"), "covered");
  assert.equal(kind(["10.0.0.8/30"], "10.0.0.9"), "covered");
  assert.equal(kind(["0.0.0.0/0"], "2001:db8::1"), "free");
  assert.equal(kind(["::/0"], "2001:db8::1"), "none");
});

Deno.test("the way is that of the uplink, or the tunnel's network where there is none", () => {
  const uplink = route("0.0.0.0/0", { hop: "uplink" });
  const tunnel = networks("0.0.0.0/0", "192.0.0.0/16");
  assert.deepEqual(serverWay([uplink], tunnel, ip("192.0.2.1")), { kind: "covered", by: uplink });
  assert.deepEqual(serverWay([], tunnel, ip("192.0.2.1")), {
    kind: "none",
    into: parseCidr("192.0.0.0/16"),
  });
});

Deno.test("whatever the table is: no better route than the one that is found", () => {
  const routes = fc.array(fc.tuple(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.nat(32),
    fc.nat(3),
    fc.boolean(),
  ));
  fc.assert(fc.property(routes, fc.uint8Array({ minLength: 4, maxLength: 4 }), (some, address) => {
    const table = some.map(([bytes, prefix, metric, isDead]) =>
      route("0.0.0.0/0", { to: { family: 4, bytes, prefix }, metric, isDead })
    );
    const best = bestRoute(table, address);
    for (const other of table.filter(({ isDead, to }) => !isDead && covers(to, address))) {
      assert.ok(best !== null);
      assert.ok(other.to.prefix <= best.to.prefix);
      if (other.to.prefix === best.to.prefix) assert.ok(other.metric >= best.metric);
    }
  }));
});
