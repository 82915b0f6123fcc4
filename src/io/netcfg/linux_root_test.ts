import { deepEqual, equal, match, ok } from "node:assert/strict";
import { test } from "../../../tests/check.ts";
import { endChild, openInChild, refusedInChild } from "../../../tests/device_child.ts";
import { Host } from "../../../tests/netns.ts";

const BOTH = { addresses: ["10.1.1.1/30", "fc11::1/126"] };

interface State {
  mtu: number;
  up: boolean;
  addresses: string[];
  routes: string[];
}

/** A device as `ip` sees it; without link-local addresses and the routes that addresses bring. */
async function stateOf(host: Host, device: string): Promise<State> {
  const [link] = JSON.parse(await host.sh(`ip -j address show dev ${device}`));
  const routes = await Promise.all(["-4", "-6"].map(async (family) => {
    const list = JSON.parse(await host.sh(`ip -j ${family} route show dev ${device}`) || "[]");
    return list as { dst: string; protocol: string }[];
  }));
  const addresses = link.addr_info as {
    local: string;
    address?: string;
    prefixlen: number;
    scope: string;
  }[];
  return {
    mtu: link.mtu,
    up: link.flags.includes("UP"),
    addresses: addresses
      .filter(({ scope }) => scope === "global")
      .map(({ local, address, prefixlen }) =>
        address === undefined ? `${local}/${prefixlen}` : `${local} peer ${address}/${prefixlen}`
      ),
    routes: routes.flat()
      .filter(({ protocol }) => protocol === "static")
      .map(({ dst }) => dst),
  };
}

/** A device that an administrator has made; `mode` of its node is anybody's. */
const makePersistent = (host: Host, more = "") =>
  host.sh(`ip tuntap add dev pers0 mode tun user nobody\n${more}`);

const ANYBODYS_NODE =
  "mount -t tmpfs none /dev/net && mknod /dev/net/tun c 10 200 && chmod 666 /dev/net/tun";

/** Runs a command that a sentence names; here everybody is root already. */
const runAsRoot = (host: Host, command: string) => host.sh(`sudo() { "$@"; }\n${command}`);

test("netcfg: MTU, both addresses, state and routes are as asked, and gone with the device", async () => {
  await using host = await Host.create();
  const child = await openInChild(host, {
    ...BOTH,
    mtu: 1350,
    routes: ["192.0.2.77/24", "2001:db8:7::/48"],
  });
  deepEqual(child.warnings, []);
  equal(child.addresses, 2);
  deepEqual(await stateOf(host, "ttun0"), {
    mtu: 1350,
    up: true,
    addresses: ["10.1.1.1/30", "fc11::1/126"],
    routes: ["192.0.2.0/24", "2001:db8:7::/48"],
  });
  match(await host.sh("ip route get 10.1.1.2"), /dev ttun0 src 10\.1\.1\.1/);
  match(await host.sh("ip route get 192.0.2.9"), /dev ttun0 src 10\.1\.1\.1/);
  match(await host.sh("ip route get fc11::2"), /dev ttun0 .*src fc11::1/);
  match(await host.sh("ip route get 2001:db8:7::9"), /dev ttun0 .*src fc11::1/);
  await endChild(child);
  equal((await host.run("ip", ["link", "show", "dev", "ttun0"])).code, 1);
  equal(await host.sh("ip route; ip -6 route"), "");
});

test("netcfg: peers make it point to point", async () => {
  await using host = await Host.create();
  const child = await openInChild(host, {
    addresses: ["10.1.1.1/32", "fc11::1/128"],
    peers: ["10.1.1.2/32", "fc11::2/128"],
  });
  deepEqual((await stateOf(host, "ttun0")).addresses, [
    "10.1.1.1 peer 10.1.1.2/32",
    "fc11::1 peer fc11::2/128",
  ]);
  match(await host.sh("ip route get 10.1.1.2"), /dev ttun0 src 10\.1\.1\.1/);
  match(await host.sh("ip route get fc11::2"), /dev ttun0 .*src fc11::1/);
  await endChild(child);
});

test("netcfg: what was set on a device that stays is taken back, what was there is left", async () => {
  await using host = await Host.create();
  await makePersistent(
    host,
    `ip link set mtu 1477 dev pers0
    ip address add 198.51.100.1/24 dev pers0`,
  );
  const before = await stateOf(host, "pers0");
  const child = await openInChild(host, {
    ...BOTH,
    name: "pers0",
    addresses: [...BOTH.addresses, "198.51.100.1/24"],
    routes: ["203.0.113.0/24", "2001:db8:7::/48"],
  });
  deepEqual([child.persistent, child.addresses], [true, 3]);
  const during = await stateOf(host, "pers0");
  deepEqual([during.mtu, during.up, during.routes.length], [1400, true, 2]);
  equal(during.addresses.length, 3);
  await endChild(child);
  deepEqual(await stateOf(host, "pers0"), before);
  deepEqual(before, { mtu: 1477, up: false, addresses: ["198.51.100.1/24"], routes: [] });
});

test("netcfg: when one thing cannot be had, what was set before is taken back", async () => {
  await using host = await Host.create();
  await makePersistent(host);
  await host.sh(
    "ip tuntap add dev other0 mode tun; ip link set other0 up; ip route add 203.0.113.0/24 dev other0",
  );
  const before = await stateOf(host, "pers0");
  const { kind, message } = await refusedInChild(host, {
    ...BOTH,
    name: "pers0",
    routes: ["192.0.2.0/24", "203.0.113.0/24"],
  });
  equal(kind, "in_use", message);
  match(message, /route to 203\.0\.113\.0\/24.*by another way than pers0/);
  deepEqual(await stateOf(host, "pers0"), before);
  deepEqual(before, { mtu: 1500, up: false, addresses: [], routes: [] });
});

test("netcfg: a default route comes before the one that is there, and that is back afterwards", async () => {
  await using host = await Host.create();
  await host.sh(`
    ip tuntap add dev up0 mode tun; ip link set up0 up; ip address add 192.0.2.2/24 dev up0
    ip address add 2001:db8::2/64 dev up0 nodad
    ip route add default via 192.0.2.1; ip -6 route add default via 2001:db8::1 metric 100
    ip -6 route add 2001:db8:7::/48 dev up0 metric 50`);
  const before = await host.sh("ip route; ip -6 route");
  const child = await openInChild(host, { ...BOTH, routes: ["0.0.0.0/0", "::/0"] });
  match(await host.sh("ip route get 203.0.113.9"), /dev ttun0/);
  match(await host.sh("ip route get 2001:db8:9::9"), /dev ttun0/);
  await endChild(child);
  equal(await host.sh("ip route; ip -6 route"), before);
  // One that would never be taken is refused, as in IPv4.
  const { kind } = await refusedInChild(host, { ...BOTH, routes: ["2001:db8:7::/48"] });
  equal(kind, "in_use");
});

test("netcfg: a route that the device has already is left alone", async () => {
  await using host = await Host.create();
  await makePersistent(
    host,
    `ip link set up mtu 1400 dev pers0; ip address add 198.51.100.1/24 dev pers0
    ip route add 203.0.113.0/24 dev pers0 proto static
    ip -6 route add 2001:db8:7::/48 dev pers0 proto static`,
  );
  const before = await stateOf(host, "pers0");
  const routes = ["203.0.113.5/24", "2001:db8:7::/48"];
  await endChild(await openInChild(host, { name: "pers0", addresses: ["10.1.1.1/30"], routes }));
  deepEqual(await stateOf(host, "pers0"), before);
  equal(before.routes.length, 2);
});

test("netcfg: a user may use a device that was made for it, when everything is right", async () => {
  await using host = await Host.create();
  await makePersistent(
    host,
    `ip link set up mtu 1400 dev pers0
    ip address add 10.1.1.1/30 dev pers0; ip address add fc11::1/126 dev pers0
    ip route add 203.0.113.0/24 dev pers0 proto static`,
  );
  const before = await stateOf(host, "pers0");
  const order = { ...BOTH, name: "pers0", user: "nobody", routes: ["203.0.113.0/24"] };
  const child = await openInChild(host, order, ANYBODYS_NODE);
  deepEqual([child.uid, child.warnings, child.addresses], [65534, [], 2]);
  deepEqual(await stateOf(host, "pers0"), before);
  await endChild(child);
  deepEqual(await stateOf(host, "pers0"), before);
});

test("netcfg: who follows the sentences one after another gets there", async () => {
  await using host = await Host.create();
  await makePersistent(host);
  const order = {
    name: "pers0",
    user: "nobody",
    addresses: ["10.1.1.1/32", "fc11::1/126"],
    peers: ["10.1.1.2/32"],
    routes: ["203.0.113.0/24", "2001:db8:7::/48"],
  };
  const followed: string[] = [];
  for (let i = 0; i < 6; i++) {
    const { kind, message } = await refusedInChild(host, order, ANYBODYS_NODE);
    equal(kind, "privilege", message);
    const command = /^Cannot .*; do it once as root: (sudo .*)$/.exec(message)?.[1];
    ok(command !== undefined, message);
    followed.push(command);
    await runAsRoot(host, command);
  }
  deepEqual(followed, [
    "sudo ip link set dev pers0 mtu 1400",
    "sudo ip link set dev pers0 up",
    "sudo ip address add 10.1.1.1 peer 10.1.1.2/32 dev pers0",
    "sudo ip address add fc11::1/126 dev pers0",
    "sudo ip route add 203.0.113.0/24 dev pers0",
    "sudo ip route add 2001:db8:7::/48 dev pers0",
  ]);
  const child = await openInChild(host, order, ANYBODYS_NODE);
  deepEqual([child.warnings, child.addresses], [[], 2]);
  await endChild(child);
});

test("netcfg: an IPv6 address of another prefix length is told, with what takes it away", async () => {
  await using host = await Host.create();
  await makePersistent(host, "ip address add fc11::1/64 dev pers0");
  const { kind, message } = await refusedInChild(host, { ...BOTH, name: "pers0" });
  equal(kind, "in_use", message);
  await runAsRoot(host, /take that away: (sudo .*)$/.exec(message)![1]!);
  await endChild(await openInChild(host, { ...BOTH, name: "pers0" }));
});

const switchOff = (host: Host) =>
  host.sh(
    "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6; echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6",
  );

test("netcfg: with IPv6 switched off, a default address is a warning and the rest works", async () => {
  await using host = await Host.create();
  await switchOff(host);
  const child = await openInChild(host, { ...BOTH, asked: false });
  equal(child.addresses, 1);
  equal(child.warnings.length, 1);
  match(child.warnings[0]!, /fc11::1\/126: IPv6 is switched off/);
  deepEqual((await stateOf(host, "ttun0")).addresses, ["10.1.1.1/30"]);
  await endChild(child);
});

test("netcfg: with IPv6 switched off, an asked address is an error with what switches it on", async () => {
  await using host = await Host.create();
  await switchOff(host);
  const { kind, message } = await refusedInChild(host, BOTH);
  equal(kind, "system");
  const command = /switch it on: (sudo sysctl -w .*?) \(if/.exec(message);
  ok(command !== null, message);
  await runAsRoot(host, command[1]!);
  const child = await openInChild(host, BOTH);
  equal(child.addresses, 2);
  await endChild(child);
});

test("netcfg: below the smallest MTU of IPv6 its default address is a warning, an asked one an error", async () => {
  await using host = await Host.create();
  const { kind, message } = await refusedInChild(host, { ...BOTH, mtu: 1279 });
  equal(kind, "usage");
  match(message, /fc11::1\/126: IPv6 needs an MTU of at least 1280; raise --mtu/);
  const child = await openInChild(host, { ...BOTH, mtu: 1279, asked: false });
  equal(child.addresses, 1);
  match(child.warnings.join(), /at least 1280/);
  equal((await stateOf(host, "ttun0")).mtu, 1279);
  await endChild(child);
  const smallest = await openInChild(host, { ...BOTH, mtu: 1280 });
  equal(smallest.addresses, 2);
  await endChild(smallest);
});

test("netcfg: an MTU that the kernel does not take is the user's mistake", async () => {
  await using host = await Host.create();
  for (const mtu of [67, 70_000]) {
    const { kind, message } = await refusedInChild(host, { mtu, addresses: ["10.1.1.1/30"] });
    equal(kind, "usage", message);
    match(message, new RegExp(`MTU of ttun0 to ${mtu}`));
  }
});

test("netcfg: an address that is another link's as well is set all the same", async () => {
  await using host = await Host.create();
  await host.sh("ip address add 10.1.1.1/32 dev lo");
  const child = await openInChild(host, { addresses: ["10.1.1.1/30"] });
  deepEqual((await stateOf(host, "ttun0")).addresses, ["10.1.1.1/30"]);
  await endChild(child);
});
