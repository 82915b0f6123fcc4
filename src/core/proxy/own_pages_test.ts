import assert from "node:assert/strict";
import { BypassRules } from "./bypass_rules.ts";
import type { RequestHead } from "../http/http1/head.ts";
import { ownPage } from "./own_pages.ts";

const DIRECT = new BypassRules([
  "10.0.0.0/8",
  "192.0.2.128/25",
  "0.0.0.0/0",
  "2001:db8::/32",
  "example.com",
]);

function ask(target: string, host: string, more: Partial<RequestHead> = {}) {
  const fields = [{ name: "Host", value: host }];
  const head: RequestHead = { method: "GET", target, minor: 1, fields, ...more };
  return ownPage(head, 1080, DIRECT.entries);
}

/** Runs a PAC file as a browser does; it may not resolve a name. */
function find(pac: string, host: string): string {
  const isInNet = (address: string, net: string, mask: string) => {
    assert.match(address, /^[\d.]+$/, "a name would be resolved");
    const [a, n, m] = [address, net, mask].map((text) => text.split(".").map(Number));
    return a!.every((byte, i) => (byte & m![i]!) === (n![i]! & m![i]!));
  };
  const none = () => assert.fail("a name would be resolved");
  const names = ["isInNet", "dnsResolve", "isResolvable", "myIpAddress"];
  const run = new Function(...names, `${pac}\nreturn FindProxyForURL("http://x/", arguments[4]);`);
  return run(isInNet, none, none, none, host);
}

Deno.test("pages are for requests that name this proxy by an address or localhost, and its port", () => {
  for (
    const host of [
      "127.0.0.1:1080",
      "localhost:1080",
      "LOCALHOST:1080",
      "[::1]:1080",
      "192.0.2.7:1080",
    ]
  ) {
    assert.equal(ask("/proxy.pac", host)?.status, 200, host);
    assert.equal(ask("/", host)?.status, 200, host);
  }
  for (
    const host of [
      "rebound.example:1080",
      "127.0.0.1",
      "127.0.0.1:1081",
      "",
      "[localhost]:1080",
      "::1:1080",
    ]
  ) {
    assert.equal(ask("/proxy.pac", host), null, host);
  }
  const at = "127.0.0.1:1080";
  for (const target of ["/other", "/proxy.pac?x", "*", "//", "/proxy.pac/"]) {
    assert.equal(ask(target, at), null);
  }
  assert.equal(ask("/", at, { method: "POST" }), null);
  assert.equal(ask("/", at, { method: "HEAD" })?.status, 200);
  const twice = [{ name: "Host", value: at }, { name: "host", value: at }];
  assert.equal(ask("/", at, { fields: twice }), null);
  assert.equal(ask("/", at, { fields: [] }), null);
});

Deno.test("the PAC file has the rules of --direct, and resolves nothing", () => {
  const rules = new BypassRules(["10.0.0.0/8", "192.0.2.128/25", "2001:db8::/32", ".example.com"]);
  const head: RequestHead = {
    ...{ method: "GET", target: "/proxy.pac", minor: 1 },
    fields: [{ name: "Host", value: "127.0.0.1:1080" }],
  };
  const { words, type } = ownPage(head, 1080, rules.entries)!;
  assert.equal(type, "application/x-ns-proxy-autoconfig");
  for (const host of ["10.1.2.3", "192.0.2.200", "example.com", "a.b.EXAMPLE.com.", "localhost"]) {
    assert.equal(find(words, host), "DIRECT", host);
  }
  for (
    const host of ["11.1.2.3", "192.0.2.1", "example.org", "notexample.com", "10.name.example"]
  ) {
    assert.equal(find(words, host), "SOCKS5 127.0.0.1:1080; PROXY 127.0.0.1:1080", host);
  }
  assert.equal(find(ask("/proxy.pac", "127.0.0.1:1080")!.words, "8.8.8.8"), "DIRECT"); // 0.0.0.0/0
});

Deno.test("a page has nothing of what was asked but an address, and runs nothing", () => {
  const { words, fields } = ask("/", "127.0.0.1:1080")!;
  assert.match(words, /socks5h:\/\/127\.0\.0\.1:1080\//);
  assert.doesNotMatch(words, /<script|ttun|onload/);
  assert.ok(fields!.some(({ value }) => value === "default-src 'none'"));
  assert.match(words, /^[ -~\n]*$/);
});
