/** Sessions that go through a relay, and directly once there is a way: they wait half a minute for it. */
import assert from "node:assert/strict";
import { test } from "../check.ts";
import { filesOf, makeFiles, NO_KEY, startPipe } from "../e2e/peers.ts";
import { ENV, KEY, NO_WARM_UP, ttunCommand } from "../e2e/tunnel.ts";
import type { Process } from "../netns.ts";
import { VIA, type ViaLab, viaLab } from "../via_lab.ts";

const MS = 120_000;

const DIRECT = /a direct connection takes the relay's place/;

const LINK = `ttun://${encodeURIComponent(KEY)}@${VIA}:20203`;

/** Lets packets of the two hosts reach each other, and not the server alone. */
async function letThrough(lab: ViaLab, passes: boolean): Promise<void> {
  const ports = [0, 1].map((i) => `bridge link set dev veth${i} isolated ${passes ? "off" : "on"}`);
  await lab.server.sh(ports.join("\n"));
}

async function startVia(lab: ViaLab, ...args: string[]): Promise<Process> {
  const all = ["--no-tun", "--permit-relay", "-l", `${VIA}:20203`, ...args];
  const [command, rest] = ttunCommand("server", ...all);
  const server = lab.server.spawn(command, rest, { env: ENV });
  await server.waitFor(/ listening /, MS);
  return server;
}

test("peer --via: a pipe leaves the relay once there is a direct way, byte for byte", async () => {
  await using lab = await viaLab("open", "open");
  await letThrough(lab, false);
  await using via = await startVia(lab, "--relay-rate", "300k");
  await using files = await makeFiles(40_000_000, 30_000_000);
  const env = { ...NO_KEY, TTUN_VIA: LINK };
  await using first = startPipe(lab.hosts[0], filesOf(files, 0), ["listen", "-v"], env);
  const [, ticket = ""] = await first.waitFor(/ttun peer connect (peer:[\w-]+) --via /, MS);
  const ticketEnv = { ...env, TTUN_TICKET: ticket };
  await using second = startPipe(lab.hosts[1], filesOf(files, 1), ["connect", "-v"], ticketEnv);
  await second.waitFor(/it goes through the relay/, MS);
  await letThrough(lab, true);
  await second.waitFor(DIRECT, MS);
  await via.waitFor(/relay ended/, MS);
  for (const end of [second, first]) {
    assert.equal((await end.status).code, 0, `${first.output}\n---\n${second.output}`);
  }
  await files.expectSame();
});

test("peer: a tunnel leaves the relay once there is a direct way, and no ping is lost", async () => {
  await using lab = await viaLab("open", "open");
  await letThrough(lab, false);
  await using via = await startVia(lab);
  const env = { ...NO_KEY, TTUN_VIA: LINK };
  const [command, args] = ttunCommand("server", "-v", NO_WARM_UP, "-l", "peer:");
  await using server = lab.hosts[0].spawn(command, args, { env });
  const [, ticket = ""] = await server.waitFor(/ttun client (peer:[\w-]+) --via /, MS);
  const [program, rest] = ttunCommand("client", "-v", NO_WARM_UP);
  await using client = lab.hosts[1].spawn(program, rest, { env: { ...env, TTUN_SERVER: ticket } });
  await client.waitFor(/authenticated .*the relay of /, MS);
  await using pings = lab.hosts[1].spawn("ping", ["-q", "-c", "300", "-i", "0.2", "10.1.1.1"]);
  await letThrough(lab, true);
  await client.waitFor(DIRECT, MS);
  await via.waitFor(/relay ended/, MS);
  await pings.waitFor(/300 received, 0% packet loss/, MS);
  client.signal("SIGINT");
  assert.equal((await client.status).code, 0, client.output);
});
