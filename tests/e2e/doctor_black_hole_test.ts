import assert from "node:assert/strict";
import { test } from "../check.ts";
import { AT, findings, startServer } from "./doctor_lab.ts";
import { limitPackets, routedPath, silenceRouter } from "./routed_path.ts";

const FAR = "/proc/sys/net/ipv4";

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
