import assert from "node:assert/strict";
import { test } from "../check.ts";
import type { Host, Process } from "../netns.ts";
import { INNER, openTunnel, pause, ping } from "./tunnel.ts";

/** `ip address flush` takes one address after the other: the first may be back before the last goes. */
const FLUSHED = 2;
const FOLLOWS_MS = 500;

const ROUTES = ["--route", "10.77.0.0/16", "--route", "fd00:77::/32"];

/** Usual hosts lose IPv6 addresses with the link, the tests' do not. */
const losesAddresses = (host: Host) =>
  host.sh("echo 0 >/proc/sys/net/ipv6/conf/ttun0/keep_addr_on_down");

/** How many times the log has this line; waits for the next, or for as many as follow each other. */
function counted(process: Process, line: RegExp): (most?: number) => Promise<void> {
  const all = new RegExp(line, "g");
  let seen = 0;
  return async (most = 1) => {
    const before = seen;
    await process.waitFor(new RegExp(`(?:${line.source}[^]*){${before + 1}}`), 5000);
    if (most > 1) await pause(FOLLOWS_MS);
    seen = process.output.match(all)!.length;
    assert.ok(seen <= before + most, `${seen - before} lines, ${most} at most`);
  };
}

async function expectWhole(host: Host, own: string[]): Promise<void> {
  const shown = await host.sh("ip address show dev ttun0; ip route; ip -6 route");
  for (const address of own) assert.ok(shown.includes(` ${address}/`), shown);
  assert.match(shown, /<[^>]*UP/);
  assert.match(shown, /mtu 1280/);
  assert.match(await host.sh("ip route get 10.77.0.9"), /dev ttun0/);
  assert.match(await host.sh("ip route get fd00:77::9"), /dev ttun0/);
}

test("what others take from the device is put back, the same thing three times in a minute, at both ends", async () => {
  await using t = await openTunnel([], { server: [], client: ROUTES });
  const put = counted(t.clientProcess, /warn .*put back what another program has taken/);
  const own = [INNER.client4, INNER.client6];
  await losesAddresses(t.client);
  await t.client.sh("ip link set ttun0 down");
  await put();
  await expectWhole(t.client, own);
  await t.client.sh("ip address flush dev ttun0");
  await put(FLUSHED);
  await expectWhole(t.client, own);
  for (
    const command of [
      "ip link set ttun0 mtu 1300",
      "ip route replace 10.77.0.0/16 dev veth0",
      "ip -6 route add fd00:77::/32 dev veth0 metric 100",
    ]
  ) {
    await t.client.sh(command);
    await put();
    await expectWhole(t.client, own);
  }
  assert.equal(await ping(t.client, INNER.server4), 3);
  assert.equal(await ping(t.client, INNER.server6), 3);
  // The IPv4 route was gone with the link, with the addresses and when it was replaced.
  await t.client.sh("ip route del 10.77.0.0/16 dev ttun0");
  await t.clientProcess.waitFor(/warn .*fourth time.* missing="?route 10\.77\.0\.0\/16/);
  assert.match(await t.client.sh("ip route get 10.77.0.9"), /dev veth0/);

  // Also the networks of its addresses, whose routes are the kernel's.
  await t.client.sh("ip route flush dev ttun0; ip -6 route flush dev ttun0");
  await t.clientProcess.waitFor(
    /put back .* missing="[^"]*route 10\.1\.1\.0\/30, route fc11::\/126/,
  );
  assert.match(await t.client.sh(`ip route get ${INNER.server4}`), /dev ttun0 src 10\.1\.1\.2/);
  assert.match(await t.client.sh(`ip route get ${INNER.server6}`), /dev ttun0 .*src fc11::2/);

  await t.server.sh("ip address flush dev ttun0; ip link set ttun0 down");
  await t.serverProcess.waitFor(/warn .*put back what another program has taken/);
  assert.equal(await ping(t.client, INNER.server4), 3);

  await t.client.sh(`ip link set ttun0 name moved0 netns ${t.server.pid}`);
  await t.clientProcess.waitFor(/warn .*ttun0 is not in this network namespace any more/);
});

test("a route of others that leads nowhere does not stay before ours, with or without it", async () => {
  const routes = ["10.77.0.0/16", "10.78.0.0/16", "fd00:77::/32"];
  const options = routes.flatMap((route) => ["--route", route]);
  await using t = await openTunnel([], { client: options });
  const put = counted(t.clientProcess, /warn .*put back what another program has taken/);
  for (
    const [command, address] of [
      ["ip route replace blackhole 10.77.0.0/16", "10.77.0.9"],
      ["ip route prepend prohibit 10.78.0.0/16", "10.78.0.9"],
      ["ip -6 route add unreachable fd00:77::/32 metric 100", "fd00:77::9"],
    ] as const
  ) {
    await t.client.sh(command);
    await put();
    assert.match(await t.client.sh(`ip route get ${address}`), /dev ttun0/, command);
  }
});

test("under --user one thread alone keeps CAP_NET_ADMIN, and puts things back with it", async () => {
  await using t = await openTunnel([], { client: ["--user", "nobody", ...ROUTES] });
  const { pid } = t.clientProcess;
  const field = (name: string) => t.client.sh(`cat /proc/${pid}/task/*/status | grep ^${name}:`);
  const sets = async (name: string) =>
    (await field(name)).trim().split("\n").map((line) => Number(`0x${line.split(/\s+/)[1]}`));
  assert.deepEqual(
    [...new Set((await field("Uid")).trim().split("\n"))],
    ["Uid:\t65534\t65534\t65534\t65534"],
  );
  const expectOneCapable = async () => {
    for (const name of ["CapEff", "CapPrm"]) {
      assert.deepEqual((await sets(name)).filter((set) => set !== 0), [1 << 12], name);
    }
    for (const name of ["CapInh", "CapAmb"]) {
      assert.ok((await sets(name)).every((set) => set === 0), name);
    }
  };
  await expectOneCapable();
  await losesAddresses(t.client);
  await t.client.sh("ip link set ttun0 down");
  await t.clientProcess.waitFor(/put back what another program/);
  await expectWhole(t.client, [INNER.client4, INNER.client6]);
  await expectOneCapable();
});
