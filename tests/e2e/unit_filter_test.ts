import assert from "node:assert/strict";
import { missing } from "../../release/here.ts";
import { test } from "../check.ts";
import { type Host, type Process, twoHosts } from "../netns.ts";
import { builtBinary } from "./binary.ts";
import { ENV, INNER, ping, SERVER } from "./tunnel.ts";

const TOOL = new URL("../tools/under_filter.ts", import.meta.url).pathname;
const UNITS = new URL("../../release/systemd/", import.meta.url).pathname;
const ignore = missing("systemd-analyze", "the executable under the units' filters") !== null;

/** The executable under the filter of a unit. */
async function start(host: Host, unit: string, ...args: string[]): Promise<Process> {
  const { file } = await builtBinary();
  const command = ["run", "-A", TOOL, `${UNITS}${unit}.service`, file, ...args];
  return host.spawn(Deno.execPath(), command, { env: ENV });
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
