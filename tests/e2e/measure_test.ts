import assert from "node:assert/strict";
import { test } from "../check.ts";
import { twoHosts } from "../netns.ts";
import { runTtun, SERVER, startServer } from "./tunnel.ts";

test("ttun ping and ttun speedtest measure the link with a server, with a device and without one", async () => {
  await using hosts = await twoHosts();
  const { server, client } = hosts;
  for (const more of [["--no-tun"], []]) {
    await using process = await startServer(server, ...more);
    const ping = await runTtun(client, ["ping", SERVER, "-c", "3", "-i", "20"]);
    assert.deepEqual([ping.code, ping.stderr], [0, ""]);
    const lines = ping.stdout.trim().split("\n");
    assert.equal(lines.length, 4, ping.stdout);
    lines.slice(0, 3).forEach((line, i) => {
      assert.match(line, new RegExp(`^seq=${i + 1} time=[0-9.]+ ms$`));
    });
    assert.match(lines[3]!, /^3 answered, min\/avg\/max [0-9.]+\/[0-9.]+\/[0-9.]+ ms$/);
    const speed = await runTtun(client, ["speedtest", "-s", SERVER, "-t", "1"]);
    assert.deepEqual([speed.code, speed.stderr], [0, ""]);
    const rates = /^download ([0-9]+) Mbit\/s, upload ([0-9]+) Mbit\/s\n$/.exec(speed.stdout);
    assert.ok(rates !== null && Number(rates[1]) > 0 && Number(rates[2]) > 0, speed.stdout);
    process.signal("SIGINT");
    assert.equal((await process.status).code, 0);
  }
  const nobody = await runTtun(client, ["ping", SERVER]);
  assert.deepEqual([nobody.code, nobody.stdout], [4, ""]);
  assert.match(nobody.stderr, /refused; is the server running\?/);
});
