import assert from "node:assert/strict";
import { test } from "../check.ts";
import { get, type MeshCluster, put, startCluster, until } from "./mesh_cluster.ts";

/** Kills a node as soon as it has said so, while another one's command waits for it. */
async function kill(cluster: MeshCluster, index: number, said: RegExp): Promise<void> {
  const { process } = cluster.nodes[index]!;
  await process.waitFor(said, 60_000);
  process.signal("SIGKILL");
  await process.status;
}

test("a node killed in the middle of a move of the core leaves it and the authority's key at one node", async () => {
  await using cluster = await startCluster(2);
  const [first, second] = cluster.nodes.map(({ machine }) => machine);
  assert(first && second);
  const key = (data: string) => `${data}/ca.key`;
  const hasKey = ({ data }: { data: string }) => {
    return [...Deno.readDirSync(data)].some(({ name }) => name === "ca.key");
  };
  const idOf = async (node: typeof first) => {
    return JSON.parse((await node.ask("/v1/ring")).body).node as string;
  };
  const ids = [await idOf(first), await idOf(second)] as const;
  const held = await Deno.readTextFile(key(first.data));
  assert.equal(await put(first, "name/web", "1"), 204);

  // The one that hands it over.
  const moving = first.mesh(`core move ${ids[1]}`);
  await kill(cluster, 0, /The core has moved/);
  assert.notEqual((await moving).code, undefined);
  await cluster.restart(0);
  await until("the core and the key are at the second node", async () => {
    return !hasKey(first) && hasKey(second) && await put(second, "name/web", "2") === 204;
  });
  await until("the first node finds it", async () => await get(first, "name/web") === "2");

  // Its state where it was killed after the other one had the key, and before it removed its own.
  cluster.nodes[0]!.process.signal("SIGKILL");
  await cluster.nodes[0]!.process.status;
  await Deno.writeTextFile(key(first.data), held, { mode: 0o600 });
  await cluster.restart(0);
  await until("the key is removed", async () => await Promise.resolve(!hasKey(first)));
  assert(hasKey(second));

  // The one that gets it: the other one goes on by itself when it is there again.
  const back = second.mesh(`core move ${ids[0]}`);
  await kill(cluster, 0, /The core is at this node now/);
  await cluster.restart(0);
  await back;
  await until("the core and the key are at the first node again", async () => {
    return hasKey(first) && !hasKey(second) && await put(first, "name/web", "3") === 204;
  });
  await until("the second node finds it", async () => await get(second, "name/web") === "3");
  await until("it rotates there", async () => {
    return /nodes have the last change/.test((await first.mesh("rotate add")).stdout);
  });
});
