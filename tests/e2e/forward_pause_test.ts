import assert from "node:assert/strict";
import { test } from "../check.ts";
import {
  ENV,
  listensAt,
  LOOPBACK,
  openForwards,
  type Process,
  spawnHere,
  spawnTtun,
  startServer,
} from "./forward_pair.ts";
import { readExactly, writeAll } from "./proxy_socks.ts";
import { echoer } from "./proxy_targets.ts";

test("a session goes on behind a pause of the whole client, as of a laptop that sleeps", async () => {
  await using echo = echoer();
  await using pair = await openForwards({ client: ["-L", `0:${LOOPBACK}:${echo.port}`] });
  using conn = await Deno.connect({ hostname: LOOPBACK, port: pair.ports[0]! });
  await writeAll(conn, new Uint8Array(1000));
  pair.client.signal("SIGSTOP");
  const ms = 18_000; // the server takes the connection for dead after 15 s
  await new Promise((resolve) => setTimeout(resolve, ms));
  pair.client.signal("SIGCONT");
  await readExactly(conn, new Uint8Array(1000));
  await writeAll(conn, new Uint8Array(1000));
  await readExactly(conn, new Uint8Array(1000));
  assert.match(pair.client.output, /session goes on/);
});

/** Runs a client with a forward to its end, at the first failure. */
async function meets(at: string, key?: string): Promise<Process> {
  const args = ["client", "--retries", "0", "-s", at, "-L", `0:${LOOPBACK}:1`];
  const client = spawnTtun(args, key === undefined ? {} : { env: { TTUN_KEY: key } });
  await client.status;
  await client.closed;
  return client;
}

test("a wrong key, nobody there, and servers of version 1: each is told in a sentence", async () => {
  await using server = await startServer();
  const source = new URL("old_peer.ts", import.meta.url).pathname;
  const old = ["run", "-A", source, "server", ENV.TTUN_KEY, "chacha20-poly1305", LOOPBACK, "20905"];
  await using peer = spawnHere(Deno.execPath(), [...old, "10.1.1.1", "10.1.1.2"]);
  await peer.waitFor(/listening/);
  const cases = [
    ["another key", meets(listensAt(server), "another key of some length"), 6, /with this key\?/],
    ["nobody", meets(`${LOOPBACK}:20904`), 4, /refused; is the server running/],
    ["version 1", meets(`${LOOPBACK}:20905`), 3, /version 2 of the wire, which forwards need/],
  ] as const;
  for (const [name, running, code, words] of cases) {
    const client = await running;
    assert.equal((await client.status).code, code, `${name}: ${client.output}`);
    assert.match(client.output, words, name);
  }
  assert.match(server.output, /handshake rejected .*another key, version 1, or a stranger/);
});
