import assert from "node:assert/strict";
import { hostChallenge, requireDelegation } from "./host_challenge.ts";

const AGENT = "ab".repeat(32);

Deno.test("a host is the agent's that its owner's record names, and nobody else's", () => {
  const label = hostChallenge(AGENT, "shop.test");
  assert.match(label, /^[a-z2-7]{26}\._acme-challenge$/);
  const wish = { host: "shop.test", agent: AGENT, zone: "example.net" };
  requireDelegation(wish, ["other.test.", `${label.toUpperCase()}.Example.NET.`]);
  requireDelegation(wish, [`${label}.example.net`]);
  const record = new RegExp(`_acme-challenge\\.shop\\.test CNAME ${label}\\.example\\.net$`);
  for (
    const found of [[], [label], [`x${label}.example.net`], [`${label}.example.net.evil.test`]]
  ) {
    assert.throws(() => requireDelegation(wish, found), record);
  }
  const refused = (other: Partial<typeof wish>) =>
    assert.throws(() => requireDelegation({ ...wish, ...other }, [`${label}.example.net`]));
  refused({ agent: "cd".repeat(32) });
  refused({ host: "blog.test" });
  refused({ zone: "example.org" });
});
