/** Forwards and -W over transports other than TCP: the services know nothing of them. */
import assert from "node:assert/strict";
import { test } from "../check.ts";
import { twoHosts } from "../netns.ts";
import { ENV, KEY, ttunCommand } from "./tunnel.ts";

/** Sends back a line in capitals once its client has ended. */
const SERVE = `
import socket
s = socket.create_server(("127.0.0.1", 8000))
print("ready", flush=True)
while True:
    c, _ = s.accept()
    c.sendall(c.makefile("rb").read().upper())
    c.close()
`;

const RULES = ["--no-tun", "--permit-open", "127.0.0.1:8000"];

test("-L and -W over a unix socket, and over a command with standard input and output", async () => {
  await using hosts = await twoHosts();
  const { server, client } = hosts;
  await using target = server.spawn("python3", ["-c", SERVE]);
  await target.waitFor(/ready/);
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/key`, KEY, { mode: 0o600 });
    const unix = `unix://${folder}/ttun.sock`;
    const [command, args] = ttunCommand("server", "-l", unix, ...RULES);
    await using listening = server.spawn(command, args, { env: ENV });
    await listening.waitFor(/listening/);
    const [far, farArgs] = ttunCommand("server", "-l", "stdio:", "--key-file", `${folder}/key`);
    const line = ["nsenter", "-t", `${server.pid}`, "-n", far, ...farArgs, ...RULES].join(" ");
    for (const url of [unix, `exec:${line}`]) {
      const what = url.slice(0, 5);
      const [ttun, own] = ttunCommand("client", "-s", url, "-W", "127.0.0.1:8000");
      const script = 'printf %s "$0" | exec "$@"';
      const piped = await client.run("sh", ["-c", script, "hello", ttun, ...own], { env: ENV });
      assert.deepEqual([piped.code, piped.stdout], [0, "HELLO"], `${what}: ${piped.stderr}`);

      const [local, localArgs] = ttunCommand("client", "-s", url, "-L", "9000:127.0.0.1:8000");
      await using forwarding = client.spawn(local, localArgs, { env: ENV });
      await forwarding.waitFor(/authenticated/);
      for (let i = 0; i < 3; i++) {
        const { stdout } = await client.run("nc", ["-N", "127.0.0.1", "9000"], {
          stdin: { text: `line ${i}` },
        });
        assert.equal(stdout, `LINE ${i}`, what);
      }
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
