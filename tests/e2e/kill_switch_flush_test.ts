import { deepEqual, equal } from "node:assert/strict";
import { test } from "../check.ts";
import { expectWeb, gatewayLab, reachesWeb, startGateway, stateOf } from "./gateway_lab.ts";
import { pause, startServer } from "./tunnel.ts";

const AGAIN = /another program took away or changed the kill switch: it is in force again/g;

test("--kill-switch: rules that another program flushes are put back at once", async () => {
  await using lab = await gatewayLab();
  const { client: host } = lab;
  await host.sh("echo 1 >/proc/sys/net/ipv4/conf/all/rp_filter");
  const before = await stateOf(host);
  const list = async () => sorted(await host.sh("nft list ruleset"));
  await using _server = await startServer(lab.server);
  for (const more of [[], ["--user", "nobody"]]) {
    await using client = startGateway(lab, "--default-route", "--kill-switch", ...more);
    await client.waitFor(/authenticated/);
    await expectWeb(host);
    const rules = await host.sh("nft list ruleset");
    const table = /table inet ttun_\d+_\d+/.exec(rules)![0];
    const flushes = ["flush ruleset", `flush ${table}`, `delete ${table}`];
    for (const flush of flushes) {
      const from = client.lineCount;
      await host.sh(`nft ${flush}`);
      await client.waitFor(AGAIN, 5000, from);
      // The marks of the server's answers come after it.
      for (let tries = 0; tries < 20 && await list() !== sorted(rules); tries++) await pause(50);
      equal(await list(), sorted(rules));
    }
    deepEqual(await reachesWeb(host, "-I", "eth0"), [false, false]);
    await expectWeb(host);
    // Changes of other tables are nothing to it.
    await host.sh("nft add table inet mine; nft delete table inet mine");
    client.signal("SIGTERM");
    equal((await client.status).code, 0);
    equal(client.output.match(AGAIN)!.length, flushes.length);
    equal(await stateOf(host), before);
  }
});

/** The lines of all tables, in whatever order these were made. */
function sorted(rules: string): string {
  return rules.split("\n").toSorted().join("\n");
}

test("--default-route: a setting that two ttuns need is put back by the last of them", async () => {
  await using lab = await gatewayLab();
  const { client: host } = lab;
  await host.sh("echo 1 >/proc/sys/net/ipv4/conf/all/rp_filter");
  const before = await stateOf(host);
  const read = () => host.sh("cat /proc/sys/net/ipv4/conf/all/src_valid_mark");
  await using first = startGateway(lab, "--default-route");
  await first.waitFor(/all traffic goes through the tunnel/);
  await using second = startGateway(
    lab,
    ...["--default-route", "--address", "10.2.1.2/30", "--address", "fc12::2/126"],
  );
  await second.waitFor(/all traffic goes through the tunnel/);
  first.signal("SIGTERM");
  await first.closed;
  equal(await read(), "1\n");
  second.signal("SIGTERM");
  await second.closed;
  equal(await read(), "0\n", first.output + second.output);
  equal(await stateOf(host), before);
});
