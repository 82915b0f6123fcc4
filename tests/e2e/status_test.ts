import assert from "node:assert/strict";
import { test } from "../check.ts";
import { twoHosts } from "../netns.ts";
import type { Process } from "../process.ts";
import { openForwards, PERMIT } from "./forward_pair.ts";
import { makeFolder } from "./proxy_files.ts";
import { ENV, LOOPBACK, openPair, run, spawnHere } from "./proxy_pair.ts";
import { openThrough } from "./proxy_socks.ts";
import { ENV as TUNNEL_ENV, ping, SERVER, startServer, ttunCommand } from "./tunnel.ts";
import { hashOfBulk, serveWeb } from "./proxy_web.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const MB = 1024 * 1024;
const FOLDER = "/run/ttun";

/** Runs `ttun status` as root. */
async function status(...args: string[]) {
  const [command, rest] = ttunCommand("status", ...args);
  return await run(command, rest);
}

// deno-lint-ignore no-explicit-any -- what came out of JSON.parse
async function report(name: string, ...args: string[]): Promise<any> {
  const { code, stdout, stderr } = await status(name, "--json", ...args);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

/** Names that no other test has: all programs of root share one folder. */
function names(): { server: string; client: string } {
  const id = crypto.randomUUID().slice(0, 8);
  return { server: `test-server-${id}`, client: `test-client-${id}` };
}

function isThere(path: string): boolean {
  try {
    return Deno.lstatSync(path).isSocket === true;
  } catch {
    return false;
  }
}

for (const io of ["ffi", "deno"]) {
  test(`status: forwards, sessions and rates of both ends without a device: --io ${io}`, async () => {
    const { server, client } = names();
    await using web = serveWeb();
    await using pair = await openForwards({
      both: ["--io", io],
      server: [...PERMIT, "--status-name", server],
      client: ["-L", `0:${web.at}`, "-D", "0", "--status-name", client],
    });
    assert.equal(Deno.lstatSync(FOLDER).mode! & 0o777, 0o700);
    assert.equal(Deno.lstatSync(`${FOLDER}/${client}.sock`).mode! & 0o777, 0o600);
    const url = `http://${LOOPBACK}:${pair.ports[0]}/bulk/${5 * MB}`;
    const { stdout } = await run("sh", ["-c", `curl -sS ${url} | sha256sum`]);
    assert.equal(stdout, `${hashOfBulk(5 * MB)}  -\n`);
    const [atServer, atClient] = await Promise.all([report(server), report(client)]);
    assert.deepEqual(
      [atServer.version, atServer.command, atServer.pid, atServer.name],
      [1, "server", pair.server.pid, server],
    );
    assert.deepEqual([atClient.command, atClient.pid], ["client", pair.client.pid]);
    assert.deepEqual(atClient.connections, { open: 0, served: 1 });
    assert.deepEqual(atClient.forwards.map((one: { kind: string }) => one.kind), [
      "local",
      "dynamic",
    ]);
    const [[sent], [received]] = [atServer.sessions, atClient.sessions];
    assert(sent.sentBytes > 5 * MB && sent.sentBytes === received.receivedBytes);
    assert.equal(sent.carriers[0].number, 1);
    assert(received.carriers[0].rttMs > 0, JSON.stringify(received));
    const text = (await status(client)).stdout;
    assert.match(text, new RegExp(`^${client}: ttun client, process ${pair.client.pid}, up `));
    assert.match(text, /^ {2}forward .* to SOCKS and HTTP$/m);
    assert.match(text, /^ {4}received +5\.\d MB, /m);
    using _idle = await openThrough(pair.ports[1]!, web.port);
    const streams = await Promise.all([server, client].map((name) => report(name, "--streams")));
    for (const { sessions: [{ streamList, unlistedStreams }] } of streams) {
      assert.equal(unlistedStreams, 0);
      assert.equal(streamList.length, 1);
      const [{ kind, target, seconds, idleSeconds }] = streamList;
      assert.deepEqual([kind, target], ["connect", web.at]);
      assert(seconds > 0 && idleSeconds > 0 && idleSeconds <= seconds, JSON.stringify(streamList));
    }
    assert.match((await status(client, "--streams")).stdout, /^ {4}stream \d+ +connect 127/m);
    const [end, session] = (await status(client, "--dump")).stdout.trimEnd().split("\n");
    const { peer } = received.carriers[0];
    assert.equal(end!.split("\t").slice(0, 4).join(), `${client},end,client,${pair.client.pid}`);
    assert.equal(session!.split("\t").slice(0, 5).join(), `${client},session,1,${peer},v2`);
    const list = (await status()).stdout;
    for (const name of [server, client]) assert.match(list, new RegExp(`^${name}  `, "m"));
    pair.server.signal("SIGTERM");
    assert.equal((await pair.server.status).code, 0);
    assert(!isThere(`${FOLDER}/${server}.sock`));
    const { code, stderr } = await status(server);
    assert.equal(code, 4);
    assert.match(stderr, new RegExp(`No ttun of the name ${server} runs here`));
  });
}

test("status: a proxy's ends tell the bytes of their connections, and rates", async () => {
  const { server, client } = names();
  await using web = serveWeb();
  await using pair = await openPair({
    server: ["--allow", "127.0.0.0/8", "--status-name", server],
    client: ["--status-name", client],
  });
  const proxies = ["socks5h", "http"].map((way) => `${way}://${LOOPBACK}:${pair.port}`);
  for (const proxy of proxies) {
    const args = ["-sS", "-x", proxy, "-o", "/dev/null", `http://${web.at}/bulk/${5 * MB}`];
    const { code, stderr } = await run("curl", args);
    assert.equal(code, 0, stderr);
  }
  const [atServer, atClient] = await Promise.all([report(server), report(client)]);
  const { sentBytes, receivedBytes } = atServer.connections;
  assert(sentBytes > 10 * MB && sentBytes < 10.1 * MB, `${sentBytes}`);
  assert(receivedBytes > 100 && receivedBytes < 10_000, `${receivedBytes}`);
  for (const [one, other] of [["sentBytes", "receivedBytes"], ["receivedBytes", "sentBytes"]]) {
    const difference = atServer.connections[one!] - atClient.connections[other!];
    assert(Math.abs(difference) < 2000, `${one}: ${difference}`); // heads of HTTP are written anew
  }
  const ports = atServer.hopPorts.filter(({ state }: { state: string }) => state === "open");
  assert(ports.length > 0, JSON.stringify(atServer.hopPorts));
  for (const { until } of ports) assert(until % 60 === 0 && until * 1000 > Date.now() - 60_000);
  assert.match((await status(server)).stdout, /^ {2}ports {8}\d+ until \d\d:\d\d UTC/m);
  using _idle = await openThrough(pair.port, web.port);
  const [{ streamList: [stream] }] = (await report(server, "--streams")).sessions;
  assert.deepEqual([stream.kind, stream.isOwn], ["connect", false]);
  assert.deepEqual(atClient.rates, { sentBytesPerSecond: 0, receivedBytesPerSecond: 0 });
  assert.match((await status(client)).stdout, /^ {2}received +10\.5 MB, 0 B\/s$/m);
});

test("status: a tunnel's ends tell their device, and the server its clients", async () => {
  const { server, client } = names();
  await using hosts = await twoHosts();
  await using first = await startServer(
    hosts.server,
    ...["--pool", "10.5.0.0/24", "--status-name", server, "--user", "nobody"],
    ...["--route", "10.78.0.0/16", "--push-route", "10.77.0.0/16"],
  );
  await using state = await makeFolder();
  const options = ["--name", "laptop", "--status-name", client, "--accept-routes"];
  const [command, args] = ttunCommand("client", "--no-warm-up", "-s", SERVER, ...options);
  // A client that is known by what it keeps: the server has its addresses for it when it is away.
  await using laptop = hosts.client.spawn(command, args, {
    env: { ...TUNNEL_ENV, STATE_DIRECTORY: state.path },
  });
  await laptop.waitFor(/authenticated/);
  assert.equal(await ping(hosts.server, "10.5.0.2"), 3);
  const [atServer, atClient] = await Promise.all([report(server), report(client)]);
  assert.deepEqual(atServer.device.addresses, ["10.5.0.1/24"]);
  assert.deepEqual(atClient.device.addresses, ["10.5.0.2/24"]);
  assert(atClient.device.receivedPackets >= 3);
  const [{ name, addresses, wire, carriers }] = atServer.sessions;
  assert.deepEqual([name, addresses, wire], ["laptop", ["10.5.0.2/24"], "v2"]);
  assert.equal(carriers.length, 1);
  assert(atServer.sessions[0].sentBytes > 0);
  assert(atServer.sessions[0].idleSeconds < 60);
  assert.match(atServer.sessions[0].cipher, /^(aes-256-gcm|chacha20-poly1305)$/);
  assert.deepEqual([atServer.transports, atServer.absentClients], [["tcp"], []]);
  assert.deepEqual(atServer.routes, [{ to: "10.78.0.0/16", by: "option" }]);
  assert.deepEqual(atClient.routes, [{ to: "10.77.0.0/16", by: "server" }]);
  laptop.signal("SIGTERM");
  assert.equal((await laptop.status).code, 0);
  const [{ name: absent, addresses: kept }] = (await report(server)).absentClients;
  assert.deepEqual([absent, kept], ["laptop", ["10.5.0.2/24"]]);
  // After --user the file cannot be removed; the next program of the name does it.
  first.signal("SIGTERM");
  assert.equal((await first.status).code, 0);
  assert.doesNotMatch(first.output, /warn.*socket/);
  assert(isThere(`${FOLDER}/${server}.sock`));
  await using second = await startServer(hosts.server, "--status-name", server);
  assert.equal((await report(server)).pid, second.pid);
});

test("status: a killed program's socket is replaced; a name in use, and --no-status, do not stop a start", async () => {
  const { server } = names();
  await using hosts = await twoHosts();
  const path = `${FOLDER}/${server}.sock`;
  const start = (port: number, ...args: string[]) =>
    startServer(hosts.server, "--no-tun", "-l", `127.0.0.1:${port}`, ...args);
  await using killed = await start(1, "--status-name", server);
  killed.signal("SIGKILL");
  await killed.status;
  assert(isThere(path));
  await using first = await start(2, "--status-name", server);
  assert.equal((await report(server)).pid, first.pid);
  await using second = await start(3, "--status-name", server);
  assert.match(second.output, /info +no status socket .*there is a file already/);
  assert.equal((await report(server)).pid, first.pid);
  await using silent = await start(4, "--no-status");
  const { stdout } = await status("--json");
  assert.doesNotMatch(stdout, new RegExp(`"pid":${silent.pid},`));
  first.signal("SIGTERM");
  await first.status;
  assert(!isThere(path));
});

test("status: users have folders of their own; the only program needs no name", async () => {
  await using folder = await makeFolder();
  const env = { ...ENV, XDG_RUNTIME_DIR: folder.path, HOME: folder.path };
  const asUser = (command: string, args: string[]) =>
    spawnHere("unshare", ["--map-user=1000", "--map-group=1000", command, ...args], {
      env: { ...env, DENO_DIR: Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno` },
    });
  const tell = async (...args: string[]) => {
    await using process = asUser(...ttunCommand("status", ...args));
    const { code } = await process.status;
    await process.closed;
    return { code, stdout: process.stdout, stderr: process.stderr };
  };
  const none = await tell();
  assert.equal(none.code, 4, none.stderr);
  assert.match(none.stderr, /No ttun runs here/);
  const start = async (...args: string[]): Promise<Process> => {
    const process = asUser(...ttunCommand(...args));
    await process.waitFor(/listening/);
    return process;
  };
  await using proxy = await start("proxy", "client", "-s", LOOPBACK, "-l", "0", "--no-warm-up");
  const [{ name }] = [...Deno.readDirSync(`${folder.path}/ttun`)] as [Deno.DirEntry];
  assert.match(name, /^proxy-client-\d+\.sock$/);
  assert.match((await tell()).stdout, /^proxy-client-\d+: ttun proxy client, .*\n {2}server /);
  // Without a folder of the session.
  Deno.mkdirSync(`${folder.path}/.local`, { recursive: true });
  env.XDG_RUNTIME_DIR = "";
  await using server = await start("server", "--no-tun", "-l", "127.0.0.1:0");
  assert.match((await tell()).stdout, /^server-\d+: /);
  env.XDG_RUNTIME_DIR = folder.path;
  const lines = (await tell()).stdout.trim().split("\n");
  assert.deepEqual(lines.map((line) => line.split("  ")[1]), ["proxy client", "server"]);
  for (const process of [proxy, server]) process.signal("SIGTERM");
});

test("status: a folder that cannot be made stops no program", async () => {
  await using folder = await makeFolder();
  const env = { ...ENV, XDG_RUNTIME_DIR: "/dev/null", HOME: folder.path };
  const [command, args] = ttunCommand("server", "-v", "--no-tun", "-l", "127.0.0.1:0");
  const mapped = ["--map-user=1000", "--map-group=1000", command, ...args];
  await using server = spawnHere("unshare", mapped, {
    env: { ...env, DENO_DIR: Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno` },
  });
  await server.waitFor(/listening/);
  assert.match(server.output, /debug +no status socket/);
});

test("status: --watch prints again and again, and ends with Ctrl-C", async () => {
  const { server } = names();
  await using hosts = await twoHosts();
  await using _server = await startServer(hosts.server, "--no-tun", "--status-name", server);
  const [command, args] = ttunCommand("status", server, "--watch", "--json");
  await using watching = spawnHere(command, args);
  await watching.waitFor(/\n.*\n/s);
  watching.signal("SIGINT");
  assert.equal((await watching.status).code, 0);
  const [first, second] = watching.stdout.split("\n").map((line) => JSON.parse(line || "{}"));
  assert(second.seconds > first.seconds);
  assert(!watching.output.includes("\x1b"));
});

test("status: the permission sets of deno.json are enough", async () => {
  const { server } = names();
  const deno = (set: string, ...args: string[]) =>
    [Deno.execPath(), ["run", `-P=${set}`, MAIN, ...args]] as [string, string[]];
  const end = ["server", "--no-tun", "-l", "127.0.0.1:0", "--status-name", server];
  await using program = spawnHere(...deno("server", ...end), { env: ENV });
  await program.waitFor(/listening/);
  const { code, stdout, stderr } = await run(...deno("status", "status", server));
  assert.equal(code, 0, stderr);
  assert.match(stdout, new RegExp(`^${server}: ttun server, `));
});

test("forward: a client's forwards are added, listed and removed while it runs", async () => {
  const { client } = names();
  await using web = serveWeb();
  await using folder = await makeFolder();
  await using _pair = await openForwards({
    server: [...PERMIT, "--permit-listen", "0"],
    client: ["-N", "--status-name", client],
  });
  const forward = async (...args: string[]) =>
    await run(...ttunCommand("forward", ...args, "--name", client));
  assert.deepEqual((await forward("list")).stdout, "");
  const none = await run(...ttunCommand("forward", "list", `${client}-other`));
  assert.equal(none.code, 4);
  assert.match(none.stderr, /^ttun: No ttun client of the name .*-other runs here/);
  const path = `${folder.path}/here`;
  const added = await forward("add", "-L", `0:${web.at}`, "-L", `${path}:${web.at}`, "-D", "0");
  assert.equal(added.code, 0, added.stderr);
  const [local, unix, dynamic] = added.stdout.split("\n");
  const portIn = (text: string | undefined) => /^127\.0\.0\.1:(\d+)/.exec(text ?? "")![1]!;
  assert.equal(unix, `${path} to ${web.at}`);
  assert.match(dynamic!, / to SOCKS and HTTP$/);
  const ways = [
    [`http://${LOOPBACK}:${portIn(local)}/hello`],
    ["--unix-socket", path, "http://x/hello"],
    ["-x", `socks5h://${LOOPBACK}:${portIn(dynamic)}`, `http://${web.at}/hello`],
  ];
  for (const way of ways) {
    const { stdout, stderr } = await run("curl", ["-sS", "--max-time", "10", ...way]);
    assert.equal(stdout, "hello\n", stderr);
  }
  const taken = await forward("add", "-L", `${LOOPBACK}:${portIn(local)}:db:1`);
  assert.deepEqual([taken.code, taken.stdout], [2, ""]);
  assert.match(taken.stderr, /^ttun: Cannot listen on /);
  const left = await forward("remove", portIn(local));
  assert.equal(left.stdout, `${unix}\n${dynamic}\n`, left.stderr);
  assert.equal((await run("curl", ["-sS", ...ways[0]!])).code, 7);
  assert.equal((await forward("remove", path)).stdout, `${dynamic}\n`);
  assert(!isThere(path));
  const udp = (await forward("add", "-L", `${LOOPBACK}:0:db:53/udp`)).stdout.split("\n")[1]!;
  assert.match(udp, /^127\.0\.0\.1:\d+ to db:53\/udp$/);
  const at = udp.split(" ")[0]!;
  assert.match((await forward("remove", at)).stderr, /There is no forward that listens on/);
  assert.equal((await forward("remove", `${at}/udp`)).stdout, `${dynamic}\n`);
  assert.match((await forward("remove", "1")).stderr, /There is no forward that listens on/);
  const remote = await forward("add", "-R", `0:localhost:${web.port}`);
  const [, at2] = /^server's (127\.0\.0\.1:\d+) to localhost:\d+$/m.exec(remote.stdout) ?? [];
  assert(at2 !== undefined, `${remote.stdout}${remote.stderr}`);
  const answer = await run("curl", ["-sS", "--max-time", "10", `http://${at2}/hello`]);
  assert.equal(answer.stdout, "hello\n", answer.stderr);
  const refused = await forward("add", "-R", `9:${web.at}`);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /Cannot forward localhost:9 of the server: .*--permit-listen 9$/m);
  assert.equal((await forward("remove", at2, "-R")).stdout, `${dynamic}\n`);
  assert.equal((await run("curl", ["-sS", `http://${at2}/`])).code, 7);
});
