import assert from "node:assert/strict";
import { test } from "../check.ts";
import { allFindings, AT, findings, startServer } from "./doctor_lab.ts";
import { limitPackets, routedPath, SERVER, silenceRouter } from "./routed_path.ts";
import { startTtun } from "./tunnel.ts";

const FAR = "/proc/sys/net/ipv4";

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

test("ttun doctor tells of a path that loses long packets, by TCP where no echo is answered", async () => {
  await using path = await routedPath();
  await using _server = await startServer(path, "--no-tun");
  await path.server.sh(`echo 1 >${FAR}/icmp_echo_ignore_all`);
  const tcp = (await findings(path.client, [AT])).get("path-mtu")!;
  assert.equal(tcp.level, "ok", tcp.says);
  assert.match(tcp.says, /^TCP takes 1500 bytes .* all came .*answers no ICMP echo/);
  await silenceRouter(path);
  await limitPackets(path, 1400);
  const lost = (await findings(path.client, [AT])).get("path-mtu")!;
  assert.equal(lost.level, "warn", lost.says);
  await path.server.sh(`echo 0 >${FAR}/icmp_echo_ignore_all`);
  const echo = (await findings(path.client, [AT])).get("path-mtu")!;
  assert.match(echo.says, /^packets of 1400 bytes pass .* vanish without a word/);
  assert.equal(echo.level, "warn");
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
