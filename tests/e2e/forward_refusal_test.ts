import assert from "node:assert/strict";
import { test } from "../check.ts";
import { twoHosts } from "../netns.ts";
import {
  listensAt,
  LOOPBACK,
  openForwards,
  PERMIT,
  portsOf,
  spawnTtun,
  startClient,
  startServer,
} from "./forward_pair.ts";
import { makeFolder } from "./proxy_files.ts";
import { run } from "./proxy_pair.ts";
import { serveWeb } from "./proxy_web.ts";
import { NO_WARM_UP, startTtun } from "./tunnel.ts";

const CURL = ["-sS", "--max-time", "10"];

/** Exit codes of curl: a reset before it has sent its request, an empty reply, and a reset. */
const CUT = [7, 52, 56];

/** A target, and what a server says that does not let clients there. */
const DENIED = [
  ["127.0.0.1:80", "loopback"],
  ["10.1.2.3:80", "private"],
  ["169.254.169.254:80", "link-local"],
  ["[::ffff:127.0.0.1]:80", "loopback|IPv4"],
  ["[64:ff9b::7f00:1]:80", "NAT64|IPv4|loopback"],
  ["localhost:80", "loopback"],
  ["/run/docker.sock", "unix socket|path"],
] as const;

test("a server without --permit-open connects to nothing of its own, and says what would let it", async () => {
  const forwards = DENIED.flatMap(([to]) => ["-L", `0:${to}`]);
  await using pair = await openForwards({ server: [], client: [...forwards, "-D", "0"] });
  const dynamic = pair.ports.at(-1);
  for (const [i, [to, why]] of DENIED.entries()) {
    const from = pair.server.lineCount;
    const { code } = await run("curl", [...CURL, `http://${LOOPBACK}:${pair.ports[i]}/`]);
    assert(CUT.includes(code), `${to}: curl ended with ${code}`);
    await pair.server.waitFor(new RegExp(`cannot connect .*(${why})`), 1000, from);
  }
  for (const [to] of DENIED.slice(0, -1)) { // SOCKS knows no paths
    for (const way of ["socks5h", "socks5"]) {
      const args = [...CURL, "-x", `${way}://${LOOPBACK}:${dynamic}`, `http://${to}/`];
      const { code, stderr } = await run("curl", args);
      assert.deepEqual([code, /\((\d+)\)\s*$/.exec(stderr)?.[1]], [97, "2"], `${to}: ${stderr}`);
    }
  }
  const args = [...CURL, "-i", "-x", `http://${LOOPBACK}:${dynamic}`, "http://10.1.2.3/"];
  assert.match((await run("curl", args)).stdout, /^HTTP\/1\.1 403 [^]*--allow/);
});

test("rules permit a network, a port and a path, and --deny takes from them", async () => {
  await using web = serveWeb();
  await using other = serveWeb();
  await using pair = await openForwards({
    server: ["--permit-open", `127.0.0.0/8:${web.port}`, "--deny", "127.0.0.2/32"],
    client: ["-D", "0"],
  });
  const ask = async (host: string, port: number) => {
    const proxy = `socks5h://${LOOPBACK}:${pair.ports[0]}`;
    const { stdout, stderr } = await run("curl", [
      ...CURL,
      "-x",
      proxy,
      `http://${host}:${port}/hello`,
    ]);
    return stdout.trim() || /\((\d+)\)\s*$/.exec(stderr)?.[1];
  };
  const said = await Promise.all([
    ask(LOOPBACK, web.port),
    ask(LOOPBACK, other.port),
    ask("127.0.0.2", web.port),
    ask("localhost", web.port),
  ]);
  assert.deepEqual(said, ["hello", "2", "2", "hello"]);
});

test("a target that refuses: a reset by -L, code 5 by SOCKS, 502 by HTTP", async () => {
  await using pair = await openForwards({ client: ["-L", `0:${LOOPBACK}:1`, "-D", "0"] });
  const [local, dynamic] = pair.ports;
  const to = `http://${LOOPBACK}:1/`;
  const { code } = await run("curl", [...CURL, `http://${LOOPBACK}:${local}/`]);
  assert(CUT.includes(code), `curl ended with ${code}`);
  const socks = await run("curl", [...CURL, "-x", `socks5h://${LOOPBACK}:${dynamic}`, to]);
  assert.match(socks.stderr, /\(5\)\s*$/);
  const http = await run("curl", [...CURL, "-i", "-x", `http://${LOOPBACK}:${dynamic}`, to]);
  assert.match(http.stdout, /^HTTP\/1\.1 502 /);
});

test("ttun server --wire v1 says nothing that a client with forwards could use", async () => {
  await using hosts = await twoHosts();
  const server = startTtun(hosts.server, "server", "-v", NO_WARM_UP, "--wire", "v1");
  await server.waitFor(/listening/);
  const args = ["client", NO_WARM_UP, "--retries", "0", "-s", "192.0.2.1", "-L", `0:${LOOPBACK}:1`];
  const client = startTtun(hosts.client, ...args);
  await client.status;
  await client.closed;
  assert.match(client.output, /version 2 of the wire, which forwards need/);
});

test("a client with a device is told that a server has none, and ends", async () => {
  await using hosts = await twoHosts();
  const server = startTtun(hosts.server, "server", "-v", "--no-tun");
  await server.waitFor(/listening/);
  const client = startTtun(hosts.client, "client", NO_WARM_UP, "--retries", "0", "-s", "192.0.2.1");
  assert.equal((await client.status).code, 3, client.output);
  await client.closed;
  assert.match(client.output, /this server has no device \(--no-tun\): it forwards streams alone/);
});

test("a forward whose port is taken is left out, or ends the client by --exit-on-forward-failure", async () => {
  await using web = serveWeb();
  await using server = await startServer({ args: PERMIT });
  const at = listensAt(server);
  const forwards = ["-L", `${LOOPBACK}:${web.port}:${web.at}`, "-L", `0:${web.at}`];
  await using client = await startClient({ at, args: forwards });
  assert.match(client.output, /cannot forward .*the port is taken/);
  const { stdout } = await run("curl", [...CURL, `http://${LOOPBACK}:${portsOf(client)[0]}/hello`]);
  assert.equal(stdout, "hello\n");
  await using strict = spawnTtun(["client", "-s", at, ...forwards, "--exit-on-forward-failure"]);
  assert.equal((await strict.status).code, 8, strict.output);
});

test("a unix socket of a forward: no file but its own is in the way or removed", async () => {
  await using folder = await makeFolder();
  await using web = serveWeb();
  const path = `${folder.path}/socket`;
  await Deno.writeTextFile(`${folder.path}/file`, "kept");
  await using server = await startServer();
  const args = ["-L", `${path}:${web.at}`, "-L", `${folder.path}/file:${web.at}`];
  const killed = await startClient({ at: listensAt(server), args });
  assert.match(killed.output, /cannot forward .*there is a file already/);
  assert.equal((await Deno.lstat(path)).mode! & 0o777, 0o600);
  killed.signal("SIGKILL");
  await killed.closed;
  const client = await startClient({ at: listensAt(server), args });
  const { stdout } = await run("curl", [...CURL, "--unix-socket", path, "http://x/hello"]);
  assert.equal(stdout, "hello\n", client.output);
  await client[Symbol.asyncDispose]();
  assert.deepEqual([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["file"]);
});
