import assert from "node:assert/strict";
import { EXIT_CODES } from "../../src/base/errors.ts";
import { test } from "../check.ts";
import { type Host, twoHosts } from "../netns.ts";
import { copyForNobody, startAsNobody } from "./ordinary_user.ts";
import { devices, INNER, NO_WARM_UP, ping, runTtun, SERVER } from "./tunnel.ts";

async function mustRun(host: Host, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runTtun(host, args);
  assert.equal(code, 0, stderr);
  return stdout;
}

/** @throws unless it fails with that kind of error. Returns what it says. */
async function mustFail(kind: keyof typeof EXIT_CODES, host: Host, ...args: string[]) {
  const { code, stderr } = await runTtun(host, args);
  assert.equal(code, EXIT_CODES[kind].code, stderr);
  return stderr;
}

const ADD = ["device", "add", "ttun0", "--user", "nobody"];

test("an ordinary user's client and server run on devices that an administrator has made", async () => {
  await using hosts = await twoHosts();
  const folder = await Deno.makeTempDir();
  try {
    const copy = await copyForNobody(folder);
    await mustRun(hosts.client, ...ADD);
    await mustRun(hosts.server, ...ADD, "--address", "10.1.1.1/30", "--address", "fc11::1/126");
    const options = ["-v", NO_WARM_UP, "--device", "ttun0"];
    {
      await using server = startAsNobody(hosts.server, copy, "server", ...options);
      await server.waitFor(/listening/, 30_000);
      await using client = startAsNobody(hosts.client, copy, "client", ...options, "-s", SERVER);
      await client.waitFor(/authenticated/, 30_000);
      assert.equal(await ping(hosts.client, INNER.server4), 3);
      assert.equal(await ping(hosts.client, INNER.server6), 3);
      const status = await hosts.client.sh(`cat /proc/${client.pid}/task/*/status`);
      for (const set of status.matchAll(/^Cap(?:Eff|Prm|Bnd|Amb):\s*(\w+)$/gm)) {
        assert.equal(Number(`0x${set[1]}`), 0, set[0]);
      }
      assert.match(
        await mustRun(hosts.client, "device", "list"),
        /^ttun0\tnobody\tin use\t1280\t10\.1\.1\.2\/30,fc11::2\/126$/m,
      );
      assert.match(
        await mustFail("in_use", hosts.client, "device", "remove", "ttun0"),
        /another program has it/,
      );
      const before = await hosts.client.sh("ip address show dev ttun0");
      const again = ["client", ...options, "-s", SERVER];
      await using other = startAsNobody(hosts.client, copy, ...again);
      await other.status;
      await other.closed;
      assert.match(other.output, /another program has it/);
      assert.equal(await hosts.client.sh("ip address show dev ttun0"), before);
    }
    // Settings that it may not make and does not find are the administrator's.
    for (
      const [asked, sentence] of [
        [["--mtu", "1400"], /sudo ip link set dev ttun0 mtu 1400/],
        [["--address", "10.9.0.2/24"], /sudo ip address add 10\.9\.0\.2\/24 dev ttun0/],
        [["--route", "10.77.0.0/16"], /sudo ip route add 10\.77\.0\.0\/16 dev ttun0/],
      ] as const
    ) {
      const client = ["client", ...options, "-s", SERVER, ...asked];
      await using process = startAsNobody(hosts.client, copy, ...client);
      assert.equal((await process.status).code, EXIT_CODES.privilege.code, process.output);
      await process.closed;
      assert.match(process.output, sentence);
    }
    await mustRun(hosts.client, ...ADD, "--route", "10.77.0.0/16");
    assert.match(await hosts.client.sh("ip route"), /10\.77\.0\.0\/16 dev ttun0/);
    for (const host of [hosts.client, hosts.server]) {
      await mustRun(host, "device", "remove", "ttun0");
      assert.deepEqual(await devices(host), ["lo", "veth0"]);
      assert.equal(await mustRun(host, "device", "list"), "");
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

test("where a server gives other addresses, one sentence names all that root has to do", async () => {
  await using hosts = await twoHosts();
  const folder = await Deno.makeTempDir();
  try {
    const copy = await copyForNobody(folder);
    await mustRun(hosts.client, ...ADD, "--address", "10.1.1.2/30");
    await mustRun(hosts.server, ...ADD, "--address", "10.9.0.1/24");
    const options = ["-v", NO_WARM_UP, "--device", "ttun0"];
    const pool = ["--pool", "10.9.0.0/24"];
    await using server = startAsNobody(hosts.server, copy, "server", ...options, ...pool);
    await server.waitFor(/listening/, 30_000);
    const once = ["client", ...options, "-s", SERVER, "--once", "--wire", "v2"];
    const [, commands] = await (async () => {
      await using client = startAsNobody(hosts.client, copy, ...once);
      assert.equal((await client.status).code, EXIT_CODES.privilege.code, client.output);
      await client.closed;
      return /Cannot change the addresses .* as root: (.*?)(?: {2}kind=.*)?$/m.exec(
        client.output,
      ) ?? assert.fail(client.output);
    })();
    await hosts.client.sh(commands!.replaceAll("sudo ", ""));
    const [, address] = /address add (\S+)/.exec(commands!)!;
    await using client = startAsNobody(hosts.client, copy, ...once, "--address", address!);
    await client.waitFor(/authenticated/, 30_000);
    assert.equal(await ping(hosts.client, "10.9.0.1"), 3);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

test("ttun device leaves alone what it has not made, and names why it cannot make one", async () => {
  await using hosts = await twoHosts();
  const { client } = hosts;
  await client.sh("ip tuntap add dev other0 mode tun user nobody");
  const remove = await mustFail("usage", client, "device", "remove", "other0");
  assert.match(remove, /ttun device add has not made it, and ttun leaves it alone/);
  assert.match(await mustFail("usage", client, "device", "remove", "ttun9"), /none of that name/);
  const add = (name: string, user: string) => ["device", "add", name, "--user", user];
  assert.match(
    await mustFail("in_use", client, ...add("other0", "nobody")),
    /there is one of that name, which ttun has not made/,
  );
  assert.match(await mustFail("usage", client, ...add("ttun0", "no-such-user")), /no-such-user/);
  assert.match(await mustFail("usage", client, ...add("ttun%d", "nobody")), /leave out the %/);
  // It fails half way, and the new device goes.
  await mustFail(
    "usage",
    client,
    ...add("ttun0", "nobody"),
    "--mtu",
    "576",
    "--address",
    "fd00::1/64",
  );
  assert.deepEqual((await devices(client)).toSorted(), ["lo", "other0", "veth0"]);
  await client.sh("ip link del other0");
});
