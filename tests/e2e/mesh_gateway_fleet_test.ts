import assert from "node:assert/strict";
import { test } from "../check.ts";
import { gatewayFleet } from "./gateway_fleet.ts";
import { until } from "./mesh_cluster.ts";

/** Visits a second: CI has two processors for all of this. */
const RATE = 20;

test("no visit that may be repeated fails while a gateway with a link is killed, and another one restarted", async () => {
  await using fleet = await gatewayFleet(3, RATE);
  const done = async () => (await fleet.soFar()).requests;
  const more = async (count: number) => {
    const before = await done();
    await until("visits go on", async () => await done() >= before + count);
  };
  await more(RATE);
  const [, second, third] = fleet.nodes as [never, typeof fleet.nodes[0], typeof fleet.nodes[0]];
  third.process.signal("SIGKILL");
  await third.process.status;
  await more(2 * RATE);
  second.process.signal("SIGTERM"); // the agent was enrolled there
  assert.equal((await second.process.status).code, 0);
  await fleet.agent.waitFor(/The gateway is about to stop/, 30_000);
  await fleet.restart(second);
  await more(RATE);
  const { failed, lost, again } = await fleet.visits();
  assert.deepEqual(failed, {});
  assert.equal(lost, 0);
  assert(again > 0);
});
