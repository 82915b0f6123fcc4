import assert from "node:assert/strict";
import { test } from "../check.ts";
import { ttunCommand } from "./forward_pair.ts";
import { machine, MESH_ENV as ENV } from "./mesh_machine.ts";
import { makeFolder } from "./proxy_files.ts";

const PLACE = "--host one --advertise 127.0.0.1:20204 --join-at 127.0.0.1:20205";

test("a cluster of one keeps keys over kill -9, for commands and for programs with a token", async () => {
  await using one = await machine("one");
  const none = await one.mesh("kv get kv/app/x");
  assert.deepEqual([none.code, /No node runs/.test(none.stderr)], [4, true]);
  const made = await one.mesh(`init ${PLACE}`);
  assert.equal(made.code, 0, made.stderr);
  assert.match((await one.mesh(`init ${PLACE}`)).stderr, /has a node already/);
  const node = await one.node("--api", "127.0.0.1:20206");
  assert.match((await one.mesh("node")).stderr, /it runs already/);
  assert.equal((await one.mesh("kv put kv/app/x blue")).code, 0);
  assert.equal((await one.mesh("kv put kv/app/y", { stdin: { text: "from\nstdin" } })).code, 0);
  const ringHas = await one.mesh("kv put kv/app/x red --if-version absent");
  assert.deepEqual([ringHas.code, /the newest write wins/.test(ringHas.stderr)], [2, true]);
  assert.equal((await one.mesh("kv put name/web one --if-version absent")).code, 0);
  assert.match(
    (await one.mesh("kv put name/web two --if-version absent")).stderr,
    /another version/,
  );
  const token = (await one.mesh("token add --verbs get --prefix kv/app/")).stdout.trim();
  const curl = async (path: string, ...args: string[]) => {
    const all = ["-s", "-w", " %{http_code}", ...args, `http://127.0.0.1:20206${path}`];
    return (await one.host.run("curl", all)).stdout;
  };
  const bearer = ["-H", `Authorization: Bearer ${token}`];
  assert.equal(await curl("/v1/kv/kv/app/x", ...bearer), "blue 200");
  assert.match(await curl("/v1/kv/kv/app/x"), /no such token.* 401$/s);
  assert.match(await curl("/v1/kv/kv/other", ...bearer), / 403$/);
  assert.match(await curl("/v1/kv/kv/app/x", ...bearer, "-X", "PUT", "-d", "z"), / 403$/);
  assert.match(await curl("/v1/kv/kv/app/x", ...bearer, "-H", "Origin: http://a.example"), / 403$/);
  node.signal("SIGKILL");
  await node.status;
  await using again = await one.node("--api", "127.0.0.1:20206");
  assert.equal((await one.mesh("kv get kv/app/y")).stdout, "from\nstdin");
  assert.equal((await one.mesh("kv get name/web")).stdout, "one");
  assert.equal((await one.mesh("kv list kv/app/")).stdout, "kv/app/x\nkv/app/y\n");
  const id = token.split("_")[1]!;
  assert.equal((await one.mesh(`token revoke ${id}`)).code, 0);
  assert.match(await curl("/v1/kv/kv/app/x", ...bearer), / 401$/);
  const { stdout } = await one.mesh("status");
  assert.match(stdout, /^node +[0-9a-f]{12} on one, node, core, gateway$/m);
  assert.match(stdout, /^core +ok$/m);
  again.signal("SIGTERM");
  assert.equal((await again.status).code, 0);
  assert.deepEqual([...Deno.readDirSync(one.data)].filter(({ name }) => name === "api.sock"), []);
});

test("a machine joins once by an invite", async () => {
  await using one = await machine("one");
  await using folder = await makeFolder();
  const second = (words: string, env: Record<string, string> = {}) => {
    const [command, args] = ttunCommand("mesh", ...words.split(" "));
    return one.host.run(command, args, { env: { ...ENV, ...env } });
  };
  assert.equal((await one.mesh(`init ${PLACE}`)).code, 0);
  await using node = await one.node();
  const invite = (await one.mesh("invite --host two")).stdout.trim();
  assert.match(invite, /^ttun-mesh:[\w-]+$/);
  const at = `--data ${folder.path}/two --advertise 127.0.0.1:20304`;
  const elsewhere = await second(`join ${at} --host three`, { TTUN_INVITE: invite });
  assert.match(elsewhere.stderr, /for the host two/);
  assert.equal(elsewhere.code, 3);
  const joined = await second(`join ${at} --host two`, { TTUN_INVITE: invite });
  assert.equal(joined.code, 0, joined.stderr);
  for (const file of ["node.key", "secret", "placement", "node.json"]) {
    assert.equal(Deno.statSync(`${folder.path}/two/${file}`).mode! & 0o777, 0o600, file);
  }
  assert.throws(() => Deno.statSync(`${folder.path}/two/ca.key`), Deno.errors.NotFound);
  assert.equal(
    Deno.readTextFileSync(`${folder.path}/two/secret`),
    Deno.readTextFileSync(`${one.data}/secret`),
  );
  await Deno.writeTextFile(`${folder.path}/invite`, `${invite}\n`, { mode: 0o600 });
  const rotated = await one.mesh("rotate add");
  assert.match(rotated.stdout, /^1 of 2 nodes have the last change/);
  const early = await one.mesh("rotate use");
  assert.deepEqual([early.code, /1 of 2 nodes do not have/.test(early.stderr)], [10, true]);
  const used = await second(
    `join --data ${folder.path}/three --host two --invite-file ${folder.path}/invite`,
  );
  assert.deepEqual([used.code, /has been used/.test(used.stderr)], [3, true]);
  const { members } = JSON.parse((await one.mesh("status --json")).stdout);
  assert.deepEqual(members.map((m: { host: string }) => m.host).toSorted(), ["one", "two"]);
  const { node: id } = members.find((m: { host: string }) => m.host === "two");
  assert.equal((await one.mesh(`revoke ${id.slice(0, 12)}`)).code, 0);
  await node.waitFor(/A node was revoked/);
  const secret = Deno.readTextFileSync(`${one.data}/secret`).trim().split("\n");
  assert.equal(secret.length, 2);
  assert.match((await one.mesh("rotate use")).stdout, /^1 of 1 nodes/);
  const again = (await one.mesh("invite")).stdout.trim();
  const third = await second(`join --data ${folder.path}/three --host three`, {
    TTUN_INVITE: again,
  });
  assert.equal(third.code, 0, third.stderr);
  assert.equal(Deno.readTextFileSync(`${folder.path}/three/secret`).split("\n")[0], secret[1]);
  assert(!node.output.includes(invite.slice(-20)));
});

test("an invite of another cluster is not believed", async () => {
  await using one = await machine("one");
  await using folder = await makeFolder();
  assert.equal((await one.mesh(`init ${PLACE}`)).code, 0);
  const first = await one.node();
  const invite = (await one.mesh("invite")).stdout.trim();
  first.signal("SIGTERM");
  await first.status;
  await Deno.remove(one.data, { recursive: true });
  assert.equal((await one.mesh(`init ${PLACE}`)).code, 0);
  await using _other = await one.node();
  const [command, args] = ttunCommand("mesh", "join", invite, "--data", `${folder.path}/two`);
  const refused = await one.host.run(command, args, { env: ENV });
  assert.deepEqual([refused.code, /no node of the cluster/.test(refused.stderr)], [3, true]);
});

test("a node that is told to stop while it starts ends cleanly, whatever it has opened by then", async () => {
  await using one = await machine("one");
  assert.equal((await one.mesh(`init ${PLACE}`)).code, 0);
  const files = () => [...Deno.readDirSync(one.data)].map(({ name }) => name);
  for (const file of ["lock", "ring.db", "ring.db-wal", "api.sock"]) {
    for (const left of ["lock", "ring.db", "ring.db-wal"]) {
      await Deno.remove(`${one.data}/${left}`).catch(() => {}); // it may not be there
    }
    const [command, args] = ttunCommand("mesh", "node", "--data", one.data);
    await using node = one.host.spawn(command, args, { env: ENV });
    for (let i = 0; !files().includes(file); i++) {
      assert(i < 3000, `${file} does not come: ${node.output}`);
      await new Promise((wake) => setTimeout(wake, 10));
    }
    node.signal("SIGINT");
    assert.equal((await node.status).code, 0, node.output);
    await node.closed;
    assert.doesNotMatch(node.output, / (warn|error) /);
    assert.deepEqual(files().filter((name) => name === "api.sock" || name.endsWith("-wal")), []);
  }
  assert.equal((await one.mesh("kv get kv/app/x")).code, 4);
  await using _again = await one.node();
  assert.equal((await one.mesh("kv put name/a 1")).code, 0);
});
