import assert from "node:assert/strict";
import { EXIT_CODES } from "../../src/base/errors.ts";
import { test } from "../check.ts";
import { twoHosts } from "../netns.ts";
import {
  devices,
  ENV,
  INNER,
  KEY,
  openTunnel,
  ping,
  pingUntil,
  runTtun,
  SERVER,
  startServer,
  startTtun,
} from "./tunnel.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

test("addresses, peers and routes are as asked for", async () => {
  await using t = await openTunnel(["--mss-clamp"], {
    server: [
      "--address",
      "10.9.0.1/24",
      "--address",
      "fd00:9::1/64",
      "--route",
      "10.77.0.0/16",
      "--device",
      "tun-a",
    ],
    client: [
      "--address",
      "10.9.0.2",
      "--peer-address",
      "10.9.0.1",
      "--route",
      "fd00:77::/32",
      "--route",
      "10.78.1.1",
    ],
  });
  assert.equal(await ping(t.client, "10.9.0.1"), 3);
  assert((await devices(t.server)).includes("tun-a"));
  const routes = await t.client.sh("ip route; ip -6 route");
  assert.match(routes, /10\.9\.0\.1 dev ttun0/);
  assert.match(routes, /10\.78\.1\.1 dev ttun0/);
  assert.match(routes, /fd00:77::\/32 dev ttun0/);
  assert.match(
    await t.server.sh("ip route; ip addr"),
    /10\.77\.0\.0\/16 dev tun-a[^]*inet6 fd00:9::1\/64/,
  );
});

test("--up and --down run with the facts in their environment, and without the key", async () => {
  await using hosts = await twoHosts();
  const folder = await Deno.makeTempDir();
  try {
    await using server = startTtun(
      hosts.server,
      "server",
      "--up",
      `env >${folder}/up; ip link show $TTUN_DEVICE >>${folder}/up`,
      "--down",
      `env >${folder}/down`,
    );
    await server.waitFor(/listening/);
    await using client = startTtun(hosts.client, "client", "-s", SERVER);
    await client.waitFor(/authenticated/);
    server.signal("SIGINT");
    assert.equal((await server.status).code, 0);
    for (const name of ["up", "down"]) {
      const seen = await Deno.readTextFile(`${folder}/${name}`);
      assert.match(seen, /^TTUN_DEVICE=ttun0$/m);
      assert.match(seen, /^TTUN_ADDRESSES=10\.1\.1\.1\/30 fc11::1\/126$/m);
      assert.match(seen, /^TTUN_ROLE=server$/m);
      assert(!seen.includes(KEY));
    }
    const failing = await runTtun(hosts.server, ["server", "--up", "exit 3"]);
    assert.equal(failing.code, EXIT_CODES.hook.code, failing.stderr);
    assert.deepEqual(await devices(hosts.server), ["lo", "veth0"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

test("an --up that leaves a program behind does not hold ttun up, and prints on standard error", async () => {
  await using hosts = await twoHosts();
  const up = "sleep 60 & echo left $! behind";
  await using server = startTtun(hosts.server, "server", "--up", up);
  await using _client = startTtun(hosts.client, "client", "-s", SERVER);
  await pingUntil(hosts.client, INNER.server4, 20_000);
  const [, left] = /left (\d+) behind/.exec(server.stderr)!;
  assert.equal(server.stdout, "");
  await hosts.server.sh(`kill ${left}`);
});

test("Ctrl-C during --up ends within a second, and nothing goes on", async () => {
  await using hosts = await twoHosts();
  await using server = startTtun(hosts.server, "server", "--up", "echo waiting; sleep 20");
  await server.waitFor(/waiting/);
  const began = performance.now();
  server.signal("SIGINT");
  assert.equal((await server.status).code, 0, server.output);
  assert(performance.now() - began < 1000);
  assert.deepEqual(await devices(hosts.server), ["lo", "veth0"]);
});

test("on a terminal Deno never asks a question under the permission sets", async () => {
  await using hosts = await twoHosts();
  const line = `${Deno.execPath()} run -P=server ${MAIN} server --up 'echo waiting; sleep 20'`;
  await using server = hosts.server.spawn("script", ["-qec", line, "/dev/null"], {
    env: ENV,
    stdin: "piped",
  });
  await server.waitFor(/waiting/);
  await server.write(new Uint8Array([3])); // Ctrl-C
  await server.write(new Uint8Array([3]));
  await server.status;
  assert.doesNotMatch(server.output, /requests .* access|Allow\?/);
});

test("--user leaves root behind in every thread once the device is open", async () => {
  await using t = await openTunnel(["--user", "nobody"]);
  const { pid } = t.serverProcess; // nsenter and setpriv have become ttun itself
  const uids = new Set(
    (await t.server.sh(`cat /proc/${pid}/task/*/status | grep ^Uid:`)).trim().split("\n"),
  );
  assert.deepEqual([...uids], ["Uid:\t65534\t65534\t65534\t65534"]);
  assert.equal(await ping(t.client, INNER.server4), 3);
  const { code, stderr } = await runTtun(t.server, [
    "server",
    "-l",
    ":1",
    "--user",
    "no-such-user",
  ]);
  assert.equal(code, EXIT_CODES.usage.code);
  assert.match(stderr, /no-such-user/);
});

test("the permission sets of deno.json are enough, and what is not needed is given up", async () => {
  await using hosts = await twoHosts();
  const start = (host: typeof hosts.server, ...args: string[]) =>
    host.spawn(Deno.execPath(), ["run", "--no-prompt", ...args], { env: ENV });
  await using server = start(hosts.server, "-P=server", MAIN, "server");
  await server.waitFor(/listening/);
  await using client = start(hosts.client, "-P=client", MAIN, "client", "-s", SERVER);
  await client.waitFor(/authenticated/);
  assert.equal(await ping(hosts.client, INNER.server4), 3);
});

test("logs are JSON on standard error when asked for, and quiet when asked for", async () => {
  await using t = await openTunnel([], { client: ["--log-format", "json"] });
  for (const line of t.clientProcess.stderr.trim().split("\n")) {
    const record = JSON.parse(line);
    assert.match(record.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert(["debug", "info", "warn", "error"].includes(record.level));
    assert.equal(typeof record.msg, "string");
  }
  await using hosts = await twoHosts();
  await using quiet = startTtun(hosts.server, "server", "-q");
  await using _client = startTtun(hosts.client, "client", "-s", SERVER);
  await pingUntil(hosts.client, INNER.server4, 10_000);
  quiet.signal("SIGINT");
  await quiet.status;
  assert.equal(quiet.output, "");
});

test("Ctrl-C ends within a second at every moment, a second one at once", async () => {
  await using hosts = await twoHosts();
  for (
    const [args, moment] of [
      [["server"], /listening/],
      [["client", "-s", SERVER], /retry_in/], // waits to try again
      [["client", "-s", "192.0.2.77:1"], /connecting/], // in the middle of dialling
    ] as const
  ) {
    await using process = startTtun(hosts.client, ...args, "-v");
    await process.waitFor(moment);
    const began = performance.now();
    process.signal("SIGINT");
    assert.equal((await process.status).code, 0, process.output);
    assert(performance.now() - began < 1000);
    assert.deepEqual(await devices(hosts.client), ["lo", "veth0"]);
  }
  await using stuck = startTtun(
    hosts.client,
    "server",
    "--up",
    "echo is up",
    "--down",
    "echo is down; sleep 20",
  );
  await stuck.waitFor(/is up/); // before that there is nothing for --down to take back
  stuck.signal("SIGINT");
  await stuck.waitFor(/is down/);
  stuck.signal("SIGINT");
  assert.equal((await stuck.status).code, 130);
});

test("an IPv6 carrier, and a listener on one address", async () => {
  await using hosts = await twoHosts();
  await using _server = await startServer(hosts.server, "-l", "[2001:db8::1]:4000");
  for (const io of ["ffi", "deno"]) {
    await using client = startTtun(hosts.client, "client", "--io", io, "-s", "[2001:db8::1]:4000");
    await client.waitFor(/authenticated/);
    assert.equal(await ping(hosts.client, INNER.server6), 3);
  }
  const refused = await runTtun(hosts.client, ["client", "--once", "-s", "192.0.2.1:4000"]);
  assert.equal(refused.code, EXIT_CODES.unreachable.code);
});

test("a name to listen on is resolved, or named when it cannot be", async () => {
  await using hosts = await twoHosts();
  for (const io of ["ffi", "deno"]) {
    await using server = startTtun(hosts.server, "server", "--io", io, "-l", "localhost:20203");
    await server.waitFor(/listening .*(127\.0\.0\.1|::1)/);
  }
  const { code, stderr } = await runTtun(hosts.server, ["server", "-l", "no-such-host.invalid:1"]);
  assert.equal(code, EXIT_CODES.name.code, stderr);
});

test("an old peer that goes away and a new one in its place: the device outlives sessions", async () => {
  await using hosts = await twoHosts();
  await using server = await startServer(hosts.server);
  const index = await hosts.server.sh(
    "cat /sys/class/net/ttun0/ifindex || ip -o link show ttun0 | cut -d: -f1",
  );
  for (let i = 0; i < 3; i++) {
    await using client = startTtun(hosts.client, "client", "-s", SERVER);
    await client.waitFor(/authenticated/);
    assert.equal(await ping(hosts.client, INNER.server4), 3);
    client.signal("SIGINT");
    await client.status;
  }
  assert.equal(
    await hosts.server.sh(
      "cat /sys/class/net/ttun0/ifindex || ip -o link show ttun0 | cut -d: -f1",
    ),
    index,
  );
  assert.equal(server.output.match(/ authenticated /g)?.length, 3);
});
