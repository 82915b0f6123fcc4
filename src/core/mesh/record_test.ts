import { deepEqual, equal } from "node:assert/strict";
import { joinKey, splitKey } from "./record.ts";
import { compareVersions, versionText } from "./version.ts";

Deno.test("record: a key is two segments and what follows", () => {
  deepEqual(splitKey("kv/app/a/b"), { bucket: "kv/app", child: "a/b" });
  deepEqual(splitKey("route/www.example.com"), { bucket: "route/www.example.com", child: "" });
  for (
    const key of ["", "kv", "kv/", "/kv/a", "kv//a", "kv/a b", "kv/a/", `kv/${"x".repeat(254)}`]
  ) {
    equal(splitKey(key), null, key);
  }
  equal(splitKey(`kv/a/${"b/".repeat(300)}c`), null);
  for (const key of ["kv/app/a/b", "kv/app"]) equal(joinKey(splitKey(key)!), key);
});

Deno.test("record: versions are compared by epoch, time and writer", () => {
  const versions = [[0n, 1n, 5n], [0n, 2n, 1n], [0n, 2n, 3n], [1n, 0n, 0n]].map((
    [epoch, hlc, writer],
  ) => ({ epoch: epoch!, hlc: hlc!, writer: writer! }));
  deepEqual(versions.toReversed().sort(compareVersions), versions);
  equal(compareVersions(versions[1]!, { ...versions[1]! }), 0);
  equal(versionText({ epoch: 1n, hlc: 255n, writer: 16n }), "1.ff.10");
});
