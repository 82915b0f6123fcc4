import assert from "node:assert/strict";
import { EXIT_CODES } from "../../src/base/errors.ts";
import { test } from "../check.ts";
import { twoHosts } from "../netns.ts";
import { otherClock } from "./other_clock.ts";
import { OldTtun } from "./old_ttun.ts";
import {
  ENV,
  INNER,
  KEY,
  openTunnel,
  ping,
  pingUntil,
  runTtun,
  SERVER,
  startServer,
  startTtun,
  ttunCommand,
} from "./tunnel.ts";

const SPOKEN: Record<string, string | null> = {
  "auto auto": "v2",
  "auto v1": "v1",
  "auto v2": "v2",
  "v1 auto": "v1",
  "v1 v1": "v1",
  "v2 auto": "v2",
  "v2 v2": "v2",
};

for (const cipher of ["chacha20-poly1305", "aes-256-gcm"]) {
  for (const [pair, wire] of Object.entries(SPOKEN)) {
    const [server, client] = pair.split(" ") as [string, string];
    test(`server ${server}, client ${client}, ${cipher}: ${wire}`, async () => {
      await using t = await openTunnel(["-m", cipher], {
        server: ["--wire", server],
        client: ["--wire", client],
      });
      await t.serverProcess.waitFor(new RegExp(`authenticated .*wire=${wire}`));
      assert.equal(await ping(t.client, INNER.server4), 3);
      assert.equal(await ping(t.server, INNER.client6), 3);
      const warned = /version 1 of the wire is spoken/;
      assert.equal(warned.test(t.clientProcess.output), wire === "v1" && client === "auto");
      assert.equal(warned.test(t.serverProcess.output), wire === "v1" && server === "auto");
    });
  }
}

test("an end that speaks version 2 only has no session with one that speaks version 1 only", async () => {
  await using hosts = await twoHosts();
  for (const [server, client] of [["v1", "v2"], ["v2", "v1"]] as const) {
    await using _server = await startServer(hosts.server, "--wire", server);
    const { code, stderr } = await runTtun(hosts.client, [
      "client",
      "--once",
      "--wire",
      client,
      "-s",
      SERVER,
    ]);
    assert(
      [EXIT_CODES.auth.code, EXIT_CODES.timeout.code, EXIT_CODES.protocol.code].includes(code as 3),
      stderr,
    );
    assert.doesNotMatch(stderr, /authenticated/);
  }
});

test("ttun from before version 2 works with today's, at either end", async () => {
  await using old = await OldTtun.unpack();
  if (old === null) return;
  await using hosts = await twoHosts();
  {
    await using _server = await old.startServer(hosts.server);
    await using client = startTtun(hosts.client, "client", "-s", SERVER);
    await client.waitFor(/authenticated .*wire=v1/);
    await pingUntil(hosts.client, INNER.server4, 10_000);
    assert.equal(await ping(hosts.client, INNER.server4), 3);
  }
  await using _server = await startServer(hosts.server);
  await using client = old.startClient(hosts.client);
  await client.waitFor(/authenticated/);
  await pingUntil(hosts.client, INNER.server6, 10_000);
  assert.equal(await ping(hosts.client, INNER.server6), 3);
});

test("that a server speaks version 2 is remembered on disk, and holds against a downgrade", async () => {
  await using hosts = await twoHosts();
  const folder = await Deno.makeTempDir();
  try {
    const env = { TTUN_KEY: KEY, STATE_DIRECTORY: `${folder}/state` };
    const run = (...args: string[]) => {
      const [command, rest] = ttunCommand("client", "-s", SERVER, ...args);
      return hosts.client.spawn(command, rest, { env });
    };
    {
      await using _server = await startServer(hosts.server);
      await using first = run();
      await first.waitFor(/authenticated .*wire=v2/);
      assert.equal(await ping(hosts.client, INNER.server4), 3);
    }
    const state = await Deno.readTextFile(`${folder}/state/version2-servers`);
    assert.match(state, /^[0-9a-f]{32}\n$/);
    assert.equal((await Deno.stat(`${folder}/state/version2-servers`)).mode! & 0o777, 0o600);
    await using _old = await startServer(hosts.server, "--wire", "v1");
    await using again = run("--once");
    assert.equal((await again.status).code, EXIT_CODES.auth.code);
    assert.match(again.output, /has spoken version 2 .*--wire v1/);
    await using forced = run("--wire", "v1");
    await forced.waitFor(/authenticated .*wire=v1/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

for (
  const [offset, seconds] of [["+3 minutes", 180], ["-10 minutes", -600], [
    "+3 days",
    259_200,
  ]] as const
) {
  test(`a clock that is off by ${offset} is named, and is no way to version 1`, async () => {
    await using hosts = await twoHosts();
    await using server = await startServer(hosts.server);
    const [command, args] = ttunCommand("client", "--once", "-s", SERVER);
    const { code, stderr } = await hosts.client.run(command, args, {
      env: { ...ENV, ...otherClock(seconds) },
    });
    assert.equal(code, EXIT_CODES.clock.code, stderr);
    const told = Number(/clock is (\d+) s/.exec(stderr)?.[1]);
    assert(Math.abs(told - Math.abs(seconds)) <= 8, stderr);
    await server.waitFor(/its clock is \d+ s (ahead of|behind) ours/);
    assert.doesNotMatch(server.output, /authenticated/);
  });
}
