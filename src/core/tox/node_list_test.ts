import assert from "node:assert/strict";
import fc from "fast-check";
import { TtunError } from "../../base/errors.ts";
import { joinNodes, nodeListTime, parseNodeList } from "./node_list.ts";

const KEY = "8E7D0B859922EF569298B4D261A8CCB5FEA14FB91ED412A7603A585A25698832";

Deno.test("a node has its whole key, both its addresses and its relays' ports", () => {
  const node = { ipv4: "203.0.113.1", ipv6: "2001:db8::1", port: 33445, public_key: KEY };
  const places = parseNodeList(JSON.stringify({ nodes: [{ ...node, tcp_ports: [443, 0, "x"] }] }));
  assert.deepEqual(places.map(({ host }) => host), ["203.0.113.1", "2001:db8::1"]);
  for (const { port, publicKey, relayPorts } of places) {
    assert.equal(port, 33445);
    assert.equal(publicKey.length, 32);
    assert.equal(publicKey[31], 0x32);
    assert.deepEqual(relayPorts, [443]);
  }
});

Deno.test("names are taken, and - and NONE are no addresses", () => {
  const nodes = [
    { ipv4: "tox.example.net", ipv6: "-", port: 33445, public_key: KEY },
    { ipv4: "NONE", ipv6: "-", port: 33445, public_key: KEY },
    { ipv4: "203.0.113.2", port: 0, public_key: KEY },
    { ipv4: "203.0.113.3", port: 33445, public_key: KEY.slice(1) },
    null,
  ];
  const places = parseNodeList(JSON.stringify({ nodes }));
  assert.deepEqual(places.map(({ host }) => host), ["tox.example.net"]);
});

for (const text of ["", "[]", "{}", '{"nodes":{}}', '{"nodes":[]}', "null", '{"nodes":[1]}']) {
  Deno.test(`${text} is no list of nodes`, () => {
    assert.throws(() => parseNodeList(text), TtunError);
  });
}

Deno.test("no JSON at all breaks it otherwise than by a TtunError", () => {
  fc.assert(fc.property(fc.json(), fc.boolean(), (json, wrapped) => {
    try {
      parseNodeList(wrapped ? `{"nodes":[${json}]}` : json);
    } catch (error) {
      assert.ok(error instanceof TtunError);
    }
  }));
});

Deno.test("a list tells its time, if it is one", () => {
  const list = (more: object) => JSON.stringify({ nodes: [], ...more });
  assert.equal(nodeListTime(list({ last_scan: 5, last_refresh: 7 })), 7000);
  assert.equal(nodeListTime(list({ last_scan: 5 })), 5000);
  for (const other of [{}, { last_scan: "5" }, { last_scan: -1 }, { last_scan: 1e300 }]) {
    assert.equal(nodeListTime(list(other)), null);
  }
});

Deno.test("of several lists each node counts once", () => {
  const node = (host: string) => ({ ipv4: host, port: 33445, public_key: KEY });
  const list = (...hosts: string[]) => parseNodeList(JSON.stringify({ nodes: hosts.map(node) }));
  const joined = joinNodes(list("a.net", "b.net"), list("b.net", "c.net"));
  assert.deepEqual(joined.map(({ host }) => host), ["a.net", "b.net", "c.net"]);
});
