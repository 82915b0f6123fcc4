import assert from "node:assert/strict";
import { test } from "../check.ts";
import { twoHosts } from "../netns.ts";
import { slowLink } from "../networks.ts";
import { INNER, pause, startClient, startServer } from "./tunnel.ts";

/** Flows enough for a queue of seconds if nothing keeps it short. */
const FLOWS = 48;

for (const wire of ["v1", "v2"]) {
  test(`a ping stays quick while ${FLOWS} transfers fill a slow link: ${wire}`, async () => {
    await using hosts = await twoHosts();
    for (const host of [hosts.server, hosts.client]) {
      await slowLink(host, "veth0", 40);
    }
    await using server = await startServer(hosts.server, "--wire", wire);
    await using _client = await startClient(hosts.client, "--wire", wire);
    await using _listener = hosts.server.spawn("iperf3", ["-s", "-1", "--forceflush"]);
    await _listener.waitFor(/listening/i);
    const transfer = hosts.client.run(
      "iperf3",
      ["-c", INNER.server4, "-t", "7", "-P", `${FLOWS}`, "-J"],
      { timeoutMs: 60_000 },
    );
    await pause(2500);
    const args = ["-c", "60", "-i", "0.05", INNER.server4];
    const { stdout } = await hosts.client.run("ping", args, { timeoutMs: 60_000 });
    const times = [...stdout.matchAll(/time=([\d.]+) ms/g)].map(([, time]) => Number(time));
    const { end } = JSON.parse((await transfer).stdout);
    const mbits = end.sum_received.bits_per_second / 1e6;
    const middle = times.toSorted((a, b) => a - b)[times.length >> 1]!;
    // Some 20 ms are usual with the queue kept short, 150 to 1000 ms without.
    const found = `${middle} ms, ${times.length} of 60, ${mbits.toFixed(1)} Mbit/s`;
    assert(times.length >= 55 && middle < 100 && mbits > 25, found);
    assert.equal(server.output.match(/ authenticated /g)?.length, 1);
  });
}
