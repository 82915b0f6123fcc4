import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "../check.ts";
import { type Host, twoHosts } from "../netns.ts";
import {
  endWell,
  listensAt,
  PERMIT,
  portsOf,
  spawnTtun,
  startClient,
  ttunCommand,
  until,
} from "./forward_pair.ts";
import { makeFolder } from "./proxy_files.ts";
import { LOOPBACK, run } from "./proxy_pair.ts";
import { openThrough } from "./proxy_socks.ts";
import { serveWeb } from "./proxy_web.ts";

const ANN = "annsKeyAnnsKeyAnnsKey1";
const BOB = "bobsKeyBobsKeyBobsKey2";
const CAT = "catsKeyCatsKeyCatsKey3";

async function keyFile(path: string): Promise<void> {
  await Deno.writeTextFile(path, `# a key for each\nann:${ANN}\nbob:${BOB}\n`, { mode: 0o600 });
}

test("a server of forwards with a key for each client: their names are in the log and the status", async () => {
  await using web = serveWeb();
  await using folder = await makeFolder();
  await keyFile(`${folder.path}/keys`);
  await using stack = new AsyncDisposableStack();
  const server = stack.adopt(
    spawnTtun([
      ...[
        "server",
        "--no-tun",
        "-l",
        `${LOOPBACK}:0`,
        ...PERMIT,
        "--key-file",
        `${folder.path}/keys`,
      ],
      ...["--status-name", "named-keys"],
    ], { env: { TTUN_KEY: "" } }),
    endWell,
  );
  await server.waitFor(/ listening /);
  const at = listensAt(server);
  for (const [name, key] of [["bob", BOB], ["ann", ANN]] as const) {
    const args = ["-L", `0:${web.at}`, "-D", "0"];
    const client = stack.adopt(await startClient({ at, args, env: { TTUN_KEY: key } }), endWell);
    const [port, socks] = portsOf(client);
    const { stdout } = await run("curl", ["-sS", `http://${LOOPBACK}:${port}/hello`]);
    assert.equal(stdout, "hello\n");
    await server.waitFor(new RegExp(` authenticated .*user=${name}`));
    await server.waitFor(new RegExp(` connect .*user=${name} target=`));
    await assert.rejects(openThrough(socks!, 1)); // nothing listens there
  }
  const [command, args] = ttunCommand("status", "named-keys", "--json");
  const { sessions } = JSON.parse((await run(command, args)).stdout);
  assert.deepEqual(sessions.map(({ name }: { name: string }) => name), ["bob", "ann"]);
  const other = spawnTtun(["client", "-s", at, "-D", "0", "--once"], {
    env: { TTUN_KEY: "anotherKeyAnotherKey12" },
  });
  await using _other = other;
  await server.waitFor(/handshake rejected/, 20_000);
  assert(!server.output.includes(ANN) && !server.output.includes(BOB), "a key is in the log");
});

test("a server with a device and a key for each client: the key's name counts, whatever a client calls itself", async () => {
  await using hosts = await twoHosts();
  await using folder = await makeFolder();
  await keyFile(`${folder.path}/keys`);
  const start = (host: typeof hosts.server, args: string[], key: string) => {
    const [command, all] = ttunCommand(...args, "-v", "--no-warm-up");
    return host.spawn(command, all, { env: { TTUN_KEY: key, NO_COLOR: "1" } });
  };
  await using server = start(hosts.server, [
    ...["server", "--key-file", `${folder.path}/keys`, "--pool", "10.88.0.0/24"],
  ], "");
  await server.waitFor(/ listening /);
  await using client = start(hosts.client, ["client", "-s", "192.0.2.1", "--name", "bob"], ANN);
  await server.waitFor(/ authenticated .*name=ann/);
  await client.waitFor(/ authenticated /);
  const said = await hosts.client.sh("ping -q -c 2 -i 0.2 10.88.0.1");
  assert.match(said, /2 packets transmitted, 2 received/);
  await Deno.writeTextFile(`${folder.path}/keys`, `bob:${BOB}\ncat:${CAT}\n`);
  server.signal("SIGHUP");
  await server.waitFor(/ disconnected .*why="The key of ann has been taken back"/, 2000);
});

test("SIGHUP reads the key file again: a key that is gone loses its session at once, a new one gets in, others go on", async () => {
  await using web = serveWeb();
  await using folder = await makeFolder();
  const file = `${folder.path}/keys`;
  await keyFile(file);
  await using stack = new AsyncDisposableStack();
  const args = ["server", "--no-tun", "-l", `${LOOPBACK}:0`, ...PERMIT, "--key-file", file];
  const env = { TTUN_KEY: "" };
  const server = stack.use(spawnTtun(args, { env })); // its log has an error
  await server.waitFor(/ listening /);
  const at = listensAt(server);
  const start = async (key: string) =>
    stack.adopt(
      await startClient({ at, args: ["-L", `0:${web.at}`], env: { TTUN_KEY: key } }),
      endWell,
    );
  const [ann, bob] = [await start(ANN), await start(BOB)];
  const page = async (client: typeof ann) =>
    (await run("curl", ["-sS", "-m", "5", `http://${LOOPBACK}:${portsOf(client)[0]}/hello`]))
      .stdout;
  assert.deepEqual([await page(ann), await page(bob)], ["hello\n", "hello\n"]);

  await Deno.writeTextFile(file, `cat:${CAT}\nbob:${BOB}\n`);
  server.signal("SIGHUP");
  await server.waitFor(/ keys +names="cat bob"/);
  await server.waitFor(/ session ended .*why="The key of ann has been taken back"/, 2000);
  await server.waitFor(/handshake rejected/, 20_000); // it comes again, and is a stranger
  assert.equal(await page(bob), "hello\n");
  assert.equal(await page(await start(CAT)), "hello\n");
  assert.doesNotMatch(server.output, / session ended .*bob/);

  await Deno.writeTextFile(file, "cat\n:\n");
  server.signal("SIGHUP");
  await server.waitFor(/Cannot reload: Cannot use line 1 of the key file/);
  assert.equal(await page(bob), "hello\n");
});

test("a key's client has its address and its networks, and other addresses from the next session on", async () => {
  await using hosts = await twoHosts();
  await using folder = await makeFolder();
  const file = `${folder.path}/keys`;
  const write = (address: string) =>
    Deno.writeTextFile(
      file,
      `# keys\nann:${ANN} address=${address} network=10.77.0.0/24\nbob:${BOB}\n`,
      { mode: 0o600 },
    );
  await write("10.88.0.77");
  const start = (host: typeof hosts.server, args: string[], key: string) => {
    const [command, all] = ttunCommand(...args, "-v", "--no-warm-up");
    const env = { TTUN_KEY: key, NO_COLOR: "1", STATE_DIRECTORY: folder.path };
    return host.spawn(command, all, { env });
  };
  await using server = start(hosts.server, [
    ...["server", "--key-file", file, "--pool", "10.88.0.0/24"],
  ], "");
  await server.waitFor(/ listening /);
  await hosts.client.sh("ip address add 10.77.0.1/24 dev lo");
  for (const address of ["10.88.0.77", "10.88.0.78"]) {
    await using client = start(hosts.client, ["client", "-s", "192.0.2.1"], ANN);
    await client.waitFor(/ authenticated /, 20_000);
    await hosts.server.sh(`ping -q -c 2 -i 0.2 ${address} && ping -q -c 2 -i 0.2 10.77.0.1`);
    if (address === "10.88.0.78") break;
    await write("10.88.0.78");
    const lines = server.lineCount;
    server.signal("SIGHUP");
    await server.waitFor(/ reloaded /, 10_000, lines);
    await hosts.server.sh(`ping -q -c 2 -i 0.2 ${address}`);
    await write("10.99.0.1");
    server.signal("SIGHUP");
    await server.waitFor(/Cannot reload: .*10\.99\.0\.1 of ann is in no --pool/);
  }
});

async function untilPrinted(host: Host, script: string, isSo: (text: string) => boolean) {
  let text = "";
  for (const end = Date.now() + 10_000; Date.now() < end;) {
    text = await host.sh(script);
    if (isSo(text)) return;
    await new Promise((wake) => setTimeout(wake, 50));
  }
  throw new Error(`${script} prints:\n${text}`);
}

test("networks of keys follow their file at once, with routes and NAT, while sessions go on", async () => {
  await using hosts = await twoHosts();
  await using folder = await makeFolder();
  const file = `${folder.path}/keys`;
  const write = (network: string) =>
    Deno.writeTextFile(file, `ann:${ANN}${network}\nbob:${BOB}\n`, { mode: 0o600 });
  await write(" network=10.77.0.0/24");
  const env = (key: string) => ({
    env: { TTUN_KEY: key, NO_COLOR: "1", STATE_DIRECTORY: folder.path },
  });
  const [program, serverArgs] = ttunCommand(
    ...["server", "-v", "--no-warm-up", "--key-file", file, "--pool", "10.88.0.0/24"],
    ...["--nat", "veth0", "--route", "10.79.0.0/24"],
  );
  await using server = hosts.server.spawn(program, serverArgs, env(""));
  await server.waitFor(/ listening /);
  await hosts.client.sh("ip address add 10.77.0.1/24 dev lo; ip address add 10.78.0.1/24 dev lo");
  const [, clientArgs] = ttunCommand("client", "-v", "--no-warm-up", "-s", "192.0.2.1");
  await using client = hosts.client.spawn(program, clientArgs, env(ANN));
  await client.waitFor(/ authenticated /, 20_000);
  await hosts.server.sh("ping -q -c 2 -i 0.2 10.77.0.1");
  const changes = [["10.78.0.0/24", "10.77.0.0/24"], ["fd77::/64", "10.78.0.0/24"]] as const;
  for (const [network, other] of changes) {
    await write(` network=${network} network=10.79.0.0/24`);
    const from = server.lineCount;
    server.signal("SIGHUP");
    await server.waitFor(/ reloaded /, 10_000, from);
    await server.waitFor(/ networks behind clients /, 10_000, from);
    await untilPrinted(
      hosts.server,
      "ip route; ip -6 route",
      (text) =>
        text.includes(network) && !text.includes(other) && /10\.79\.0\.0\/24 dev ttun/.test(text),
    );
    await untilPrinted(
      hosts.server,
      "nft list ruleset",
      (text) => text.includes(network) && !text.includes(other),
    );
    if (network.startsWith("10.")) await hosts.server.sh("ping -q -c 2 -i 0.2 10.78.0.1");
  }
  await write("");
  server.signal("SIGHUP");
  await untilPrinted(hosts.server, "ip -6 route", (text) => !text.includes("fd77::"));
  assert.match(await hosts.server.sh("ip route"), /10\.79\.0\.0\/24 dev ttun/);
  assert.doesNotMatch(server.output, /disconnected|put back/);
});

test("secrets of keys are worked out once, and those used last come first after a restart", async () => {
  await using folder = await makeFolder();
  const file = `${folder.path}/keys`;
  await keyFile(file);
  const env = { TTUN_KEY: "", STATE_DIRECTORY: `${folder.path}/state` };
  const begin = async () => {
    const args = ["server", "--no-tun", "-l", `${LOOPBACK}:0`, "--key-file", file];
    const server = spawnTtun(args, { env });
    await server.waitFor(/ listening /);
    return server;
  };
  const kept = `${folder.path}/state/key-secrets`;
  const lines = () => Deno.readTextFileSync(kept).trimEnd().split("\n").slice(2);
  const serve = async (key: string) => {
    await using server = await begin();
    const client = await startClient({
      at: listensAt(server),
      args: ["-D", "0"],
      env: { TTUN_KEY: key },
    });
    await endWell(client);
    await endWell(server);
    return lines().map((line) => line.split(" "));
  };
  const first = await begin();
  await until(() => existsSync(kept) && lines().length === 2, () => first.output, 20_000);
  await endWell(first);
  assert.equal(Deno.statSync(kept).mode! & 0o777, 0o600);
  assert(!Deno.readTextFileSync(kept).includes(BOB));
  const secrets = lines().map((line) => line.split(" ")[1]).sort();
  const [anns, bobs] = await serve(ANN);
  const after = await serve(BOB);
  assert.deepEqual(after.map(([hash]) => hash), [bobs![0], anns![0]]);
  assert.deepEqual(after.map(([, secret]) => secret).sort(), secrets);
});
