import assert from "node:assert/strict";
import { test } from "../check.ts";
import { INNER, openTunnel, ping, pingUntil } from "./tunnel.ts";

test("a connection whose packets a firewall begins to drop is replaced before it is given up", async () => {
  await using t = await openTunnel();
  const { client } = t;
  assert.equal(await ping(client, INNER.server4), 3);
  const all = await client.sh("ss -Htn state established dport = 20203");
  const port = / \S+:(\d+) +\S+:20203/.exec(all)![1];
  await client.sh(`
    iptables -w -A OUTPUT -p tcp --sport ${port} -j DROP
    iptables -w -A INPUT -p tcp --dport ${port} -j DROP`);
  await pingUntil(client, INNER.server4, 20_000);
  assert.equal(await ping(client, INNER.server4, { count: 20 }), 20);
  for (const end of [t.clientProcess, t.serverProcess]) {
    assert.match(end.output, / session goes on /);
    assert.equal(end.output.match(/ authenticated /g)!.length, 1, end.output);
  }
});
