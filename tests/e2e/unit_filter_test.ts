import assert from "node:assert/strict";
import { missing } from "../../release/here.ts";
import { test } from "../check.ts";
import { type Host, type Process, twoHosts } from "../netns.ts";
import { builtBinary } from "./binary.ts";
import { ENV, INNER, ping, SERVER } from "./tunnel.ts";

const TOOL = new URL("../tools/under_filter.ts", import.meta.url).pathname;
const UNITS = new URL("../../release/systemd/", import.meta.url).pathname;
const ignore = missing("systemd-analyze", "the executable under the units' filters") !== null;

/** A user without a name, as units have one. */
const USER = 64_124;

/** The executable under the filter of a unit. */
async function start(host: Host, unit: string, ...args: string[]): Promise<Process> {
  const { file } = await builtBinary();
  const command = ["run", "-A", TOOL, `${UNITS}${unit}.service`, file, ...args];
  return host.spawn(Deno.execPath(), command, { env: ENV });
}

/** The executable with the unit's only right too. `folder`: the unit's in /run. */
async function startAsUser(
  host: Host,
  folder: string,
  unit: string,
  ...args: string[]
): Promise<Process> {
  const { file } = await builtBinary();
  // The folder that it is built in is its owner's alone.
  const script = `
    mount -t tmpfs -o mode=755 tmpfs /run
    install -d -m 700 -o ${USER} ${folder}
    install -m 755 "$0" /run/ttun-file
    mount -t tmpfs -o mode=755 tmpfs /dev/net
    mknod -m 666 /dev/net/tun c 10 200
    exec "$@"`;
  const tool = ["run", "-A", TOOL, "--user", `${USER}`, `${UNITS}${unit}.service`];
  const words = [Deno.execPath(), ...tool, "/run/ttun-file", ...args];
  return host.spawn("unshare", ["-m", "sh", "-euc", script, file, ...words], {
    env: { ...ENV, RUNTIME_DIRECTORY: folder },
  });
}

async function expectFiltered(host: Host, process: Process): Promise<void> {
  const tasks = `cat /proc/${process.pid}/task/*/status`;
  assert.doesNotMatch(await host.sh(tasks), /^Seccomp:\s*[01]$/m);
}

async function expectEnd(process: Process): Promise<void> {
  process.signal("SIGINT");
  assert.equal((await process.status).code, 0, process.output);
}

test({
  name: "units: a tunnel, its hooks and its end need no system call that they forbid",
  ignore,
  fn: async () => {
    await using hosts = await twoHosts();
    await using server = await start(hosts.server, "ttun-server", "server", "--up", "ip link");
    await server.waitFor(/listening/);
    await using client = await start(hosts.client, "ttun-client@", "client", "-s", SERVER);
    await client.waitFor(/authenticated/);
    for (const [host, process] of [[hosts.server, server], [hosts.client, client]] as const) {
      await expectFiltered(host, process);
    }
    assert.equal(await ping(hosts.client, INNER.server4), 3);
    assert.match(server.output, /ttun0/, "what --up says");
    await expectEnd(client);
    await expectEnd(server);
  },
});

test({
  name: "units: the user without a name takes back what it has changed",
  ignore,
  fn: async () => {
    await using hosts = await twoHosts();
    const tables = (host: Host) => host.sh("nft list tables");
    const folder = "/run/ttun-test";
    const nat = ["server", "--nat", "veth0", "--no-warm-up"];
    await hosts.server.sh("sysctl -qw net.ipv4.ip_forward=0");
    await using server = await startAsUser(hosts.server, folder, "ttun-server", ...nat);
    await server.waitFor(/listening/);
    const wish = ["client", "-s", SERVER, "--default-route", "--kill-switch", "--no-warm-up"];
    await using client = await startAsUser(hosts.client, folder, "ttun-client@", ...wish);
    await client.waitFor(/authenticated/);
    // The server last: a client that has lost it says that it cannot connect.
    for (const [host, process] of [[hosts.client, client], [hosts.server, server]] as const) {
      await expectFiltered(host, process);
      assert.match(await tables(host), /ttun/);
      await expectEnd(process);
      assert.equal(await tables(host), "", process.output);
      assert.doesNotMatch(process.output, /Cannot|EPERM/);
    }
    assert.equal(await hosts.server.sh("cat /proc/sys/net/ipv4/ip_forward"), "0\n");
  },
});

test({
  name: "units: a proxy needs no system call that they forbid",
  ignore,
  fn: async () => {
    await using hosts = await twoHosts();
    const options = ["proxy", "server", "-l", "192.0.2.1", "--allow", "192.0.2.1/32"];
    await using server = await start(hosts.server, "ttun-proxy-server", ...options);
    await server.waitFor(/ports/);
    await using client = await start(
      hosts.client,
      "ttun-proxy-client@",
      ...["proxy", "client", "-s", "192.0.2.1"],
    );
    await client.waitFor(/listening/);
    for (const [host, process] of [[hosts.server, server], [hosts.client, client]] as const) {
      await expectFiltered(host, process);
    }
    const page = ["-sS", "-m", "10", "-x", "http://127.0.0.1:1080", "http://192.0.2.1:8080/"];
    const serve = 'Deno.serve({ port: 8080 }, () => new Response("all the way"))';
    await using web = hosts.server.spawn(Deno.execPath(), ["eval", serve]);
    await web.waitFor(/Listening/);
    assert.equal((await hosts.client.run("curl", page)).stdout, "all the way");
    await expectEnd(client);
    await expectEnd(server);
  },
});
