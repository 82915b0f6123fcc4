import { deepEqual, equal, match } from "node:assert/strict";
import { test } from "../../../tests/check.ts";
import { endChild, openInChild, refusedInChild } from "../../../tests/device_child.ts";
import { Host } from "../../../tests/netns.ts";

/** Shell code for a mount namespace: `/dev/net/tun` is whatever `make` makes of it. */
const fileInstead = (make: string) => `mount -t tmpfs none /dev/net && ${make}`;
const NODE = "mknod /dev/net/tun c 10 200 && chmod 666 /dev/net/tun";

test("tun: a device of several queues is used with one, and keeps its kind", async () => {
  await using host = await Host.create();
  await host.sh("ip tuntap add dev mq0 mode tun multi_queue user nobody");
  for (const user of ["root", "nobody"]) {
    const mtu = user === "root" ? {} : { mtu: 1500 }; // another MTU takes privilege
    await host.sh("ip link set mq0 mtu 1500 up");
    const child = await openInChild(host, { name: "mq0", user, ...mtu }, fileInstead(NODE));
    deepEqual([child.name, child.persistent], ["mq0", true]);
    await endChild(child);
  }
  match(await host.sh("ip -d link show mq0"), /multi_queue/);
});

test("tun: a queue beside another program's would get half of the packets: it is in use", async () => {
  await using host = await Host.create();
  await host.sh("ip tuntap add dev mq0 mode tun multi_queue");
  const child = await openInChild(host, { name: "mq0" });
  const { kind, message } = await refusedInChild(host, { name: "mq0" });
  equal(kind, "in_use");
  match(message, /mq0: another program has it/);
  await endChild(child);
  await endChild(await openInChild(host, { name: "mq0" })); // the refused one left nothing behind
});

test("tun: whatever flags a device was made with, packets come as ttun wants them", async () => {
  await using host = await Host.create();
  for (const flags of ["pi", "vnet_hdr", "one_queue", "pi vnet_hdr multi_queue"]) {
    await host.sh(`ip tuntap add dev odd0 mode tun ${flags}`);
    await endChild(await openInChild(host, { name: "odd0" }));
    await host.sh("ip link del odd0");
  }
});

test("tun: a tap device is called by its name, with one queue or several", async () => {
  await using host = await Host.create();
  await host.sh("ip tuntap add dev tap0 mode tap; ip tuntap add dev tap1 mode tap multi_queue");
  for (const name of ["tap0", "tap1"]) {
    const { kind, message } = await refusedInChild(host, { name });
    equal(kind, "usage");
    match(message, /another kind of device \(mode tap, .*needs mode tun\); .*--device/);
  }
});

const OTHER_FILES = {
  "an empty file": "touch /dev/net/tun",
  "a directory": "mkdir /dev/net/tun",
  "another device": "mknod /dev/net/tun c 1 3",
  "a link to itself": "ln -s tun /dev/net/tun",
  "a link to nowhere": "ln -s nowhere /dev/net/tun",
};

for (const [what, make] of Object.entries(OTHER_FILES)) {
  test(`tun: with ${what} in the driver's place the sentence has the commands that mend it`, async () => {
    await using host = await Host.create();
    const { kind, message } = await refusedInChild(host, {}, fileInstead(make));
    equal(kind, "system", message);
    const command = /(?:make it anew|load it): (sudo .*?)(?: \(a container.*)?$/.exec(message);
    const mend = `sudo() { "$@"; }; modprobe() { :; }; ${command![1]}`;
    await endChild(await openInChild(host, {}, `${fileInstead(make)}\n${mend}`));
  });
}

test("tun: root that may not open devices is not told to become root", async () => {
  await using host = await Host.create();
  const nodev = `mount -t tmpfs -o nodev none /dev/net && ${NODE}`;
  const { kind, message } = await refusedInChild(host, {}, nodev);
  equal(kind, "privilege");
  match(message, /though this is root: .*--device \/dev\/net\/tun.*nodev/);
});
