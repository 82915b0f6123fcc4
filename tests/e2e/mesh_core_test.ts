import assert from "node:assert/strict";
import { test } from "../check.ts";
import { hasEtcd, startEtcd } from "../etcd.ts";
import type { Process } from "../process.ts";
import { spawnHere } from "./proxy_pair.ts";
import { sealBackup } from "../../src/core/mesh/core/sealed_backup.ts";
import { ed25519Signer } from "../../src/io/crypto/ed25519.ts";
import { nodeKeyExchange } from "../../src/io/crypto/x25519.ts";
import { ttunCommand } from "./forward_pair.ts";
import { makeFolder } from "./proxy_files.ts";

const READY_MS = 30_000;
const ENV = { NO_COLOR: "1" };
const PLACE = "--host one --advertise 127.0.0.1:20204 --join-at 127.0.0.1:20205";
const SECOND = "--listen 127.0.0.1:20304 --join-listen 127.0.0.1:20305";

/** Runs `ttun mesh …` to its end. */
async function mesh(words: string, env: Record<string, string> = {}) {
  const [command, args] = ttunCommand("mesh", ...words.split(" "));
  const { code, stdout, stderr } = await new Deno.Command(command, {
    args,
    env: { ...ENV, ...env },
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** Runs it, and expects success. Returns what it prints. */
async function done(words: string, env: Record<string, string> = {}): Promise<string> {
  const { code, stdout, stderr } = await mesh(words, env);
  assert.equal(code, 0, `${words}: ${stderr}`);
  return stdout;
}

async function refused(
  words: string,
  reason: RegExp,
  env: Record<string, string> = {},
): Promise<void> {
  const { code, stderr } = await mesh(words, env);
  assert.match(stderr, reason);
  assert.notEqual(code, 0);
}

async function startNode(words: string, env: Record<string, string> = {}): Promise<Process> {
  const [command, args] = ttunCommand("mesh", "node", ...words.split(" "));
  const node = spawnHere(command, args, { env: { ...ENV, ...env } });
  await node.waitFor(/ Mesh node /, READY_MS);
  return node;
}

async function end(node: Process, signal: Deno.Signal = "SIGTERM"): Promise<void> {
  node.signal(signal);
  await node.status;
}

test("a core is exported from a running node and from a file, and its loss is repaired at another node", async () => {
  await using folder = await makeFolder();
  const [one, two, file] = ["one", "two", "export"].map((name) => `${folder.path}/${name}`);
  await done(`init --data ${one} ${PLACE}`);
  {
    await using node = await startNode(`--data ${one}`);
    for (const [key, value] of [["name/a", "1"], ["name/b", "2"]]) {
      await done(`kv put ${key} ${value} --data ${one}`);
    }
    const invite = (await done(`invite --roles node,core,gateway --data ${one}`)).trim();
    await done(
      `join --data ${two} --host two --roles node,core,gateway --advertise 127.0.0.1:20304`,
      {
        TTUN_INVITE: invite,
      },
    );
    assert.match(await done(`core export ${file} --data ${one}`), /^\d+ keys are in /);
    assert.equal(Deno.statSync(file!).mode! & 0o777, 0o600);
    await refused(`core export ${file} --data ${one}`, /Cannot export the core to/);
    await refused(`core restore ${file} --data ${one}`, /Another process has/);
    await end(node, "SIGKILL");
  }
  // Without a node that runs, its file is read.
  const offline = await done(`core export --data ${one}`);
  assert.match(offline, /^{"ttun core":1,.*"key":"name\/a"/s);
  await refused(`core restore ${file} --data ${one}`, /There is a core in .* move it away first/);
  await refused(`core restore ${one}/node.json --data ${two}`, /no export of a core/);
  await Deno.writeTextFile(`${file}.cut`, offline.slice(0, -9));
  await refused(`core import ${file}.cut --data ${two}`, /not whole/);
  assert.match(await done(`core restore ${file} --data ${two}`), /The core is at this node now/);
  await using node = await startNode(`--data ${two} ${SECOND}`);
  assert.equal(await done(`kv get name/b --data ${two}`), "2");
  assert.match(await done(`kv get conf/core --data ${two}`), /"epoch":2/);
  await end(node);
});

test("a sealed backup opens with the authority's key alone", async () => {
  await using folder = await makeFolder();
  const [one, backup] = ["one", "backup"].map((name) => `${folder.path}/${name}`);
  await done(`init --data ${one} ${PLACE}`);
  const text = new TextEncoder().encode(await done(`core export --data ${one}`));
  const pem = await Deno.readTextFile(`${one}/ca.key`);
  const der = Uint8Array.from(atob(pem.replaceAll(/-----.*|\s/g, "")), (c) => c.charCodeAt(0));
  const rng = (length: number) => crypto.getRandomValues(new Uint8Array(length));
  const { publicKey } = ed25519Signer(der.slice(-32));
  const sealed = sealBackup(text, publicKey, { exchange: nodeKeyExchange, rng });
  await Deno.writeFile(backup!, sealed);
  await Deno.remove(`${one}/core.db`);
  await Deno.rename(`${one}/ca.key`, `${folder.path}/ca.key`);
  await refused(`core restore ${backup} --data ${one}`, /put the copy of the authority's key/);
  await Deno.rename(`${folder.path}/ca.key`, `${one}/ca.key`);
  await Deno.writeFile(`${backup}.changed`, sealed.map((byte, i) => i === 99 ? byte ^ 1 : byte));
  await refused(`core restore ${backup}.changed --data ${one}`, /another cluster, or damaged/);
  await done(`core restore ${backup} --data ${one}`);
  await using node = await startNode(`--data ${one}`);
  await end(node);
});

test({
  name: "a core goes from a node's file to etcd and back",
  ignore: !hasEtcd,
  fn: async () => {
    await using folder = await makeFolder();
    await using etcd = await startEtcd();
    const one = `${folder.path}/one`;
    const file = `${folder.path}/export`;
    const store = `--store ${etcd.endpoints[0]!.replace("http", "etcd")}`;
    await done(`init --data ${one} ${PLACE}`);
    {
      await using node = await startNode(`--data ${one}`);
      await done(`kv put name/a 1 --data ${one}`);
      await end(node);
    }
    await done(`core export ${file} --data ${one}`);
    const keys = /^(\d+) keys are in etcd now/.exec(await done(`core import ${file} ${store}`));
    await refused(`core import ${file} ${store}`, /not empty.*Nothing was changed/);
    const PASSPHRASE = { TTUN_MESH_PASSPHRASE: "correct horse battery" };
    const hasKey = () => [...Deno.readDirSync(one)].some(({ name }) => name === "ca.key");
    await refused(`node --data ${one} ${store}`, /keeps it sealed: give the passphrase by/);
    {
      await using node = await startNode(`--data ${one} ${store}`, PASSPHRASE);
      await node.waitFor(/The authority's key is sealed in etcd/, READY_MS);
      assert.equal(hasKey(), false);
      assert.match(await done(`rotate add --data ${one}`), /^1 of 1 nodes/);
      assert.equal(hasKey(), false);
      assert.equal(await done(`kv get name/a --data ${one}`), "1");
      await done(`kv put name/b 2 --data ${one} --if-version absent`);
      await refused(`core move 0000 --data ${one}`, /The core is in etcd, and stays there/);
      assert.match(await done(`status --data ${one}`), /^core +ok$/m);
      await end(node);
    }
    await refused(`node --data ${one} ${store}`, /under another passphrase/, {
      TTUN_MESH_PASSPHRASE: "another passphrase",
    });
    {
      await using node = await startNode(`--data ${one} ${store}`, PASSPHRASE);
      await node.waitFor(/The authority's key is sealed in etcd/, READY_MS);
      assert.match(await done(`rotate use --data ${one}`), /^1 of 1 nodes/);
      await end(node);
    }
    await done(`core export ${file}.etcd ${store}`);
    await Deno.remove(`${one}/core.db`);
    const back = `core import ${file}.etcd --data ${one}`;
    await refused(back, /Cannot take over the authority's key, which was sealed in etcd/);
    const restored = await done(back, PASSPHRASE);
    assert.equal(hasKey(), true);
    assert.match(restored, new RegExp(`with ${Number(keys![1]) + 1} keys`));
    await refused(`core export --store etcd://127.0.0.1:1`, /no member answers/);
    await refused(`core export --store nonsense`, /names no etcd/);
  },
});
