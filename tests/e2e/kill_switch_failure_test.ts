import { deepEqual, equal, match } from "node:assert/strict";
import { test } from "../check.ts";
import { gatewayLab, type Lab, reachesWeb, repair, SERVER, startGateway } from "./gateway_lab.ts";
import { ENV, startServer, ttunCommand } from "./tunnel.ts";

const STAYS = /the kill switch stays in force, since ttun was not ended on purpose/;

async function expectNothingOut({ client }: Lab): Promise<void> {
  deepEqual(await reachesWeb(client, "-W", "0.3"), [false, false]);
}

/** Nothing stays, neither the rules nor what is written down of them. */
async function expectRepaired({ client }: Lab): Promise<void> {
  equal((await repair(client)).code, 0);
  equal(await client.sh("nft list ruleset"), "");
}

test("--kill-switch: it stays when the command of --up fails", async () => {
  await using lab = await gatewayLab();
  await using _server = await startServer(lab.server);
  await using client = startGateway(lab, "--kill-switch", "--up", "exit 1");
  equal((await client.status).code, 14, client.output);
  match(client.output, STAYS);
  await expectNothingOut(lab);
  await expectRepaired(lab);
});

test("--kill-switch: a start that fails leaves one in force if one was, and else none", async () => {
  await using lab = await gatewayLab();
  // eth1 is no TUN device, which shows when the kill switch is there.
  const fail = async () => {
    await using client = startGateway(lab, "--kill-switch", "--device", "eth1");
    equal((await client.status).code, 2, client.output);
    match(client.output, /nothing leaves this machine outside the tunnel/);
    return client.output;
  };
  await fail();
  equal(await lab.client.sh("nft list ruleset"), "");
  {
    await using killed = startGateway(lab, "--kill-switch");
    await killed.waitFor(/nothing leaves this machine outside the tunnel/);
    killed.signal("SIGKILL");
    await killed.status;
  }
  await expectNothingOut(lab);
  match(await fail(), STAYS);
  await expectNothingOut(lab);
  await expectRepaired(lab);
});

test("--kill-switch takes a privilege, and says so where it is not there", async () => {
  await using lab = await gatewayLab();
  const [command, args] = ttunCommand("client", "-s", SERVER.v4, "--kill-switch");
  await using client = lab.client.spawn(
    "setpriv",
    ["--bounding-set", "-net_admin", command, ...args],
    { env: ENV },
  );
  equal((await client.status).code, 7, client.output);
  match(
    client.output,
    /Cannot set up --kill-switch: it takes root or CAP_NET_ADMIN; run ttun with/,
  );
});
