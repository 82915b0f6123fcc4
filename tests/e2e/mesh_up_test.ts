/** A node from a configuration, in the background, and what `ttun status` tells of it. */
import assert from "node:assert/strict";
import { test } from "../check.ts";
import { ttunCommand } from "./forward_pair.ts";
import { machine } from "./mesh_machine.ts";
import { makeFolder } from "./proxy_files.ts";

test("a node of a configuration is brought up, tells its status, reads it again, and is taken down", async () => {
  await using one = await machine("one");
  await using folder = await makeFolder();
  const name = `mesh-${crypto.randomUUID().slice(0, 8)}`;
  const ttun = async (...words: string[]) => {
    const [command, args] = ttunCommand(...words);
    const env = { NO_COLOR: "1", LOGS_DIRECTORY: folder.path };
    return await one.host.run(command, args, { env });
  };
  const file = `${folder.path}/${name}.toml`;
  const write = (text: string) =>
    Deno.writeTextFile(file, `[[mesh.node]]\ndata = "${one.data}"\n${text}`, { mode: 0o600 });
  await write("");
  await using stack = new AsyncDisposableStack();
  stack.defer(async () => void await ttun("down", name));
  const early = await ttun("up", file);
  assert.equal(early.code, 2);
  assert.match(early.stderr, /There is no node in /);
  const place = "--host one --advertise 127.0.0.1:20204 --join-at 127.0.0.1:20205";
  assert.equal((await one.mesh(`init ${place}`)).code, 0);
  await write('roles = "node"\n');
  const less = await ttun("up", file);
  assert.equal(less.code, 2);
  assert.match(less.stderr, /without the role core: this node has the core/);
  await write('roles = "node,core"\n');
  const up = await ttun("up", file);
  assert.equal(up.code, 0, up.stderr);
  // It serves when the command returns.
  assert.equal((await one.mesh("kv put kv/app/x blue")).code, 0);
  const { stdout, stderr } = await ttun("status", name);
  assert.match(stdout, new RegExp(`^${name}: ttun mesh node, process \\d+`), stderr);
  assert.match(stdout, /^ {2}node +[0-9a-f]{12} on one, node, core$/m);
  assert.match(stdout, /^ {2}ring +alone, other nodes: 0 alive$/m);
  assert.match(stdout, /^ {2}core +here$/m);
  assert.match(stdout, /^ {2}listens on +\S*:20204$/m);
  const { mesh } = JSON.parse((await ttun("status", name, "--json")).stdout);
  assert.deepEqual([mesh.host, mesh.records, mesh.links], ["one", 1, { tcp: 0, quic: 0 }]);
  await write('roles = "node,core"\nbackup-every = 5\n');
  assert.equal((await ttun("reload", name)).code, 0);
  const log = `${folder.path}/${name}.mesh-node.log`;
  for (let i = 0; !/at the next start only/.test(await Deno.readTextFile(log)); i++) {
    assert(i < 300, "the configuration is not read again");
    await new Promise((wake) => setTimeout(wake, 100));
  }
  assert.match(await Deno.readTextFile(log), /options=backup-every/);
  assert.equal((await ttun("down", name)).code, 0);
  assert.equal((await ttun("status", name)).code, 4);
  assert.equal((await one.mesh("kv get kv/app/x")).code, 4);
});
