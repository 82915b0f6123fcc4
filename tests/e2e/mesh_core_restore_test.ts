import assert from "node:assert/strict";
import { test } from "../check.ts";
import { get, put, startCluster, until } from "./mesh_cluster.ts";

test("a core that is lost with its disk is restored from a sealed backup at another node", async () => {
  await using cluster = await startCluster(3);
  const [first, second, third] = cluster.nodes;
  assert(first && second && third);
  assert.equal(await put(second.machine, "name/web", "1", "-H", "If-None-Match: *"), 204);
  const written = Date.now();
  const file = `${third.machine.data}/core.backup`;
  for (const { machine } of [second, third]) {
    await until("a backup that has the name", async () => await backupTime(machine.data) > written);
  }
  assert(!(await Deno.readTextFile(file)).includes("name/web"), "it is sealed");
  assert.equal(Deno.statSync(file).mode! & 0o777, 0o600);
  first.process.signal("SIGKILL");
  third.process.signal("SIGTERM");
  await Promise.all([first.process.status, third.process.status]);
  // The operator has a copy of the authority's key.
  await Deno.copyFile(`${first.machine.data}/ca.key`, `${third.machine.data}/ca.key`);
  const restored = await third.machine.mesh(`core restore ${file}`);
  assert.match(restored.stdout, /The core is at this node now/, restored.stderr);
  await cluster.restart(2);
  await until("the core is found", async () => await get(second.machine, "name/web") === "1");
  assert.equal(await put(second.machine, "name/web", "2", "-H", "If-None-Match: *"), 412);
  assert.equal(await put(second.machine, "name/new", "1", "-H", "If-None-Match: *"), 204);
});

/** Returns when the backup at a node was made, 0 if there is none. */
async function backupTime(folder: string): Promise<number> {
  try {
    return (await Deno.stat(`${folder}/core.backup`)).mtime!.getTime();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}
