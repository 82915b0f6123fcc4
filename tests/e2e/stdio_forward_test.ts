import assert from "node:assert/strict";
import { test } from "../check.ts";
import { twoHosts } from "../netns.ts";
import { ENV, SERVER, startServer, ttunCommand } from "./tunnel.ts";

/** Sends back a line in capitals once its client has ended, and ends with the client's `quit`. */
const SERVE = `
import socket
s = socket.create_server(("127.0.0.1", 8000))
print("ready", flush=True)
while True:
    c, _ = s.accept()
    c.sendall(c.makefile("rb").read().upper())
    c.close()
`;

test("-W: standard input and output are one connection; nothing else is on them, and failures are 255", async () => {
  await using hosts = await twoHosts();
  const { server, client } = hosts;
  await using target = server.spawn("python3", ["-c", SERVE]);
  await target.waitFor(/ready/);
  await using _server = await startServer(server, "--no-tun", "--permit-open", "127.0.0.1:8000");
  const run = (input: string, to: string, ...more: string[]) => {
    const [command, args] = ttunCommand("client", "-s", SERVER, "-W", to, ...more);
    const script = 'printf %s "$0" | exec "$@"';
    return client.run("sh", ["-c", script, input, command, ...args], {
      env: ENV,
      timeoutMs: 30_000,
    });
  };
  const right = await run("hello", "127.0.0.1:8000");
  assert.deepEqual([right.code, right.stdout, right.stderr], [0, "HELLO", ""]);
  const denied = await run("hello", "127.0.0.1:22");
  assert.deepEqual([denied.code, denied.stdout], [255, ""]);
  assert.match(denied.stderr, /Cannot forward to 127\.0\.0\.1:22/);
  const nobody = await run("hello", "127.0.0.1:8000", "-s", "192.0.2.1:7");
  assert.deepEqual([nobody.code, nobody.stdout], [255, ""]);
  assert.match(nobody.stderr, /refused; is the server running\?/);
});
