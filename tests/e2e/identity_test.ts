import assert from "node:assert/strict";
import { EXIT_CODES } from "../../src/base/errors.ts";
import { test } from "../check.ts";
import type { Host, Process } from "../netns.ts";
import { bridgedHosts, hostBehind } from "../networks.ts";
import { BEFORE_IDENTITIES, OldTtun } from "./old_ttun.ts";
import { KEY, ping, pingUntil, SERVER, ttunCommand } from "./tunnel.ts";

const POOL = ["--pool", "10.9.0.0/24", "--clients", "3"];

/** Starts ttun with a state directory that outlives it. */
function start(host: Host, state: string, ...args: string[]): Process {
  const [command, rest] = ttunCommand(...args);
  return host.spawn(command, rest, { env: { TTUN_KEY: KEY, STATE_DIRECTORY: state } });
}

async function serve(host: Host, state: string, ...args: string[]): Promise<Process> {
  const server = start(host, state, "server", ...POOL, ...args);
  await server.waitFor(/listening/);
  return server;
}

/** A client, once it is in, and the IPv4 address that it has. */
async function join(host: Host, state: string, ...args: string[]) {
  const process = start(host, state, "client", "-s", SERVER, ...args);
  await process.waitFor(/authenticated/);
  const { stdout } = await host.run("ip", ["-4", "-o", "address", "show", "dev", "ttun0"]);
  return { process, address: /inet (\S+)\//.exec(stdout)?.[1] };
}

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.chmod(folder, 0o755); // for --user
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

test("a client has its address again after its own restart and the server's", async () => {
  await inFolder(async (folder) => {
    await using w = await bridgedHosts(2);
    const [a, b] = w.clients as [Host, Host];
    {
      await using _server = await serve(w.server, `${folder}/server`, "--user", "nobody");
      await using first = (await join(a, `${folder}/a`)).process;
      first.signal("SIGKILL");
      await first.status;
      await using other = await join(b, `${folder}/b`).then(({ process, address }) => {
        assert.equal(address, "10.9.0.3");
        return process;
      });
      await using again = await join(a, `${folder}/a`).then(({ process, address }) => {
        assert.equal(address, "10.9.0.2");
        return process;
      });
      for (const one of [other, again]) one.signal("SIGTERM");
    }
    const file = `${folder}/server/leases-10.9.0.0-24`;
    assert.match(
      await Deno.readTextFile(file),
      /^#.*\n([0-9a-f]{32} \S+ \S+ 10\.9\.0\.[23]\n){2}$/,
    );
    assert.equal((await Deno.stat(file)).mode! & 0o777, 0o600);
    // The other way round than they came at first.
    await using _server = await serve(w.server, `${folder}/server`, "--user", "nobody");
    await using b2 = await join(b, `${folder}/b`).then(({ process, address }) => {
      assert.equal(address, "10.9.0.3");
      return process;
    });
    // A second program with this identity is refused, and the first is not disturbed.
    const second = await runOnce(a, `${folder}/b`);
    assert.equal(second.code, EXIT_CODES.busy.code, second.stderr);
    assert.match(second.stderr, /this client is connected already since \d\d:\d\d UTC/);
    assert.doesNotMatch(second.stderr, /192\.0\.2\.3/);
    assert.equal(await ping(b, "10.9.0.1"), 3);
    // With a name of its own it is another client; and what it asks for is free.
    await using named = await join(
      a,
      `${folder}/b`,
      "--name",
      "Second",
      "--address",
      "10.9.0.77/24",
    ).then(({ process, address }) => {
      assert.equal(address, "10.9.0.77");
      return process;
    });
    assert.equal(await ping(a, "10.9.0.1"), 3);
    assert.equal(await ping(w.server, "10.9.0.77"), 3);
    assert.doesNotMatch(named.output, /does not give/);
    assert.doesNotMatch(b2.output, /disconnected/);
  });
});

async function runOnce(host: Host, state: string) {
  const [command, rest] = ttunCommand("client", "-s", SERVER, "--once");
  return await host.run(command, rest, { env: { TTUN_KEY: KEY, STATE_DIRECTORY: state } });
}

test("a network behind a client is reached through it, both ways, and from nowhere else", async () => {
  await inFolder(async (folder) => {
    await using w = await bridgedHosts(2);
    const [gateway, liar] = w.clients as [Host, Host];
    await using behind = await hostBehind(gateway, "7");
    await using server = await serve(
      w.server,
      `${folder}/server`,
      "--client-network",
      "office=10.7.0.0/24",
    );
    await using _liar = (await join(liar, `${folder}/liar`, "--name", "liar")).process;
    await using _office = (await join(gateway, `${folder}/office`, "--name", "office")).process;
    await server.waitFor(/authenticated .*name=office .*networks=10\.7\.0\.0\/24/);
    await pingUntil(w.server, "10.7.0.2", 5000);
    await behind.sh("ip route replace default via 10.7.0.1");
    assert.equal(await ping(behind, "10.9.0.1"), 3);
    await liar.sh("ip address add 10.7.0.9/32 dev ttun0");
    const { stdout } = await liar.run("ping", ["-c1", "-w1", "-I", "10.7.0.9", "10.9.0.1"]);
    assert.match(stdout, /100% packet loss/);
  });
});

test("--up runs when the server has answered, with the addresses that it gave", async () => {
  await inFolder(async (folder) => {
    await using w = await bridgedHosts(1);
    const client = w.clients[0]!;
    await using process = start(
      client,
      `${folder}/client`,
      "client",
      "-s",
      SERVER,
      "--up",
      "echo up with $TTUN_ADDRESSES; if ping -c1 -W1 10.9.0.1 >/dev/null; then echo too early; fi",
      "--down",
      "echo down with $TTUN_ADDRESSES",
    );
    await process.waitFor(/retry_in_seconds/);
    assert.doesNotMatch(process.output, /up with/);
    {
      await using _server = await serve(w.server, `${folder}/server`);
      await process.waitFor(/up with 10\.9\.0\.2\/24\n[^]*authenticated/, 20_000);
      assert.doesNotMatch(process.output, /too early/);
      await pingUntil(client, "10.9.0.1", 5000);
    }
    await process.waitFor(/the server is ending/);
    await using _other = start(w.server, `${folder}/server`, "server", "--pool", "10.8.0.0/24");
    await process.waitFor(/down with 10\.9\.0\.2\/24\nup with 10\.8\.0\.2\/24\n/, 20_000);
    process.signal("SIGTERM");
    assert.equal((await process.status).code, 0);
    assert.match(process.output, /down with 10\.8\.0\.2\/24\s*$/);
  });
});

test("with --user a client's --up knows the server's addresses as well, and runs as root", async () => {
  await inFolder(async (folder) => {
    await using w = await bridgedHosts(1);
    await using server = await serve(w.server, `${folder}/server`);
    const { process } = await join(
      w.clients[0]!,
      `${folder}/client`,
      ...["--user", "nobody", "--up", "echo up as $(id -u) with $TTUN_ADDRESSES"],
      ...["--down", "echo down as $(id -u) with $TTUN_ADDRESSES"],
    );
    await using client = process;
    assert.match(client.output, /up as 0 with 10\.9\.0\.2\/24\n[^]*became another user/);
    await pingUntil(w.clients[0]!, "10.9.0.1", 5000);
    const uids = await w.clients[0]!.sh(`cat /proc/${client.pid}/task/*/status | grep ^Uid:`);
    assert.deepEqual([...new Set(uids.trim().split("\n"))], ["Uid:" + "\t65534".repeat(4)]);
    client.signal("SIGTERM");
    assert.equal((await client.status).code, 0);
    assert.match(client.output, /down as 65534 with 10\.9\.0\.2\/24\s*$/);
    assert.equal(server.output.includes("warn"), false, server.output);
  });
});

test("ttun from before identities works with today's, at either end", async () => {
  await using old = await OldTtun.unpack(BEFORE_IDENTITIES);
  if (old === null) return;
  await using w = await bridgedHosts(2);
  const [a, b] = w.clients as [Host, Host];
  await inFolder(async (folder) => {
    {
      await using _server = await old.startServer(w.server, ...POOL);
      await using client =
        (await join(a, `${folder}/a`, "--address", "10.9.0.2/24", "--name", "a")).process;
      await client.waitFor(/authenticated .*wire=v2/);
      assert.equal(await ping(a, "10.9.0.1"), 3);
    }
    await using server = await serve(w.server, `${folder}/server`);
    await using _old = old.startClient(b);
    await server.waitFor(/authenticated .*addresses=10\.9\.0\.2\/24/);
    await pingUntil(b, "10.9.0.1", 5000);
  });
});
