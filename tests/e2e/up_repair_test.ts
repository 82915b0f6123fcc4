/** `ttun down` after a process was killed that had changed the machine. */
import assert from "node:assert/strict";
import { test } from "../check.ts";
import { twoHosts } from "../netns.ts";
import { until } from "./forward_pair.ts";
import { runTtun, SERVER, startServer } from "./tunnel.ts";

test("down: ends nothing that was killed, but takes away what it has left, the kill switch too", async () => {
  await using hosts = await twoHosts();
  await using _server = await startServer(hosts.server);
  const folder = await Deno.makeTempDir({ prefix: "ttun-test-" });
  const name = `test-up-${crypto.randomUUID().slice(0, 8)}`;
  const file = `${folder}/${name}.toml`;
  try {
    await Deno.writeTextFile(
      file,
      [
        "[client]",
        `server = "${SERVER}"`,
        "no-warm-up = true",
        "kill-switch = true",
        "default-route = true",
        `log-file = "${folder}/log"`,
      ].join("\n"),
      { mode: 0o600 },
    );
    const before = await hosts.client.sh("nft list ruleset; ip rule");
    const up = await runTtun(hosts.client, ["up", file]);
    assert.equal(up.code, 0, up.stderr);
    const pid = Number(/\(process (\d+)/.exec(up.stdout)![1]);
    Deno.kill(pid, "SIGKILL");
    const isGone = () => {
      try {
        return /^State:\tZ/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
      } catch {
        return true;
      }
    };
    await until(isGone, () => "it was not killed");
    assert.match(await hosts.client.sh("nft list ruleset"), /table inet ttun_/);
    const down = await runTtun(hosts.client, ["down", name]);
    assert.equal(down.code, 0, down.stderr);
    assert.match(down.stderr, new RegExp(`took away .*nftables table.*, of process ${pid}`));
    assert.equal(await hosts.client.sh("nft list ruleset; ip rule"), before);
    assert.equal((await runTtun(hosts.client, ["down", name])).code, 4);
  } finally {
    await runTtun(hosts.client, ["down", name]);
    await Deno.remove(folder, { recursive: true });
  }
});
