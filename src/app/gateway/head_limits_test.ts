import assert from "node:assert/strict";
import type { HttpRequest } from "../../core/http/exchange.ts";
import { HeadLimits } from "./head_limits.ts";

function head(bytes: number): HttpRequest {
  const fields = [{ name: "x", value: "y".repeat(bytes) }];
  const rest = { authority: "a", path: "/", hasBody: false, upgrade: null };
  return { method: "GET", scheme: "https", fields, ...rest };
}

Deno.test("usual heads cost nothing, and large ones make an address's connections wait", () => {
  const limits = new HeadLimits();
  for (let i = 0; i < 100_000; i++) assert.equal(limits.pauseFor("a", head(1000), 0), 0);
  let sent = 0;
  while (limits.pauseFor("a", head(10_000), 0) === 0) sent++;
  assert(sent > 900 && sent < 1100, String(sent));
  for (let i = 0; i < 260; i++) limits.pauseFor("a", head(10_000), 0);
  const pause = limits.pauseFor("a", head(10_000), 0);
  assert(pause > 900 && pause < 1100, String(pause));
  assert.equal(limits.pauseFor("b", head(10_000), 0), 0);
  assert.equal(limits.pauseFor("a", head(1000), 0), 0);
  assert.equal(limits.pauseFor("a", head(10_000), 60_000), 0);
  for (let i = 0; i < 100_000; i++) limits.pauseFor("a", head(10_000), 60_000);
  assert.equal(limits.pauseFor("a", head(10_000), 60_000), 5_000);
});
