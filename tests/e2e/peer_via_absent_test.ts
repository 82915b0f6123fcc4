import assert from "node:assert/strict";
import { together } from "../together.ts";
import { VIA, viaLab } from "../via_lab.ts";
import { filesOf, makeFiles, NO_KEY, startPipe } from "./peers.ts";
import { ENV, KEY, ttunCommand } from "./tunnel.ts";

const MS = 60_000;

/** Bytes without an end, each way. */
const ENDLESS = { input: "/dev/zero", output: "/dev/null" };

const add = together("peer --via: the server is absent, or an end or the relay is killed");

add("peer --via: a server that is gone keeps nobody from the ticket's own addresses", async () => {
  await using lab = await viaLab("open", "port-restricted");
  const at = `${VIA}:20203`;
  const [command, all] = ttunCommand("server", "--no-tun", "-l", at);
  await using server = lab.server.spawn(command, all, { env: ENV });
  await server.waitFor(/ listening /, MS);
  await using files = await makeFiles(300_000, 500_000);
  const env = { ...NO_KEY, TTUN_VIA: `ttun://${encodeURIComponent(KEY)}@${at}` };
  await using first = startPipe(lab.hosts[0], filesOf(files, 0), ["listen", "-v"], env);
  const [, ticket = ""] = await first.waitFor(/ttun peer connect (peer:[\w-]+) --via /, MS);
  server.signal("SIGKILL");
  await server.status;
  const ticketEnv = { ...env, TTUN_TICKET: ticket };
  const args = ["connect", "-v"];
  await using second = startPipe(lab.hosts[1], filesOf(files, 1), args, ticketEnv);
  for (const end of [second, first]) {
    assert.equal((await end.status).code, 0, `${first.output}\n---\n${second.output}`);
  }
  await files.expectSame();
  assert.match(second.output, /warn.*meet is not there: trying the ticket's addresses/);
});

add(
  "peer listen --via: without the server at its start there is a ticket all the same",
  async () => {
    await using lab = await viaLab("open", "port-restricted");
    const at = `${VIA}:20203`;
    await using files = await makeFiles(300_000, 500_000);
    const env = { ...NO_KEY, TTUN_VIA: `ttun://${encodeURIComponent(KEY)}@${at}` };
    await using first = startPipe(lab.hosts[0], filesOf(files, 0), ["listen", "-v"], env);
    const [, ticket = ""] = await first.waitFor(/ttun peer connect (peer:[\w-]+) --via /, MS);
    const [command, all] = ttunCommand("server", "--no-tun", "-l", at);
    assert.match(first.output, /warn.*Cannot connect to 9\.9\.9\.100:20203: .*retry_in_seconds=/);
    await using second = startPipe(
      lab.hosts[1],
      filesOf(files, 1),
      ["connect", "-v"],
      { ...env, TTUN_TICKET: ticket },
    );
    for (const end of [second, first]) {
      assert.equal((await end.status).code, 0, `${first.output}\n---\n${second.output}`);
    }
    await files.expectSame();
    // Another end that waits goes to the server as soon as that is there.
    await using third = startPipe(lab.hosts[0], filesOf(files, 0), ["listen", "-v"], env);
    await third.waitFor(/retry_in_seconds=/, MS);
    await using server = lab.server.spawn(command, all, { env: ENV });
    await server.waitFor(/ listening /, MS);
    await third.waitFor(/at the server where both ends meet/, MS);
  },
);

add(
  "peer --via: an end that is killed keeps no other out; a relay that is killed is a loss at both ends",
  async () => {
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
  },
);
