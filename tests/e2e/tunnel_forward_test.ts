import assert from "node:assert/strict";
import { test } from "../check.ts";
import { type Host, twoHosts } from "../netns.ts";
import { makeFolder } from "./proxy_files.ts";
import { hashOfBulk, writeBulk } from "./proxy_web.ts";
import { INNER, openTunnel, ping, pingUntil, SERVER, startServer, startTtun } from "./tunnel.ts";

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
  await both.waitFor(/authenticated.*carries=packets,streams/);
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

/** Resets the client's connection to the server; returns false if there is none now. */
async function cut(client: Host): Promise<boolean> {
  const killed = await client.sh("ss -KHt state established dst 192.0.2.1 dport = 20203");
  return killed.trim() !== "";
}

/** Connections that the server has with the client. */
async function connections(server: Host): Promise<number> {
  const lines = await server.sh("ss -Ht state established sport = 20203");
  return lines.split("\n").filter((line) => line.trim() !== "").length;
}

test("one connection carries device and forwards: a download outlives it, and pings pass beside", async () => {
  // More than the client can hold when the last cut comes.
  const size = 64 * 1024 * 1024;
  await using t = await openTunnel([], {
    server: ["--permit-open", "127.0.0.1:8080"],
    client: ["--tun", "-L", "9000:127.0.0.1:8080"],
  });
  const { server, client } = t;
  await using folder = await makeFolder();
  await writeBulk(`${folder.path}/big`, size);
  const serve = ["-u", "-m", "http.server", "-b", "127.0.0.1", "8080"];
  await using web = server.spawn("python3", serve, { cwd: folder.path });
  await web.waitFor(/Serving HTTP/);
  const script = "curl -sS --limit-rate 5M http://127.0.0.1:9000/big | sha256sum";
  await using download = client.spawn("sh", ["-c", script]);
  for (let cuts = 0; cuts < 3; cuts++) {
    await pingUntil(client, INNER.server4, 10_000);
    assert(await ping(client, INNER.server4, { count: 10, wait: 1 }) >= 9);
    assert.equal(await connections(server), 1);
    assert(await cut(client));
  }
  await download.status;
  assert.equal(download.stdout, `${hashOfBulk(size)}  -\n`, download.stderr);
  const { output } = t.clientProcess;
  assert(output.match(/authenticated.*carries=packets,streams/g)!.length >= 4, output);
});
