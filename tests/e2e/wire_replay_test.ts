import assert from "node:assert/strict";
import { test } from "../check.ts";
import { twoHosts } from "../netns.ts";
import { KEY, startServer } from "./tunnel.ts";

for (const [wire, again] of [["v2", 0], ["auto", 16]] as const) {
  test(`a recorded first flight opens nothing when it is sent again: --wire ${wire}`, async () => {
    await using hosts = await twoHosts();
    await using server = await startServer(hosts.server, "--wire", wire);
    const path = new URL("./replay.ts", import.meta.url).pathname;
    const { stdout, stderr } = await hosts.client.run(
      Deno.execPath(),
      ["run", "-A", path, "192.0.2.1", "20203", KEY],
      { timeoutMs: 45_000 },
    );
    assert.notEqual(stdout, "", stderr);
    const [first, second, third] = JSON.parse(stdout);
    assert(first.heard > 16, "the first one is answered: it is right");
    assert.deepEqual([second, third], [{ heard: again, end: "fin" }, { heard: again, end: "fin" }]);
    assert.equal(first.end, "fin");
    await server.waitFor(/its hello was seen before: a replay/);
  });
}
