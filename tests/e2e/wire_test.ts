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
    assert.equal(await ping(hosts.client, INNER.server4), 3);
  }
  await using _server = await startServer(hosts.server);
  await using client = old.startClient(hosts.client);
  await client.waitFor(/authenticated/);
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

/** What a connection hears after it has sent these bytes, and how it ends. */
async function probe(bytes: Uint8Array): Promise<{ heard: number; end: string; seconds: number }> {
  const began = performance.now();
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: 20203 });
  if (bytes.length > 0) await conn.write(bytes);
  const buffer = new Uint8Array(1024);
  let heard = 0;
  let end = "fin";
  try {
    for (let got = await conn.read(buffer); got !== null; got = await conn.read(buffer)) {
      heard += got;
    }
  } catch (error) {
    end = String(error);
  }
  return { heard, end, seconds: (performance.now() - began) / 1000 };
}

if (import.meta.main) console.log(JSON.stringify(await Promise.all(probes().map(probe))));

/** Random bytes of many sizes, HTTP, the beginning of a TLS hello, and version 1's first bytes. */
function probes(): Uint8Array[] {
  const random = (size: number) => crypto.getRandomValues(new Uint8Array(size));
  const text = (words: string) => new TextEncoder().encode(words);
  return [
    ...[0, 1, 15, 16, 17, 42, 100, 300, 600].map(random),
    text("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    new Uint8Array([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, ...random(64)]),
    new Uint8Array([...random(16), 0, 24, ...random(24)]),
  ];
}

for (const wire of ["v2", "auto"]) {
  test(`strangers under --wire ${wire}: what they hear, and how they are hung up on`, async () => {
    await using hosts = await twoHosts();
    await using server = await startServer(hosts.server, "--wire", wire);
    const { stdout, stderr } = await hosts.server.run(
      Deno.execPath(),
      ["run", "-A", new URL(import.meta.url).pathname],
      { timeoutMs: 45_000 },
    );
    assert.notEqual(stdout, "", stderr);
    const found = JSON.parse(stdout.trim().split("\n").at(-1)!) as Awaited<
      ReturnType<typeof probe>
    >[];
    const ends = found.map(({ seconds }) => seconds);
    for (const { heard, end, seconds } of found) {
      assert((wire === "v2" ? [0] : [0, 16]).includes(heard), `${heard} bytes`);
      assert(seconds >= 9.5 && seconds <= 31, `${seconds} s`);
      assert.equal(end, "fin");
    }
    assert(Math.max(...ends) - Math.min(...ends) > 2, "the time of the end is random");
    assert.doesNotMatch(server.output, /internal/);
  });
}

for (const [wire, again] of [["v2", 0], ["auto", 16]] as const) {
  test(`a recorded first flight opens nothing when it is sent again: --wire ${wire}`, async () => {
    await using hosts = await twoHosts();
    await using server = await startServer(hosts.server, "--wire", wire);
    const path = new URL("./replay.ts", import.meta.url).pathname;
    const { stdout, stderr } = await hosts.client.run(
      Deno.execPath(),
      ["run", "-A", path, "192.0.2.1", "20203", KEY],
      { timeoutMs: 45_000 },
    );
    assert.notEqual(stdout, "", stderr);
    const [first, second, third] = JSON.parse(stdout);
    assert(first.heard > 16, "the first one is answered: it is right");
    assert.deepEqual([second, third], [{ heard: again, end: "fin" }, { heard: again, end: "fin" }]);
    assert.equal(first.end, "fin");
    await server.waitFor(/its hello was seen before: a replay/);
  });
}
