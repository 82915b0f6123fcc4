import assert from "node:assert/strict";
import { test } from "../check.ts";
import { bridgedHosts } from "../networks.ts";
import { type Machine, machine } from "./mesh_machine.ts";

/** Until two nodes have met and settled, on a machine that is busy. */
const SETTLE_MS = 40_000;

async function settled(node: Machine, copies: number): Promise<void> {
  let health: Record<string, unknown> = {};
  for (const end = Date.now() + SETTLE_MS; Date.now() < end;) {
    const { status, body } = await node.ask("/v1/health");
    health = status === 200 ? JSON.parse(body) : {};
    if (health["ring"] === "stable" && health["core"] === "ok" && health["copies"] === copies) {
      return;
    }
    await new Promise((wake) => setTimeout(wake, 100));
  }
  assert.fail(`not settled: ${JSON.stringify(health)}`);
}

test("two nodes between which no TCP gets through are linked by QUIC", async () => {
  await using stack = new AsyncDisposableStack();
  const { server, clients: [client] } = stack.use(await bridgedHosts(1));
  const first = stack.use(await machine("n0", server));
  const second = stack.use(await machine("n1", client!));
  for (const host of [server, client!]) {
    // Machines join by TCP, on another port.
    await host.sh("iptables -w -A INPUT -p tcp --dport 20204 -j DROP");
  }
  assert.equal((await first.mesh("init --host h0 --advertise 192.0.2.1")).code, 0);
  stack.use(await first.node());
  const wish = JSON.stringify({ host: "", roles: ["node"], lifetimeMs: 3600_000, uses: 1 });
  const { invite } = JSON.parse((await first.ask("/v1/invites", "-d", wish)).body);
  const env = { TTUN_INVITE: invite };
  const joined = await second.mesh("join --roles node --host h1 --advertise 192.0.2.2", { env });
  assert.equal(joined.code, 0, joined.stderr);
  stack.use(await second.node());
  for (const node of [first, second]) await settled(node, 2);
  for (const node of [first, second]) {
    const { stdout } = await node.mesh("status --json");
    assert.match(stdout, /"transport": ?"quic"/);
    assert.doesNotMatch(stdout, /"transport": ?"tcp"/);
  }
  const put = await second.ask("/v1/kv/kv/app/x", "-X", "PUT", "-d", "blue");
  assert.equal(put.status, 204);
  assert.deepEqual(await first.ask("/v1/kv/kv/app/x"), { status: 200, body: "blue" });
  // The core's at the first one, over the same link.
  const named = await second.ask("/v1/kv/name/web", "-X", "PUT", "-d", "1");
  assert.equal(named.status, 204);
});
