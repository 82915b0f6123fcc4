import assert from "node:assert/strict";
import { test } from "../check.ts";
import { gatewayFleet } from "../e2e/gateway_fleet.ts";

/** Visits a second, and seconds between events; others by GATEWAY_FLEET_RATE and GATEWAY_FLEET_SECONDS. */
const RATE = Number(Deno.env.get("GATEWAY_FLEET_RATE") ?? 200);
const SECONDS = Number(Deno.env.get("GATEWAY_FLEET_SECONDS") ?? 25);

const sleep = (seconds: number) => new Promise((wake) => setTimeout(wake, 1000 * seconds));

test("five gateways lose nodes, the agent's network and all of their processes, and no request that could be repeated", async () => {
  await using fleet = await gatewayFleet(5, RATE);
  const say = async (about: string) => console.log(about, JSON.stringify(await fleet.soFar()));
  const kill = async (isLinked: boolean) => {
    const linked = await fleet.linked();
    const node = fleet.nodes.findLast(({ address }) => linked.includes(address) === isLinked)!;
    node.process.signal("SIGKILL");
    await node.process.status;
    await sleep(SECONDS);
    await say(`kill -9 of ${node.address}, ${isLinked ? "with" : "without"} a link`);
    await fleet.restart(node);
    await sleep(5);
  };
  await sleep(5);
  await say("nothing");
  await kill(true);
  await kill(false);
  await fleet.cut(true);
  await sleep(10);
  await fleet.cut(false);
  await sleep(SECONDS);
  await say("a cut of the agent's network for 10 s");
  for (const node of fleet.nodes) {
    const began = performance.now();
    node.process.signal("SIGTERM");
    await node.process.status;
    const ended = performance.now();
    await fleet.restart(node);
    const took = [ended - began, performance.now() - ended].map((ms) => (ms / 1000).toFixed(1));
    await sleep(5);
    await say(`restart of ${node.address}, ${took.join(" and ")} s`);
  }
  await sleep(5);
  const visits = await fleet.visits();
  console.log(JSON.stringify(visits));
  assert.deepEqual(visits.failed, {});
  // Of a POST that is under way when the network is cut, nobody knows that it has not arrived.
  assert(visits.lost <= RATE / 10, `${visits.lost} POSTs were lost`);
});
