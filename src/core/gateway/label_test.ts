import assert from "node:assert/strict";
import {
  hostOfName,
  isHostName,
  isLabel,
  labelBelow,
  publicNameOf,
  readApex,
  readLabel,
  readPublicName,
} from "./label.ts";

Deno.test("labels of letters, digits and hyphens are names", () => {
  for (const name of ["a", "shop", "x-1", "1", "a".repeat(63)]) assert.equal(readLabel(name), name);
  assert.equal(readLabel("SHOP"), "shop");
  assert.equal(readLabel("XN--bcher-kva"), "xn--bcher-kva");
  const wrong = ["", "-a", "a-", "a.b", "a_b", "_dmarc", "ä", "a".repeat(64), "a b", "a\n"];
  for (const name of [...wrong, "www", "admin", "apex", "api", "mail", "xn--a", "xn--", "ab--c"]) {
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

Deno.test("a host name of its own is no name of the apex", () => {
  for (const host of ["www.example.org", "example.org", "xn--bcher-kva.example"]) {
    assert(isHostName(host), host);
    assert.equal(publicNameOf(host, "mesh.test"), host);
    assert.equal(hostOfName(host, "mesh.test"), host);
  }
  for (const host of ["org", "192.0.2.1", "a..b", "-a.org", "a.org.", "_x.org", "", "a b.org"]) {
    assert(!isHostName(host), host);
  }
  assert(!isHostName(`${"a.".repeat(100)}org`));
  assert.equal(publicNameOf("shop.mesh.test", "mesh.test"), "shop");
  for (const host of ["mesh.test", "a.b.mesh.test", "_x.mesh.test"]) {
    assert.equal(publicNameOf(host, "mesh.test"), null, host);
  }
  assert.equal(hostOfName("shop", "mesh.test"), "shop.mesh.test");
  assert.equal(readPublicName("WWW.Example.org."), "www.example.org");
  assert.equal(readPublicName("Shop"), "shop");
  assert.throws(() => readPublicName("a_b.org"), { kind: "usage" });
});
