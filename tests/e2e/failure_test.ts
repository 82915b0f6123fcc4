import assert from "node:assert/strict";
import { EXIT_CODES } from "../../src/base/errors.ts";
import { test } from "../check.ts";
import { type Host, twoHosts } from "../netns.ts";
import { readableCopy } from "./readable_copy.ts";
import {
  devices,
  ENV,
  INNER,
  openTunnel,
  pause,
  ping,
  pingUntil,
  runTtun,
  SERVER,
  startServer,
  startTtun,
  ttunCommand,
} from "./tunnel.ts";

/** Runs a client once and returns its exit code and output; nothing of it may stay. */
async function clientOnce(host: Host, ...args: string[]) {
  const { code, stdout, stderr } = await runTtun(host, ["client", "--once", ...args]);
  assert.equal(stdout, "", "standard output is for data");
  assert.doesNotMatch(stderr, /\bat .*\.ts:\d+|internal/, "no stack and no bug");
  assert.deepEqual(await devices(host), ["lo", "veth0"]);
  return { code, stderr };
}

test("a wrong key or cipher ends with its own exit code and says so at both ends", async () => {
  await using hosts = await twoHosts();
  await using server = await startServer(hosts.server);
  for (
    const args of [
      ["-k", "another key"],
      ["-k", "another key", "--wire", "v1"],
      ["-m", "aes-256-gcm", "--wire", "v1"],
    ]
  ) {
    const seen = server.lineCount;
    const { code, stderr } = await clientOnce(hosts.client, "-s", SERVER, ...args);
    assert.equal(code, EXIT_CODES.auth.code, stderr);
    assert.match(stderr, /wrong key or cipher/);
    await server.waitFor(/handshake rejected .*wrong key or cipher/, 5000, seen);
  }
});

test("each way of not reaching a server has its own exit code", async () => {
  await using hosts = await twoHosts();
  const tries: [string[], keyof typeof EXIT_CODES, RegExp][] = [
    [["-s", SERVER], "unreachable", /refused/],
    [["-s", "198.51.100.1:20203"], "unreachable", /no route/],
    [["-s", "no-such-host.invalid:20203"], "name", /Cannot resolve "no-such-host.invalid"/],
    [["-s", "192.0.2.77:20203"], "unreachable", /no route/], // nobody answers ARP
  ];
  for (const [args, kind, words] of tries) {
    const { code, stderr } = await clientOnce(hosts.client, ...args);
    assert.equal(code, EXIT_CODES[kind].code, stderr);
    assert.match(stderr, words);
  }
});

test("a server that takes the connection and is silent is a time-out", async () => {
  await using hosts = await twoHosts();
  await using silent = hosts.server.spawn(Deno.execPath(), [
    "eval",
    `const l = Deno.listen({port: 20203}); console.log("listens");
     for await (const c of l) globalThis.kept = c;`,
  ]);
  await silent.waitFor(/listens/);
  const { code, stderr } = await clientOnce(hosts.client, "-s", SERVER);
  assert.equal(code, EXIT_CODES.timeout.code, stderr);
});

test("a client with retries tries that often, then ends with the last failure", async () => {
  await using hosts = await twoHosts();
  const { code, stderr } = await runTtun(hosts.client, ["client", "-s", SERVER, "--retries", "1"]);
  assert.equal(code, EXIT_CODES.unreachable.code);
  assert.equal(stderr.match(/retry_in_seconds/g)?.length, 1);
});

test("a taken port is named, with what to do", async () => {
  await using hosts = await twoHosts();
  await using _first = await startServer(hosts.server);
  for (const io of ["ffi", "deno"]) {
    const { code, stderr } = await runTtun(hosts.server, ["server", "--io", io]);
    assert.equal(code, EXIT_CODES.in_use.code, stderr);
    assert.match(stderr, /port is taken.*--listen/);
  }
});

test("without root it says what to do", async () => {
  await using hosts = await twoHosts();
  // An ordinary user has the sources, a cache of its own, and no capability.
  const cache = await Deno.makeTempDir();
  try {
    const [command, args] = ttunCommand("server");
    const copy = await readableCopy(cache);
    const { code, stderr } = await hosts.server.run("setpriv", [
      "--reuid=65534",
      "--regid=65534",
      "--clear-groups",
      "--bounding-set=-all",
      copy.deno,
      ...args.map((arg) => arg.endsWith("/main.ts") ? copy.main : arg),
    ], { env: { TTUN_KEY: "k", DENO_DIR: copy.cache, HOME: copy.cache } });
    assert(command !== copy.deno);
    assert.equal(code, EXIT_CODES.privilege.code, stderr);
    assert.match(stderr, /takes root or CAP_NET_ADMIN; run ttun with sudo$/m);
  } finally {
    await Deno.remove(cache, { recursive: true });
  }
});

test("missing Deno permissions are a sentence, and no question is asked", async () => {
  await using hosts = await twoHosts();
  const { code, stderr } = await hosts.server.run(Deno.execPath(), [
    "run",
    new URL("../../main.ts", import.meta.url).pathname,
    "server",
    "-k",
    "k",
  ]);
  assert.equal(code, EXIT_CODES.privilege.code, stderr);
  assert.match(stderr, /--allow-/);
});

test("junk and half a handshake disturb nobody", async () => {
  await using t = await openTunnel();
  await t.client.run("bash", [
    "-c",
    `
    for i in $(seq 50); do head -c $((i * 40)) /dev/urandom >/dev/tcp/192.0.2.1/20203; done
    printf 'GET / HTTP/1.1\\r\\n\\r\\n' >/dev/tcp/192.0.2.1/20203`,
  ]);
  assert.equal(await ping(t.client, INNER.server4), 3);
  assert(t.serverProcess.output.split("handshake rejected").length < 20, "the log is not flooded");
});

const here = (name: string) => new URL(name, import.meta.url).pathname;

for (const io of ["ffi", "deno"]) {
  test(`with 10 000 idle connections from its own address a client is in within seconds: ${io}`, async () => {
    await using hosts = await twoHosts();
    await using server = await startServer(hosts.server, "--io", io);
    await using flood = hosts.client.spawn(Deno.execPath(), [
      "run",
      "-A",
      "--no-prompt",
      here("./flood.ts"),
      "192.0.2.1",
      "20203",
      "10000",
    ]);
    await flood.waitFor(/connected 2000/, 30_000);
    await using client = startTtun(hosts.client, "client", "-s", SERVER);
    await client.waitFor(/authenticated/, 15_000); // 2 to 3 s on a machine that does nothing else
    await flood.waitFor(/connected 10000/, 60_000);
    assert.equal(await ping(hosts.client, INNER.server4), 3);
    assert.doesNotMatch(server.output, /internal/);
  });

  test(`connections that are reset before they are accepted disturb nobody: ${io}`, async () => {
    await using t = await openTunnel([], { server: ["--io", io] });
    const { stdout, stderr } = await t.client.run(Deno.execPath(), [
      "run",
      "-A",
      here("./reset.ts"),
      "192.0.2.1",
      "20203",
      "500",
    ]);
    assert.match(stdout, /done/, stderr);
    assert.equal(await ping(t.client, INNER.server4), 3);
  });

  test(`with few descriptors and a flood a client is still in within 5 s: ${io}`, async () => {
    await using hosts = await twoHosts();
    const [command, args] = ttunCommand("server", "--io", io);
    // Without CAP_SYS_RESOURCE the limit holds; Deno would lift it otherwise.
    await using server = hosts.server.spawn(
      "prlimit",
      [
        "--nofile=64:64",
        "setpriv",
        "--bounding-set=-sys_resource",
        "--inh-caps=-sys_resource",
        command,
        ...args,
      ],
      { env: ENV },
    );
    await server.waitFor(/listening/);
    await using flood = hosts.client.spawn(Deno.execPath(), [
      "run",
      "-A",
      here("./flood.ts"),
      "192.0.2.1",
      "20203",
      "3000",
    ]);
    await flood.waitFor(/connected 1000/, 30_000);
    await using client = startTtun(hosts.client, "client", "-s", SERVER);
    await client.waitFor(/authenticated/, 5000);
    await pingUntil(hosts.client, INNER.server4, 5000);
    assert.doesNotMatch(server.output, /internal/);
  });
}

for (const wire of ["v1", "v2"]) {
  test(`a second client is never told that it is connected while the first lives: ${wire}`, async () => {
    await using t = await openTunnel(["--wire", wire]);
    const second = await runTtun(t.client, ["client", "--wire", wire, "--once", "-s", SERVER]);
    assert.equal(second.code, EXIT_CODES.busy.code, second.stderr);
    assert.doesNotMatch(second.stderr, /authenticated/);
    if (wire === "v2") {
      assert.match(second.stderr, /another client is connected since \d\d:\d\d UTC/);
    }
    // By its own log: how long a busy machine takes to start it is no matter here.
    const times = second.stderr.match(/^[-\d]+T[\d:.]+Z/gm)!.map((time) => Date.parse(time));
    assert(times.length >= 2, second.stderr);
    assert(times.at(-1)! - times[0]! < (wire === "v1" ? 12_000 : 5_000), second.stderr);
    await t.serverProcess.waitFor(/client turned away/);
    assert.equal(await ping(t.client, INNER.server4), 3);
  });
}

test("a waiting client is let in at once when the first one leaves", async () => {
  await using t = await openTunnel(["--wire", "v1"]);
  await using second = startTtun(t.client, "client", "--wire", "v1", "--once", "-s", SERVER);
  await pause(2000);
  assert.doesNotMatch(second.output, /authenticated/);
  t.clientProcess.signal("SIGINT");
  await second.waitFor(/authenticated/, 3000);
});
