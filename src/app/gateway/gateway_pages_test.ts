import assert from "node:assert/strict";
import type { HttpRequest } from "../../core/http/exchange.ts";
import { gatewayPages } from "./gateway_pages.ts";

function headOf(accept: string): HttpRequest {
  return {
    ...{ method: "GET", scheme: "https", authority: "a.test", path: "/", hasBody: false } as const,
    fields: [{ name: "accept", value: accept }],
    upgrade: null,
  };
}

function pageFor(accept: string): string {
  const { body } = gatewayPages.absent({ id: "id", head: headOf(accept) }, "a.test");
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
