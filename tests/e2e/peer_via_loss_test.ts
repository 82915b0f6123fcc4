import assert from "node:assert/strict";
import { test } from "../check.ts";
import { VIA, viaLab } from "../via_lab.ts";
import { NO_KEY, startPipe } from "./peers.ts";
import { ENV, KEY, ttunCommand } from "./tunnel.ts";

const MS = 30_000;

/** Bytes without an end, each way. */
const ENDLESS = { input: "/dev/zero", output: "/dev/null" };

test("peer --via: an end that is killed keeps no other out; a relay that is killed is a loss at both ends", async () => {
  await using lab = await viaLab("remapping", "remapping");
  const at = `${VIA}:20203`;
  const [command, all] = ttunCommand("server", "--no-tun", "-l", at, "--permit-relay");
  await using server = lab.server.spawn(command, all, { env: ENV });
  await server.waitFor(/ listening /, MS);
  const env = { ...NO_KEY, TTUN_VIA: `ttun://${encodeURIComponent(KEY)}@${at}` };
  await using first = startPipe(lab.hosts[0], ENDLESS, ["listen", "-v"], env);
  const [, ticket = ""] = await first.waitFor(/ttun peer connect (peer:[\w-]+) --via /, MS);
  const connect = () =>
    startPipe(lab.hosts[1], ENDLESS, ["connect", "-v"], { ...env, TTUN_TICKET: ticket });
  {
    await using killed = connect();
    for (const end of [killed, first]) await end.waitFor(/ connecting {2}peer=/, MS);
    killed.signal("SIGKILL");
    await killed.status;
  }
  await using second = connect();
  for (const end of [first, second]) await end.waitFor(/Connected to peer!/, MS);
  assert.match(second.output, /goes through the relay of the server/);
  server.signal("SIGKILL");
  for (const end of [first, second]) {
    const { code } = await end.status;
    assert.equal(code, 9, end.output);
  }
});
