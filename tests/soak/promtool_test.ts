/** Metrics as Prometheus' own tool judges them: Debian's package, unpacked and not installed. */
import assert from "node:assert/strict";
import { test } from "../check.ts";
import { outside } from "../e2e/binary.ts";
import { pingUntil, startTtun } from "../e2e/tunnel.ts";
import { type Host, type Process, twoHosts } from "../netns.ts";

const UNPACK = `
cd "$1"
apt-get -o APT::Sandbox::User=root download prometheus >/dev/null
dpkg -x prometheus_*.deb root`;

async function unpacked(folder: string): Promise<boolean> {
  try {
    await outside(UNPACK, [folder]);
    return true;
  } catch (error) {
    console.log(`Metrics are not checked by promtool: ${error}`);
    return false;
  }
}

/** Starts an end that serves metrics, and returns the words that have them checked. */
async function start(host: Host, promtool: string, ...args: string[]) {
  const process: Process = startTtun(host, ...args, "--no-warm-up", "--metrics", "0");
  const [, url] = await process.waitFor(/ metrics {2}url=(\S+)/, 20_000);
  const check = async () => {
    const text = await host.sh(`curl -sS ${url}`);
    const { code, stdout, stderr } = await host.run(promtool, ["check", "metrics"], {
      stdin: { text },
    });
    assert.deepEqual([code, stdout, stderr], [0, "", ""], text);
    return text;
  };
  return { check, [Symbol.asyncDispose]: () => process[Symbol.asyncDispose]() };
}

test("metrics: promtool has nothing against those of any end", async () => {
  const folder = await Deno.makeTempDir({ prefix: "ttun-test-" });
  try {
    if (!await unpacked(folder)) return;
    const promtool = `${folder}/root/usr/bin/promtool`;
    await using hosts = await twoHosts();
    await using server = await start(
      hosts.server,
      promtool,
      ...["server", "--pool", "10.9.0.0/24", "--permit-open", "127.0.0.0/8"],
    );
    await using client = await start(
      hosts.client,
      promtool,
      ...["client", "-s", "192.0.2.1", "--tun", "-L", "127.0.0.1:8080:127.0.0.1:9"],
    );
    await using proxyServer = await start(hosts.server, promtool, "proxy", "server");
    await using proxyClient = await start(
      hosts.client,
      promtool,
      ...["proxy", "client", "-s", "192.0.2.1"],
    );
    await pingUntil(hosts.client, "10.9.0.1", 20_000);
    for (const end of [server, client]) {
      const text = await end.check();
      assert.match(text, /^ttun_device_sent_bytes_total\{/m);
      assert.match(text, /^ttun_session_round_trip_seconds\{/m);
    }
    for (const end of [proxyServer, proxyClient]) {
      assert.match(await end.check(), /^ttun_connections_total /m);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
