import assert from "node:assert/strict";
import { test } from "../check.ts";
import { openBackup } from "../../src/core/mesh/core/sealed_backup.ts";
import { ed25519Signer } from "../../src/io/crypto/ed25519.ts";
import { sharedSecret } from "../../src/io/crypto/x25519.ts";
import { get, put, startCluster, until } from "./mesh_cluster.ts";

test("a core that is lost with its disk is restored from a sealed backup at another node", async () => {
  await using cluster = await startCluster(3);
  const [first, second, third] = cluster.nodes;
  assert(first && second && third);
  assert.equal(await put(second.machine, "name/web", "1", "-H", "If-None-Match: *"), 204);
  const file = `${third.machine.data}/core.backup`;
  const key = await Deno.readTextFile(`${first.machine.data}/ca.key`);
  for (const { machine } of [second, third]) {
    await until(
      "a backup that has the name",
      async () => (await backup(machine.data, key)).includes('"name/web"'),
    );
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
  // The lost disk comes back: its core is not used any more, now and after another start.
  await cluster.restart(0);
  await first.process.waitFor(/There is another core/, 60_000);
  await until("it uses the new core", async () => await get(first.machine, "name/new") === "1");
  assert.equal(await put(first.machine, "name/new", "2", "-H", "If-None-Match: *"), 412);
  first.process.signal("SIGKILL");
  await first.process.status;
  await cluster.restart(0);
  await until("it still does", async () => await get(first.machine, "name/new") === "1");
});

/** Returns the backup at a node, opened by the authority's key; "" if there is none. */
async function backup(folder: string, pem: string): Promise<string> {
  const der = Uint8Array.from(atob(pem.replaceAll(/-----.*|\s/g, "")), (c) => c.charCodeAt(0));
  const seed = der.slice(-32);
  const { publicKey } = ed25519Signer(seed);
  try {
    const sealed = await Deno.readFile(`${folder}/core.backup`);
    return new TextDecoder().decode(openBackup(sealed, { seed, publicKey }, sharedSecret));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}
