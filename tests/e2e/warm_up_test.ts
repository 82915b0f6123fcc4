import assert from "node:assert/strict";
import { test } from "../check.ts";
import { type Host, type Process, twoHosts } from "../netns.ts";
import { ENV, INNER, SERVER } from "./tunnel.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

/**
 * Nine and twelve so far: real sockets are dialled, accepted and asked about TCP by calls that the
 * warm-up does not make, and -v logs. The code that connections go through stays optimized.
 */
const MOST_OF_PROXY = { v1: 10, v2: 13 };

/** An end whose output tells of each deoptimization as it comes: V8 writes through stdio. */
function startTraced(host: Host, ...args: string[]): Process {
  const env = { ...ENV, DENO_V8_FLAGS: "--trace-deopt" };
  return host.spawn("stdbuf", ["-oL", Deno.execPath(), "run", "-A", MAIN, ...args, "-v"], { env });
}

async function pings(host: Host, count: number, seconds: number): Promise<void> {
  const said = await host.sh(`ping -q -c ${count} -i ${seconds} ${INNER.server4}`);
  assert.match(said, new RegExp(`${count} packets transmitted, ${count} received`));
}

test("after the warm-up of the tunnel nothing is deoptimized in the first pings", async () => {
  await using hosts = await twoHosts();
  await using server = startTraced(hosts.server, "server");
  await server.waitFor(/listening/);
  await using client = startTraced(hosts.client, "client", "-s", SERVER);
  await client.waitFor(/authenticated/);
  for (const end of [server, client]) await end.waitFor(/warmed up/);
  await pings(hosts.client, 2, 0.2); // what the kernel sends once a link is up is over
  const before = [server, client].map(({ output }) => output.length);
  await pings(hosts.client, 60, 0.02);
  const after = [server, client].map(({ output }, i) => output.slice(before[i]));
  assert(before.every((length) => length > 1000), "V8 told nothing of the warm-up's own");
  for (const text of after) assert.doesNotMatch(text, /deoptimizing/);
});

test("the warm-up counts nothing and sends nothing, and --no-warm-up leaves it out", async () => {
  await using hosts = await twoHosts();
  await using server = startTraced(hosts.server, "server");
  await server.waitFor(/warmed up/); // thousands of packets
  await using client = startTraced(hosts.client, "client", "-s", SERVER, "--no-warm-up");
  await client.waitFor(/authenticated/);
  await pings(hosts.client, 5, 0.2);
  Deno.kill(server.pid, "SIGUSR1");
  const [, sent, received] = /sent_packets=(\d+)[^]* received_packets=(\d+)/.exec(
    await waitForText(server, /sent_packets=.*/),
  )!;
  for (const count of [sent, received]) {
    assert(Number(count) >= 5 && Number(count) < 30, `${count} packets`); // and some of the kernel's
  }
  assert.doesNotMatch(client.output, /warmed up/);
});

for (const wire of ["v1", "v2"] as const) {
  test(`after the warm-up of the proxy next to nothing is deoptimized in the first connections: --wire ${wire}`, async () => {
    const both = ["--wire", wire];
    await using hosts = await twoHosts();
    await using web = hosts.server.spawn("python3", ["-m", "http.server", "80"], {});
    await using server = startTraced(
      hosts.server,
      "proxy",
      "server",
      ...both,
      "--allow",
      "192.0.2.0/24",
    );
    await server.waitFor(/listening/);
    await using client = startTraced(hosts.client, "proxy", "client", ...both, "-s", "192.0.2.1");
    for (const end of [server, client]) await end.waitFor(/warmed up/);
    await hosts.server.sh("until curl -sf -o /dev/null http://192.0.2.1/; do sleep 0.1; done");
    const load = (count: number) =>
      hosts.client.sh(
        `for i in $(seq ${count}); do curl -sf -o /dev/null -x socks5://127.0.0.1:1080 ` +
          "http://192.0.2.1/ || exit 1; done",
      );
    const before = [server, client].map(({ output }) => output.length);
    await load(40);
    for (const [i, { output }] of [server, client].entries()) {
      const count = output.slice(before[i]).match(/deoptimizing/g)?.length ?? 0;
      assert(count <= MOST_OF_PROXY[wire], `${count} deoptimizations: ${output.slice(before[i])}`);
    }
    assert.notEqual(web.pid, 0);
  });
}

async function waitForText(end: Process, pattern: RegExp): Promise<string> {
  await end.waitFor(pattern);
  return end.output;
}
