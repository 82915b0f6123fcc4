import { equal, match } from "node:assert/strict";
import { test } from "../check.ts";
import { gatewayLab, startGateway, stateOf, WEB } from "./gateway_lab.ts";
import { ping, startServer } from "./tunnel.ts";

test("--default-route: a family without routing rules has half routes, which the log tells", async () => {
  await using lab = await gatewayLab();
  await using _server = await startServer(lab.server);
  const { client: host } = lab;
  await host.sh("for pref in 0 32766; do ip -6 rule del pref $pref; done");
  equal(await host.sh("ip -6 rule"), "");
  const before = await stateOf(host);
  await using client = startGateway(lab, "--default-route");
  await client.waitFor(/authenticated/);
  match(
    client.output,
    /warning: this kernel has no routing rules: .* by half routes, .* {2}families=IPv6$/m,
  );
  const routes = await host.sh("ip -6 route show");
  for (const half of ["::/1", "8000::/1"]) match(routes, new RegExp(`^${half} dev ttun0 `, "m"));
  equal((await host.sh("ip route show")).includes("0.0.0.0/1"), false);
  equal(await ping(host, WEB.v4), 3);
  client.signal("SIGTERM");
  equal((await client.status).code, 0);
  equal(await stateOf(host), before);
});
