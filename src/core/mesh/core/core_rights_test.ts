import assert from "node:assert/strict";
import { coreRefusal } from "./core_rights.ts";
import type { CoreRequest } from "./request.ts";

const OF_CLUSTER = ["conf/member/a", "conf/agent/a", "invite/a", "revoked/a"];
const OF_GATEWAYS = ["acme/a/b", "cert/a", "txt/a"];
const OF_ALL = ["kv/conf/a", "lease/a", "name/a"];

/** The keys that a node with these roles may not write. */
function refused(...roles: ("core" | "gateway")[]): string[] {
  return [...OF_CLUSTER, ...OF_GATEWAYS, ...OF_ALL].filter((key) => {
    const writes: CoreRequest[] = [
      { type: "put", key, value: new Uint8Array() },
      { type: "delete", key },
    ];
    const [put, del] = writes.map((one) => coreRefusal(one, (role) => roles.includes(role)));
    assert.equal(put, del);
    return put !== null;
  });
}

Deno.test("a node without the role core writes nothing about who belongs to the cluster", () => {
  assert.deepEqual(refused("core"), []);
  assert.deepEqual(refused("gateway"), OF_CLUSTER);
  assert.deepEqual(refused(), [...OF_CLUSTER, ...OF_GATEWAYS]);
});

Deno.test("every node reads, and has sessions", () => {
  const requests: CoreRequest[] = [
    { type: "get", key: "conf/member/a" },
    { type: "list", prefix: "invite/", limit: 10 },
    { type: "changes", prefix: "revoked/", from: 1 },
    { type: "grant", session: "s", ttlMs: 5000 },
    { type: "info" },
  ];
  for (const request of requests) assert.equal(coreRefusal(request, () => false), null);
});
