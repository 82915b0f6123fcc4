/** A device and forwards over QUIC: the services know nothing of it. */
import assert from "node:assert/strict";
import { test } from "../check.ts";
import { twoHosts } from "../netns.ts";
import { selfSignedLeaf } from "../suite/certificates.ts";
import {
  ENV,
  INNER,
  NO_WARM_UP,
  ping,
  SERVER,
  startServer,
  startTtun,
  transfer,
  ttunCommand,
} from "./tunnel.ts";

const LISTEN = "quic://:20203";

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

/** The line that the server prints for its clients. */
function urlIn(output: string): string {
  const [, url] = /a client reaches this server by\s+url="?(quic:\/\/[^"\s]+)/.exec(output)!;
  return url!.replace("HOST:20203", SERVER);
}

test("a device over QUIC, by the line that the server prints", async () => {
  await using hosts = await twoHosts();
  await using server = await startServer(hosts.server, "--user", "nobody", "-l", LISTEN);
  assert.match(server.output, /the certificate is for this run alone/);
  const url = urlIn(server.output);
  await using client = startTtun(hosts.client, "client", "-v", NO_WARM_UP, "-s", url);
  await client.waitFor(/authenticated.*protocol=quic/);
  assert.equal(await ping(hosts.client, INNER.server4), 3);
  assert.equal(await ping(hosts.server, INNER.client6), 3);
  assert.ok(await transfer(hosts, INNER.server4) > 1);
  client.signal("SIGTERM");
  assert.equal((await client.status).code, 0);
  // An end that the server has not acknowledged within 400 ms is a connection's end alone.
  await server.waitFor(/disconnected.*(closed by the client|the other end closed it)/);
  // Another server's certificate, under the same name.
  const stranger = `quic://${SERVER}?name=ttun.invalid`;
  await using refused = startTtun(hosts.client, "client", "--retries", "0", "-s", stranger);
  await refused.waitFor(/Cannot trust 192\.0\.2\.1:20203: its certificate is not one that --ca/);
  assert.equal((await refused.status).code, 3);
  server.signal("SIGTERM");
  assert.equal((await server.status).code, 0);
});

test("all traffic of a client goes by QUIC, but for QUIC's own", async () => {
  await using hosts = await twoHosts();
  await using server = await startServer(hosts.server, "-l", LISTEN);
  const url = urlIn(server.output);
  await using folder = await temporaryFolder();
  const env = { ...ENV, STATE_DIRECTORY: folder.path };
  const [command, args] = ttunCommand(
    ...["client", "-v", NO_WARM_UP, "-s", url, "--default-route", "--address", "10.1.1.2/30"],
  );
  await using client = hosts.client.spawn(command, args, { env });
  await client.waitFor(/authenticated.*protocol=quic/);
  assert.equal(await ping(hosts.client, INNER.server4), 3);
  client.signal("SIGTERM");
  assert.equal((await client.status).code, 0);
});

test("forwards over QUIC, of a server with a certificate of its operator's", async () => {
  await using hosts = await twoHosts();
  await using target = hosts.server.spawn("python3", ["-c", SERVE]);
  await target.waitFor(/ready/);
  using certificate = selfSignedLeaf("DNS:server.test");
  const { cert, key } = certificate;
  const rules = ["--no-tun", "--permit-open", "127.0.0.1:8000"];
  const [command, args] = ttunCommand(
    "server",
    "-l",
    `${LISTEN}?cert=${cert}&key=${key}`,
    ...rules,
  );
  await using server = hosts.server.spawn(command, args, { env: ENV });
  await server.waitFor(/listening/);
  const url = `quic://${SERVER}?name=server.test`;
  const [ttun, own] = ttunCommand("client", "-s", url, "--ca", cert, "-W", "127.0.0.1:8000");
  const script = 'printf %s "$0" | exec "$@"';
  const piped = await hosts.client.run("sh", ["-c", script, "hello", ttun, ...own], { env: ENV });
  assert.deepEqual([piped.code, piped.stdout], [0, "HELLO"], piped.stderr);
  server.signal("SIGTERM");
  assert.equal((await server.status).code, 0);
});

/** Answers each datagram by its size. */
const COUNTER = `import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.1", 8000))
print("ready", flush=True)
while True:
  data, peer = s.recvfrom(65536)
  s.sendto(b"%d" % len(data), peer)`;

/** Sends datagrams of several sizes, each again until it is answered, and prints the answers. */
const ASK = `import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(1)
s.connect(("127.0.0.1", 7000))
def ask(size):
  while True:
    s.send(b"x" * size)
    try:
      answer = int(s.recv(100))
      if answer == size: return answer
    except TimeoutError: pass
print(*[ask(size) for size in (1, 2, 1000, 1400, 9000)])`;

test("datagrams that are forwarded over QUIC, as its own where they fit", async () => {
  await using hosts = await twoHosts();
  await using target = hosts.server.spawn("python3", ["-c", COUNTER]);
  await target.waitFor(/ready/);
  const rules = ["--no-tun", "--permit-open", "127.0.0.1:8000"];
  await using server = await startServer(hosts.server, ...rules, "-l", LISTEN);
  const forward = ["--no-tun", "-L", "127.0.0.1:7000:127.0.0.1:8000/udp"];
  const args = ["-v", NO_WARM_UP, "-s", urlIn(server.output), ...forward];
  await using client = startTtun(hosts.client, "client", ...args);
  await client.waitFor(/authenticated/);
  const { stdout, stderr } = await hosts.client.run("python3", ["-c", ASK]);
  assert.equal(stdout, "1 2 1000 1400 9000\n", `${stderr}${client.output}${server.output}`);
});

async function temporaryFolder() {
  const path = await Deno.makeTempDir();
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}
