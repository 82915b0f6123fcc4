import assert from "node:assert/strict";
import { test } from "../check.ts";
import { AT, findings, startServer } from "./doctor_lab.ts";
import { otherClock } from "./other_clock.ts";
import { routedPath, SERVER } from "./routed_path.ts";

test("ttun doctor tells the clocks' difference, and a key that the server does not have", async () => {
  await using path = await routedPath();
  await using _server = await startServer(path);
  const clockOf = async (seconds: number) =>
    (await findings(path.client, [AT], otherClock(seconds))).get("server-clock")!;
  const slow = await clockOf(-60);
  assert.match(slow.says, /its clock is (56|60|64) s ahead of ours/);
  assert.equal(slow.level, "warn");
  const ahead = await clockOf(1000);
  assert.match(ahead.says, /its clock is (996|1000|1004) s behind ours/);
  assert.equal(ahead.level, "fail");
  const other = await findings(path.client, [AT], { TTUN_KEY: "another key" });
  assert.match(other.get("server-key")!.says, /does not prove this key/);
});

test("ttun doctor tells of a firewall that drops the range, and who has a port", async () => {
  await using path = await routedPath();
  const range = "30000-30999";
  const url = `hop://${SERVER.v4}?range=${range}`;
  await using server = await startServer(path, "--no-tun", "-l", `hop://*?range=${range}`);
  const open = await findings(path.client, [url]);
  assert.match(open.get("server-range")!.says, /^8 of 8 ports /);
  assert.equal(open.get("server-port")!.level, "ok", open.get("server-port")!.says);
  assert.equal(open.get("server-clock")!.level, "ok");
  await path.server.sh("iptables -w -A INPUT -p tcp --dport 30000:30999 -j DROP");
  const shut = await findings(path.client, [url]);
  assert.match(shut.get("server-range")!.says, /^0 of 8 ports .* a firewall drops the range$/);

  await using other = await startServer(path, "--no-tun", "-l", ":20300");
  const taken = (await findings(path.server, ["-l", "20300"])).get("port")!;
  assert.equal(taken.level, "fail");
  assert.match(taken.says, new RegExp(`^port 20300 is taken by \\S+ \\(pid ${other.pid}\\)$`));
  assert.equal((await findings(path.server, ["-l", "20301"])).get("port")!.level, "ok");
  assert.notEqual(server.pid, other.pid);
});
