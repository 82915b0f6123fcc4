import assert from "node:assert/strict";
import fc from "fast-check";
import { formatRawService, RAW_PROTOCOLS, rawKindOf, readRawService } from "./raw_service.ts";

const V6 = fc.ipV6().map((host) => ({ host, port: 4000 }));
const V4 = fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 65_535 }))
  .map(([host, port]) => ({ host, port }));

Deno.test("a service names the kind, the name and the visitor", () => {
  assert.equal(
    formatRawService({ kind: "tcp", name: "shop", visitor: { host: "192.0.2.1", port: 5 } }),
    "tcp shop 192.0.2.1:5",
  );
  const zoned = { host: "fe80::1%eth0", port: 9 };
  assert.equal(
    formatRawService({ kind: "link", name: "a", visitor: zoned }),
    "link a [fe80::1]:9",
  );
  const unnamed = { path: "/run/x" };
  assert.equal(formatRawService({ kind: "tcp", name: "a", visitor: unnamed }), "tcp a -");
});

Deno.test("each service that is written is read again", () => {
  fc.assert(fc.property(
    fc.constantFrom("tcp" as const, "link" as const, "tls" as const),
    fc.option(fc.oneof(V4, V6), { nil: null }),
    (kind, visitor) => {
      const service = { kind, name: "shop", visitor };
      assert.deepEqual(readRawService(formatRawService(service)), service);
    },
  ));
});

Deno.test("what is no such service is none", () => {
  for (
    const service of [
      "",
      "tcp",
      "tcp shop",
      "tcp  -",
      "http shop -",
      "tcp Shop -",
      "tcp www -",
      "tcp shop - -",
      "tcp shop host:5",
      "tcp shop 192.0.2.1",
      "tcp shop 192.0.2.1:70000",
      "tcp shop -\n",
    ]
  ) assert.equal(readRawService(service), null, service);
  fc.assert(fc.property(fc.string(), (text) => {
    const read = readRawService(text);
    if (read !== null) assert.equal(read.name.length > 0, true);
  }));
});

Deno.test("kinds are known by their protocol", () => {
  assert.equal(rawKindOf(RAW_PROTOCOLS.tcp), "tcp");
  assert.equal(rawKindOf(RAW_PROTOCOLS.link), "link");
  assert.equal(rawKindOf("h2"), null);
  assert.equal(rawKindOf(null), null);
});
