import assert from "node:assert/strict";
import { test } from "../check.ts";
import { twoHosts } from "../netns.ts";
import { INNER, SERVER, startServer, startTtun } from "./tunnel.ts";

/** Answers every connection with this, once it has ended or sent a line. */
const GREETING = "hello from behind the server";
const SERVE = `
import socket
s = socket.create_server(("127.0.0.1", 8000))
print("ready", flush=True)
while True:
    c, _ = s.accept()
    c.recv(100)
    c.sendall(b"${GREETING}")
    c.close()
`;
const ASK = `
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)
s.sendall(b"?")
s.shutdown(socket.SHUT_WR)
print(s.makefile().read())
`;

test("a client has a device and forwards, and others forward beside it without a device or root", async () => {
  await using hosts = await twoHosts();
  const { server, client } = hosts;
  await using target = server.spawn("python3", ["-c", SERVE]);
  await target.waitFor(/ready/);
  await using _server = await startServer(server, "--permit-open", "127.0.0.0/8");
  const start = (...args: string[]) => startTtun(client, "client", "-v", "-s", SERVER, ...args);
  await using both = start("--no-warm-up", "--tun", "-L", "9000:127.0.0.1:8000");
  await both.waitFor(/carries=streams/);
  await both.waitFor(/authenticated.*offload=/);
  await using alone = start("-L", "9001:127.0.0.1:8000");
  await alone.waitFor(/authenticated/);
  for (const port of ["9000", "9001"]) {
    const asked = await client.run("python3", ["-c", ASK, port]);
    assert.equal(asked.stdout.trim(), GREETING, asked.stderr);
  }
  const ping = await client.run("ping", ["-c", "3", "-i", "0.2", INNER.server4]);
  assert.equal(ping.code, 0, ping.stdout);
  for (const process of [both, alone]) {
    process.signal("SIGINT");
    assert.equal((await process.status).code, 0);
  }
});
