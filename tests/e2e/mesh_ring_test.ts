import assert from "node:assert/strict";
import { test } from "../check.ts";
import { bridgedHosts } from "../networks.ts";
import { type Machine, machine } from "./mesh_machine.ts";

/** Until a ring has settled, on a machine that is busy. */
const SETTLE_MS = 40_000;

/** Asks again and again until the answer is right. */
async function until(what: string, isRight: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + SETTLE_MS; Date.now() < end;) {
    if (await isRight()) return;
    await new Promise((wake) => setTimeout(wake, 100));
  }
  assert.fail(`it did not come about: ${what}`);
}

/** Waits until the ring is stable, with so many copies, in a node's eyes. */
async function settled(node: Machine, copies: number): Promise<void> {
  await until(`stable with ${copies} copies`, async () => {
    const { status, body } = await node.ask("/v1/health");
    const health = status === 200 ? JSON.parse(body) : {};
    return health.ring === "stable" && health.core === "ok" && health.copies === copies;
  });
}

test("three nodes keep what one of them wrote when another is killed and comes back, and when one loses its disk", async () => {
  await using stack = new AsyncDisposableStack();
  const { server, clients } = stack.use(await bridgedHosts(2));
  const hosts = [server, ...clients];
  const machines: Machine[] = [];
  for (const [i, host] of hosts.entries()) machines.push(stack.use(await machine(`n${i}`, host)));
  const [first, second, third] = machines as [Machine, Machine, Machine];
  const places = machines.map((_, i) => `--host h${i} --advertise 192.0.2.${i + 1}`);
  assert.equal((await first.mesh(`init ${places[0]}`)).code, 0);
  stack.use(await first.node());
  const wish = JSON.stringify({ host: "", roles: ["node"], lifetimeMs: 3600_000, uses: 2 });
  const { invite } = JSON.parse((await first.ask("/v1/invites", "-d", wish)).body);
  for (const [i, node] of [second, third].entries()) {
    const env = { TTUN_INVITE: invite };
    const joined = await node.mesh(`join --roles node ${places[i + 1]}`, { env });
    assert.equal(joined.code, 0, joined.stderr);
  }
  const victim = await second.node();
  const wiped = await third.node();
  for (const node of machines) await settled(node, 3);

  const put = (node: Machine, key: string, value: string, ...o: string[]) =>
    node.ask(`/v1/kv/${key}`, "-X", "PUT", "-d", value, ...o);
  assert.equal((await put(second, "kv/app/x", "blue")).status, 204);
  for (const node of machines) {
    assert.deepEqual(await node.ask("/v1/kv/kv/app/x"), { status: 200, body: "blue" });
  }
  const absent = ["-H", "If-None-Match: *"];
  const claims = await Promise.all(machines.map((m, i) => put(m, "name/web", `${i}`, ...absent)));
  assert.deepEqual(claims.map(({ status }) => status).toSorted(), [204, 412, 412]);

  victim.signal("SIGKILL");
  await victim.status;
  await settled(third, 2);
  assert.deepEqual(await third.ask("/v1/kv/kv/app/x"), { status: 200, body: "blue" });
  assert.equal((await put(third, "kv/app/y", "red")).status, 204);

  stack.use(await second.node());
  for (const node of machines) await settled(node, 3);
  assert.deepEqual(await second.ask("/v1/kv/kv/app/y"), { status: 200, body: "red" });

  wiped.signal("SIGKILL");
  await wiped.status;
  for (const { name } of Deno.readDirSync(third.data)) {
    if (name.startsWith("ring.db")) Deno.removeSync(`${third.data}/${name}`);
  }
  stack.use(await third.node());
  await settled(third, 3);
  for (const [key, body] of [["x", "blue"], ["y", "red"]]) {
    assert.deepEqual(await third.ask(`/v1/kv/kv/app/${key}`), { status: 200, body });
  }
  const { node: id } = JSON.parse((await second.ask("/v1/ring")).body);
  assert.equal((await first.ask(`/v1/revoke/${id}`, "-X", "POST")).status, 200);
  await settled(third, 2);
  await until("the revoked node is alone", async () => {
    const { ring } = JSON.parse((await second.ask("/v1/health")).body);
    return ring !== "stable";
  });
});
