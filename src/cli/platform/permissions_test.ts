import assert from "node:assert/strict";
import { flagOf, isGranted, requirePermissions } from "./permissions.ts";

Deno.test("a flag is spelled with what it is limited to", () => {
  assert.equal(flagOf({ name: "ffi" }), "--allow-ffi");
  assert.equal(flagOf({ name: "read", path: "/etc/key" }), "--allow-read=/etc/key");
  assert.equal(flagOf({ name: "env", variable: "TTUN_KEY" }), "--allow-env=TTUN_KEY");
  assert.equal(flagOf({ name: "net", host: "[::1]:1" }), "--allow-net=[::1]:1");
  assert.equal(flagOf({ name: "run", command: "sh" }), "--allow-run=sh");
});

Deno.test({
  name: "a missing permission is a sentence that names it and what to do",
  permissions: "none",
  fn: () => {
    assert.equal(isGranted({ name: "ffi" }), false);
    requirePermissions([]);
    assert.throws(
      () =>
        requirePermissions(
          [{ permission: { name: "ffi" }, purpose: "open the TUN device" }],
          "server",
        ),
      {
        kind: "privilege",
        message:
          "Cannot open the TUN device: Deno was started without --allow-ffi; run with -A or -P=server",
      },
    );
  },
});
