import assert from "node:assert/strict";
import { parseIp } from "../../base/addr.ts";
import { ownCandidates } from "./own_candidates.ts";

const ips = (...texts: string[]) => texts.map((text) => parseIp(text)!);

Deno.test("what others say comes first, private networks last, and nothing twice", () => {
  const said = [{ host: "203.0.113.7", port: 61_000 }, { host: "198.51.100.1", port: 7 }];
  const own = ips("10.0.0.2", "198.51.100.1", "fd00::1", "100.64.0.1", "2001:db8::1");
  const found = ownCandidates({ said, own, port: 7 });
  assert.deepEqual(found.map(({ host, port }) => `${host} ${port}`), [
    "203.0.113.7 61000",
    "198.51.100.1 7",
    "2001:db8::1 7",
    "10.0.0.2 7",
    "fd00::1 7",
    "100.64.0.1 7",
  ]);
});

Deno.test("addresses that no other machine reaches are left out, and eight are the most", () => {
  const own = ips("127.0.0.1", "::1", "fe80::1", "169.254.1.1", "0.0.0.0", "224.0.0.1");
  assert.deepEqual(ownCandidates({ said: [], own, port: 7 }), []);
  const many = Array.from({ length: 20 }, (_, i) => `192.0.2.${i + 1}`);
  assert.equal(ownCandidates({ said: [], own: ips(...many), port: 7 }).length, 8);
});
