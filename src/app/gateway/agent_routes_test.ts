import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import type { AgentLink } from "./agent_link.ts";
import { AgentRoutes } from "./agent_routes.ts";

function link(o: Partial<AgentLink> = {}): AgentLink {
  return { isSuspect: false, cost: 1, ...o } as AgentLink;
}

Deno.test("of several links that which costs least is taken, by turns where they cost the same", () => {
  const routes = new AgentRoutes(new FakeClock());
  const [a, b, dear] = [link(), link(), link({ cost: 5 })];
  for (const one of [a, b, dear]) routes.add("shop", one);
  const picked = Array.from({ length: 30 }, () => routes.pick("shop", new Set()));
  assert.deepEqual(new Set(picked), new Set([a, b]));
  assert.equal(routes.pick("shop", new Set([a, b])), dear);
  assert.equal(routes.pick("shop", new Set([a, b, dear])), null);
});

Deno.test("a link that is suspect is taken where there is no other", () => {
  const routes = new AgentRoutes(new FakeClock());
  const [good, bad] = [link({ cost: 9 }), link({ isSuspect: true })];
  for (const one of [good, bad]) routes.add("shop", one);
  assert.equal(routes.pick("shop", new Set()), good);
  assert.equal(routes.pick("shop", new Set([good])), bad);
});

Deno.test("a name whose link broke may come again for a while; one that was withdrawn not", async () => {
  const clock = new FakeClock();
  const routes = new AgentRoutes(clock);
  const one = link();
  routes.add("shop", one);
  routes.remove("shop", one);
  assert.equal(routes.wasThere("shop"), false);
  routes.add("shop", one);
  routes.remove("shop", one, true);
  assert.equal(routes.wasThere("shop"), true);
  let added = 0;
  const waiting = routes.onAdded("shop", () => added++);
  routes.add("shop", link());
  assert.equal(added, 1);
  assert.equal(routes.wasThere("shop"), false);
  waiting[Symbol.dispose]();
  routes.add("shop", link());
  assert.equal(added, 1);
  routes.add("blog", one);
  routes.remove("blog", one, true);
  await clock.advance(16_000);
  assert.equal(routes.wasThere("blog"), false);
});
