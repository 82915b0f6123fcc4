import { equal, match } from "node:assert/strict";
import { test } from "../check.ts";
import { builtBinary } from "./binary.ts";
import { gatewayLab } from "./gateway_lab.ts";
import { ENV } from "./tunnel.ts";

test("one file: it may run the programs of --kill-switch, --nat and doctor --repair", async () => {
  const { file } = await builtBinary();
  await using lab = await gatewayLab();
  const setting = "/proc/sys/net/ipv4/ip_forward";
  await lab.server.sh(`echo 0 >${setting}`);
  await using server = lab.server.spawn(file, ["server", "--nat", "auto"], { env: ENV });
  await server.waitFor(/program=nft/);
  const options = ["--kill-switch", "--no-warm-up", "-s", "192.0.2.1"];
  await using client = lab.client.spawn(file, ["client", ...options], { env: ENV });
  await client.waitFor(/authenticated/);
  client.signal("SIGKILL");
  await client.status;
  const { code, stdout } = await lab.client.run(file, ["doctor", "--repair"], { env: ENV });
  match(stdout, /took away the nftables table/);
  equal(code, 0);
  equal(await lab.client.sh("nft list ruleset"), "");
  server.signal("SIGINT");
  equal((await server.status).code, 0, server.output);
  equal((await lab.server.sh(`cat ${setting}`)).trim(), "0", server.output);
});
