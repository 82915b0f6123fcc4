import assert from "node:assert/strict";
import { GatewayPages } from "./gateway_pages.ts";

const pages = new GatewayPages(() => "id");

function pageFor(accept: string): string {
  const { body } = pages.absent({
    ...{ method: "GET", scheme: "https", authority: "a.test", path: "/", hasBody: false } as const,
    fields: [{ name: "accept", value: accept }],
    upgrade: null,
  }, "a.test");
  return new TextDecoder().decode(body);
}

Deno.test("a page is JSON for those who ask for it", () => {
  const asking = [
    "application/json",
    "text/html, Application/JSON;q=0.5",
    "application/problem+json ; v=1",
  ];
  for (const accept of asking) assert.equal(JSON.parse(pageFor(accept)).status, 404, accept);
  for (const accept of ["*/*", "text/html", "application/jsonp", "text/x;a=application/json", ""]) {
    assert.match(pageFor(accept), /^<!doctype html>/, accept);
  }
});

Deno.test("a list of types takes time in proportion to its length", () => {
  assert.match(pageFor("application/".repeat(300_000)), /^<!doctype html>/);
});
