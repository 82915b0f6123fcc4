/** Joining, renewal and revocation in clusters of real processes. */
import assert from "node:assert/strict";
import { test } from "../check.ts";
import { bridgedHosts } from "../networks.ts";
import { until } from "./mesh_cluster.ts";
import { type Machine, machine } from "./mesh_machine.ts";

/** Has a machine join by an invite of another one. */
async function join(one: Machine, from: Machine, words: string): Promise<void> {
  const invited = await from.mesh("invite --roles node,core,gateway");
  assert.equal(invited.code, 0, invited.stderr);
  const env = { TTUN_INVITE: invited.stdout.trim() };
  const { code, stderr } = await one.mesh(`join ${words}`, { env });
  assert.equal(code, 0, stderr);
}

async function isStable(one: Machine, copies: number): Promise<boolean> {
  const { status, body } = await one.ask("/v1/health");
  const health = status === 200 ? JSON.parse(body) : {};
  return health.ring === "stable" && health.core === "ok" && health.copies === copies;
}

test("a machine joins at a node without the authority's key, which passes on what it asks", async () => {
  await using stack = new AsyncDisposableStack();
  const { server, clients } = stack.use(await bridgedHosts(2));
  const machines: Machine[] = [];
  for (const [i, host] of [server, ...clients].entries()) {
    machines.push(stack.use(await machine(`n${i}`, host)));
  }
  const [first, second, third] = machines as [Machine, Machine, Machine];
  assert.equal((await first.mesh("init --host h1 --advertise 192.0.2.1")).code, 0);
  const begun = await first.node();
  await join(second, first, "--roles node,core,gateway --host h2 --advertise 192.0.2.2");
  stack.use(await second.node());
  // From now on nobody joins at the node with the key itself.
  begun.signal("SIGTERM");
  await begun.status;
  const node = stack.use(await first.node("--join-listen", "127.0.0.1:20205"));
  for (const one of [first, second]) await until("stable", () => isStable(one, 2));
  await join(third, second, "--roles node --host h3 --advertise 192.0.2.3");
  assert.match(node.output, /A node has joined/);
  const last = stack.use(await third.node());
  for (const one of machines) await until("stable", () => isStable(one, 3));
  // New secrets come to all nodes by their links.
  assert.match(
    (await second.mesh("rotate add")).stderr,
    /is at another node, that with the core \([0-9a-f]{12} on the host h1\)/,
  );
  assert.equal((await first.mesh("rotate add")).code, 0);
  await until("all have the new secret", async () => {
    return /^3 of 3 nodes/.test((await first.mesh("rotate")).stdout);
  });
  assert.equal(
    Deno.readTextFileSync(`${third.data}/secret`),
    Deno.readTextFileSync(`${first.data}/secret`),
  );
  // A node without the role core asks the one with the key for an invite, but shuts nobody out.
  const invited = await third.mesh("invite --roles node");
  assert.match(invited.stdout, /^ttun-mesh:/, invited.stderr);
  const more = await third.mesh("invite --roles node,core");
  assert.match(more.stderr, /the role core, which it has not itself/);
  const { node: id } = JSON.parse((await third.ask("/v1/ring")).body);
  const refused = await third.mesh(`revoke ${id}`);
  assert.match(refused.stderr, /run this there \([0-9a-f]{12} on the host h1\)/);
  assert.equal((await second.mesh(`revoke ${id}`)).code, 0);
  await last.waitFor(/this node was revoked/);
  await until("it is known as gone", async () => {
    const { nodes } = JSON.parse((await first.ask("/v1/ring")).body);
    return nodes.every((one: { id: string; status: string }) =>
      one.id !== id || one.status === "dead"
    );
  });
});
