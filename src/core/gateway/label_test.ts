import assert from "node:assert/strict";
import { isLabel, labelBelow, readApex, readLabel } from "./label.ts";

Deno.test("labels of letters, digits and hyphens are names", () => {
  for (const name of ["a", "shop", "x-1", "1", "a".repeat(63)]) assert.equal(readLabel(name), name);
  assert.equal(readLabel("SHOP"), "shop");
  const wrong = ["", "-a", "a-", "a.b", "a_b", "_dmarc", "ä", "a".repeat(64), "a b", "a\n"];
  for (const name of [...wrong, "www", "admin", "apex", "api", "mail", "xn--a", "ab--c"]) {
    assert.throws(() => readLabel(name), { kind: "usage" }, name);
    assert.equal(isLabel(name), false);
  }
});

Deno.test("an apex is a domain", () => {
  assert.equal(readApex("Example.NET."), "example.net");
  for (const name of ["net", "", "1.2.3.4", "a..b", "a b.net", "*.a.net", `${"a.".repeat(100)}b`]) {
    assert.throws(() => readApex(name), { kind: "usage" }, name);
  }
});

Deno.test("a host directly below the apex has a label", () => {
  assert.equal(labelBelow("shop.example.net", "example.net"), "shop");
  for (
    const host of ["example.net", "a.b.example.net", "shopexample.net", ".example.net", "x.net"]
  ) {
    assert.equal(labelBelow(host, "example.net"), null, host);
  }
});
