import assert from "node:assert/strict";
import { AgentWatch } from "./agent_watch.ts";

Deno.test("a status tells why visitors do not reach a service", () => {
  const watch = new AgentWatch("example.net");
  const fault = (name: string, now = 5) => {
    const { services } = watch.describe(["shop", "blog"], 10, now);
    return services.find((one) => one.name === name)!.fault;
  };
  assert.equal(fault("shop"), "there is no link to a gateway: none was made yet");
  watch.notLinked("a:443", "refused");
  assert.equal(fault("shop"), "there is no link to a gateway: refused");
  watch.linked("a:443");
  watch.notLinked("b:443", "gone");
  assert.equal(fault("shop"), undefined);
  assert.match(fault("shop", 10)!, /certificate has ended/);
  watch.named("blog", "the name is another agent's");
  assert.equal(fault("blog"), "the name is another agent's");
  watch.named("blog", null);
  const counts = watch.countsOf("shop");
  counts.begin();
  counts.failed("connection refused");
  assert.equal(fault("shop"), "the service did not answer the last request: connection refused");
  counts.end(502, { request: 1, response: 2 });
  counts.answered();
  assert.equal(fault("shop"), undefined);
  const [shop] = watch.describe(["shop"], 10, 5).services;
  assert.deepEqual(shop, {
    ...{ name: "shop", open: 0, answers: { "5xx": 1 }, failed: 1, sentBytes: 2, receivedBytes: 1 },
  });
  for (let i = 0; i < 20; i++) watch.notLinked(`${i}:443`, "gone");
  assert.deepEqual(watch.describe([], 10, 5).gateways[0], { at: "a:443", isUp: true });
  assert.equal(watch.describe([], 10, 5).gateways.length, 8);
});
