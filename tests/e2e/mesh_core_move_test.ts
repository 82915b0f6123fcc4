import assert from "node:assert/strict";
import { test } from "../check.ts";
import { get, put, startCluster, until } from "./mesh_cluster.ts";

test("the core moves to another node while it is used, and its old file does not start", async () => {
  await using cluster = await startCluster(2);
  const [first, second] = cluster.nodes.map(({ machine }) => machine);
  assert(first && second);
  assert.equal(await put(second, "name/web", "1", "-H", "If-None-Match: *"), 204);
  const { node: id } = JSON.parse((await second.ask("/v1/ring")).body);
  const nowhere = await first.mesh("core move 0000");
  assert.match(nowhere.stderr, /no such node that may have it/);
  const lease = await first.ask("/v1/lease/job?ttl=60s", "-X", "POST");
  assert.equal(lease.status, 201);
  // Somebody writes all the while, and every write that is acknowledged is there afterwards.
  let isMoving = true;
  const acknowledged: number[] = [];
  const writer = (async () => {
    for (let i = 0; isMoving; i++) {
      if (await put(second, `name/n${i}`, `${i}`) === 204) acknowledged.push(i);
    }
  })();
  const moved = await first.mesh(`core move ${id.slice(0, 12)}`);
  isMoving = false;
  await writer;
  assert.match(moved.stdout, /The core is at the node [0-9a-f]{12} \(epoch 2\)/, moved.stderr);
  // The authority's key has gone along: others join there, and not by the old node alone.
  const isThere = (data: string) => [...Deno.readDirSync(data)].some((f) => f.name === "ca.key");
  assert.deepEqual([isThere(first.data), isThere(second.data)], [false, true]);
  assert.equal(JSON.parse((await second.ask("/v1/ring")).body).hasAuthority, true);
  assert.match((await second.mesh("rotate add")).stdout, /nodes have the last change/);
  await until("a write after the move", async () => await put(second, "name/after", "1") === 204);
  assert(acknowledged.length > 0);
  for (const i of acknowledged) assert.equal(await get(second, `name/n${i}`), `${i}`);
  assert.equal((await first.ask("/v1/lease/job?ttl=60s", "-X", "POST")).status, 409);
  const old = cluster.nodes[0]!;
  old.process.signal("SIGKILL");
  await old.process.status;
  await cluster.restart(0);
  await until("both have the new secret", async () => {
    return /^2 of 2 nodes/.test((await second.mesh("rotate")).stdout);
  });
  await until("the core is found where it is", async () => await get(first, "name/after") === "1");
  assert.equal(await put(first, "name/web", "2", "-H", "If-None-Match: *"), 412);
});
