import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import { isName, joinKey, splitKey } from "./record.ts";
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

Deno.test("record: names are what keys are divided into, and nothing else", () => {
  const segment = fc.oneof(
    fc.stringMatching(/^[A-Za-z0-9._-]{1,3}$/),
    fc.constantFrom("", "é", "\u0080", "\uffff", " ", "x".repeat(253), "x".repeat(254)),
  );
  const text = fc.array(segment, { maxLength: 4 }).map((segments) => segments.join("/"));
  fc.assert(fc.property(text, text, (bucket, child) => {
    const name = splitKey(joinKey({ bucket, child }));
    equal(isName(bucket, child), name?.bucket === bucket && name.child === child);
  }));
});

Deno.test("record: versions are compared by epoch, time and writer", () => {
  const versions = [[0n, 1n, 5n], [0n, 2n, 1n], [0n, 2n, 3n], [1n, 0n, 0n]].map((
    [epoch, hlc, writer],
  ) => ({ epoch: epoch!, hlc: hlc!, writer: writer! }));
  deepEqual(versions.toReversed().sort(compareVersions), versions);
  equal(compareVersions(versions[1]!, { ...versions[1]! }), 0);
  equal(versionText({ epoch: 1n, hlc: 255n, writer: 16n }), "1.ff.10");
});
