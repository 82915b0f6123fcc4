import assert from "node:assert/strict";
import { test } from "../check.ts";
import { allFindings, AT, findings, startServer } from "./doctor_lab.ts";
import { limitPackets, routedPath, SERVER } from "./routed_path.ts";
import { startTtun } from "./tunnel.ts";

test("ttun doctor finds the path MTU by ICMP, and the server's clock with the key", async () => {
  await using path = await routedPath();
  await using _server = await startServer(path, "--no-tun");
  const whole = await findings(path.client, [AT]);
  assert.match(whole.get("path-mtu")!.says, /^packets of 1500 bytes pass to .*ICMP echo/);
  assert.equal(whole.get("server-clock")!.level, "ok", whole.get("server-clock")!.says);
  await limitPackets(path, 1400);
  const v4 = (await findings(path.client, [AT])).get("path-mtu")!;
  assert.match(v4.says, /^packets of 1400 bytes pass /);
  assert.equal(v4.level, "ok");
  const v6 = (await findings(path.client, [`[${SERVER.v6}]:20203`])).get("path-mtu")!;
  assert.match(v6.says, /^packets of 1400 bytes pass /);
});

test("ttun doctor finds the path MTU through a tunnel that is up", async () => {
  await using path = await routedPath();
  await using _server = await startServer(path);
  const args = ["--device", "doc0", "--mtu", "1300", "--no-warm-up"];
  await using client = startTtun(path.client, "client", "-s", AT, ...args);
  await client.waitFor(/authenticated/, 30_000);
  const inside = (await allFindings(path.client, [])).find((one) =>
    one.check === "tunnel-mtu" && one.says.includes("doc0")
  )!;
  assert.equal(inside.level, "ok");
  assert.match(
    inside.says,
    /^packets of 1300 bytes pass to 10\.1\.1\.1 by doc0, whose MTU is 1300/,
  );
});
