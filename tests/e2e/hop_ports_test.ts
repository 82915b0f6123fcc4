import assert from "node:assert/strict";
import { test } from "../check.ts";
import { Host } from "../netns.ts";
import { endWell, LOOPBACK, portOf, serverPorts, startClient, startServer } from "./proxy_pair.ts";

/** In seconds. One dropped port cost 5 s before the minutes were tried beside each other. */
const MOST = 4;

test("a firewall that drops two of three hop ports: found at the start, no wait, no word of clocks", async () => {
  await using host = await Host.create();
  const spawn: Parameters<typeof startServer>[0] = {
    spawn: (command, args, options) => host.spawn(command, args, options),
  };
  await using stack = new AsyncDisposableStack();
  const server = stack.adopt(await startServer(spawn), endWell);
  const open = serverPorts(server); // three, or two when the port of a minute is short-lived
  for (const port of open.slice(0, Math.min(2, open.length - 1))) {
    await host.sh(`iptables -w -A INPUT -p tcp --dport ${port} -j DROP`);
  }
  const client = stack.adopt(await startClient(spawn), endWell);
  await client.waitFor(/info {2}authenticated {2}server=127\.0\.0\.1/);
  for (let i = 0; i < 2; i++) {
    // Nothing listens at the target: the answer is the server's all the same.
    const { stdout, code } = await host.run("curl", [
      ...["-s", "--noproxy", "", "--max-time", "20", "-w", "%{time_total}"],
      ...["-x", `socks5h://${LOOPBACK}:${portOf(client)}`, `http://${LOOPBACK}:1/`],
    ]);
    assert.equal(code, 97, client.output);
    assert.ok(Number(stdout) < MOST, `${stdout} s`);
  }
  assert.doesNotMatch(client.output, /clocks|no way to the server/);
});

test("a server's hop port that another program has is told with advice that fits", async () => {
  await using host = await Host.create();
  const [command, args] = [
    Deno.execPath(),
    [
      "eval",
      `Deno.listen({ hostname: "127.0.0.1", port: 20000 }); console.log("taken");
      setInterval(() => {}, 1000);`,
    ],
  ];
  await using other = host.spawn(command, args);
  await other.waitFor(/taken/);
  const server = host.spawn(Deno.execPath(), [
    ...["run", "-A", new URL("../../main.ts", import.meta.url).pathname, "proxy", "server"],
    ...["-l", LOOPBACK, "-r", "20000-20000"],
  ], { env: { TTUN_KEY: "vbYTtPqk3wU4yhDZ1s0dLQ", NO_COLOR: "1" } });
  await using _server = server;
  await server.waitFor(/127\.0\.0\.1:20000: another program has the port; .*--port-range/);
  assert.equal((await server.status).code, 8);
  assert.doesNotMatch(server.output, /--listen/);
});
