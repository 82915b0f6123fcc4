import assert from "node:assert/strict";
import { parseCidr } from "../../base/addr.ts";
import type { Lease } from "../../core/ip/address_pool.ts";
import type { SessionStatus } from "../../core/status/report.ts";
import { absentClients } from "./absent_clients.ts";

function lease(name: string, address: string, usedAt: number): Lease {
  return { owner: name, key: "", isKept: true, name, usedAt, addresses: [parseCidr(address)] };
}

const SESSION: SessionStatus = {
  id: 1,
  peer: "192.0.2.1:40000",
  wire: "v2",
  seconds: 1,
  addresses: ["10.5.0.3/24"],
  sentBytes: 0,
  receivedBytes: 0,
  carriers: [],
};

Deno.test("clients without a session are told, the last seen first", () => {
  const leases = [
    lease("old", "10.5.0.2/24", 1000),
    lease("here", "10.5.0.3/24", 1000),
    lease("new", "10.5.0.4/24", 8000),
    lease("of a clock that was set back", "10.5.0.5/24", 99_000),
  ];
  assert.deepEqual(
    absentClients(leases, [SESSION], 10_000).map(({ name, seconds }) => [name, seconds]),
    [["of a clock that was set back", 0], ["new", 2], ["old", 9]],
  );
  assert.deepEqual(absentClients(leases, [], 0).length, 4);
});
