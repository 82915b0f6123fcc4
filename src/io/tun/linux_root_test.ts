import { createSocket } from "node:dgram";
import { deepEqual, equal, match, ok, rejects, throws } from "node:assert/strict";
import { DEVICE_QUEUE } from "../../contract/device.ts";
import { makePackets, MAX_PACKET, VIRTIO_NET_HEADER } from "../../contract/batch.ts";
import { TtunError } from "../../base/errors.ts";
import { openLibc } from "../../../ffi/linux/libc.ts";
import { test } from "../../../tests/check.ts";
import { endChild, openInChild, refusedInChild } from "../../../tests/device_child.ts";
import { requireOwnNamespace } from "../../../tests/own_namespace.ts";
import { Host } from "../../../tests/netns.ts";
import { deviceSuite } from "../../../tests/suite/device_suite.ts";
import { later } from "../../../tests/suite/stream_net.ts";
import { FAR, openTunWorld, udpPacket } from "../../../tests/tun_world.ts";
import { Reactor } from "../reactor/reactor.ts";
import { openDevice } from "./linux.ts";
import { readBatch } from "../../../tests/suite/waiting.ts";

deviceSuite("tun", test, () => openTunWorld(), { refuses: true });

/** Sends, and reads until all have come: how many each read gave. */
async function readSizes(world: Awaited<ReturnType<typeof openTunWorld>>, sent: number) {
  for (let i = 0; i < sent; i++) await world.send(new Uint8Array(i));
  const batch = makePackets(4 * MAX_PACKET);
  const sizes: number[] = [];
  for (let left = sent; left > 0; left -= sizes.at(-1)!) {
    sizes.push(await readBatch(world.device, batch, LAYOUT));
  }
  return sizes;
}

test("tun: where packets come alone the next one goes its way at once, a burst comes together", async () => {
  let now = 0;
  await using world = await openTunWorld({ now: () => now });
  for (
    const [sent, expected] of [
      [5, [5]],
      [5, [5]], // as the last time
      [1, [1]],
      [1, [1]],
      [5, [1, 4]], // who could know
      [5, [5]],
    ] as const
  ) {
    now += 1;
    deepEqual(await readSizes(world, sent), expected);
  }
  deepEqual(await readSizes(world, 1), [1]);
  deepEqual(await readSizes(world, 3), [3]); // not after a pause
});

test("tun: packets that come faster than they are read are read together, however long each turn is", async () => {
  let now = 0;
  await using world = await openTunWorld({ now: () => now });
  const batch = makePackets(4 * MAX_PACKET);
  for (let i = 0; i < 50; i++) await world.send(new Uint8Array(i));
  const sizes: number[] = [];
  for (let left = 50; left > 0; left -= sizes.at(-1)!) {
    now += 1; // a busy process comes back after so many milliseconds
    sizes.push(await readBatch(world.device, batch, LAYOUT));
  }
  ok(sizes.length <= 5, `reads of ${sizes.join(", ")} packets`);
});

test("tun: packets that nobody reads do not keep the reactor busy, and come when they are asked for", async () => {
  let waits = 0;
  await using world = await openTunWorld({
    watch: (libc) => {
      const counted = (wait: (...given: never[]) => unknown) => (...given: never[]) => {
        waits++;
        return wait.apply(libc, given);
      };
      const { epollWait, epollWaitAsync } = libc;
      Object.assign(libc, {
        epollWait: counted(epollWait),
        epollWaitAsync: counted(epollWaitAsync),
      });
    },
  });
  for (let i = 0; i < 3; i++) {
    const reading = readBatch(world.device, makePackets(2 * MAX_PACKET), LAYOUT);
    await world.pause(20);
    await world.send(new Uint8Array(1));
    equal(await reading, 1);
    waits = 0;
    await world.send(new Uint8Array(2));
    await world.pause(100);
    ok(waits < 20, `${waits} waits`);
    equal(await readBatch(world.device, makePackets(2 * MAX_PACKET), LAYOUT), 1);
  }
});

/** The discard port (RFC 863). */
const DISCARD = 9;

const LAYOUT = { groupHeadroom: 8, headroom: 2, tailroom: 16, groupTailroom: 0, group: Infinity };

/** Shell code for a mount namespace: a device node of that mode, whatever the machine's is. */
const nodeOfMode = (mode: string) =>
  `mount -t tmpfs none /dev/net && mknod /dev/net/tun c 10 200 && chmod ${mode} /dev/net/tun`;

async function ip(command: string): Promise<void> {
  const { success, stderr } = await new Deno.Command("ip", { args: command.split(" ") }).output();
  ok(success, new TextDecoder().decode(stderr));
}

/** Empty datagrams to the far side; one socket alone may not have so many on their way. */
async function sendFromMany(count: number): Promise<void> {
  const EACH = 100;
  for (let sent = 0; sent < count; sent += EACH) {
    const socket = createSocket("udp4");
    const sending = Array.from(
      { length: Math.min(EACH, count - sent) },
      () => new Promise((resolve) => socket.send(new Uint8Array(0), DISCARD, FAR, resolve)),
    );
    await Promise.all(sending);
    await new Promise((resolve) => void socket.close(() => resolve(null)));
  }
}

function onePacket() {
  const batch = makePackets(MAX_PACKET);
  const packet = udpPacket(new Uint8Array(8));
  batch.bytes.set(packet, VIRTIO_NET_HEADER);
  batch.offset[0] = VIRTIO_NET_HEADER;
  batch.length[0] = packet.length;
  batch.count = 1;
  return batch;
}

const isRemoved = (error: unknown) =>
  error instanceof TtunError && error.kind === "system" &&
  /ttun0: it was removed/.test(error.message);

test("tun: a device that is removed ends the read that waits", async () => {
  await using world = await openTunWorld();
  const batch = makePackets(2 * MAX_PACKET);
  const reading = rejects(later(() => readBatch(world.device, batch, LAYOUT)), isRemoved);
  await world.pause(10);
  await ip(`link del ${world.device.name}`);
  await reading;
  await rejects(later(() => readBatch(world.device, batch, LAYOUT)), isRemoved);
});

test("tun: a device that was removed takes no packets", async () => {
  await using world = await openTunWorld();
  await ip(`link del ${world.device.name}`);
  await rejects(later(() => world.device.writeBatch(onePacket())), isRemoved);
});

test("tun: drain empties the longest queue that a device of ours has", async () => {
  await using world = await openTunWorld();
  await ip(`link set ${world.device.name} txqueuelen ${DEVICE_QUEUE}`);
  await sendFromMany(DEVICE_QUEUE + 100);
  equal(world.device.drain(), DEVICE_QUEUE);
  equal(world.device.drain(), 0);
});

test("tun: a device that is down drops packets and counts them, and works again when up", async () => {
  await using world = await openTunWorld();
  await ip(`link set ${world.device.name} down`);
  await world.device.writeBatch(onePacket());
  await world.device.writeBatch(onePacket());
  equal(world.device.refused, 2);
  await ip(`link set ${world.device.name} up`);
  await world.device.writeBatch(onePacket());
  equal((await world.receive()).length, 8);
  equal(world.device.refused, 2);
});

test("tun: a device of our own is not persistent, and has the kernel's name for it", async () => {
  await using world = await openTunWorld();
  deepEqual([world.device.name, world.device.persistent, world.device.mtu], ["ttun0", false, 1400]);
});

test("tun: what is refused leaves nothing open", async () => {
  requireOwnNamespace();
  using libc = openLibc();
  await using reactor = new Reactor(libc, "async");
  const { signal } = new AbortController();
  for (let i = 0; i < 3; i++) {
    throws(() => openDevice(reactor, { name: "lo", mtu: 1400, signal }), { kind: "usage" });
  }
  const late = AbortSignal.abort(new Error("too late"));
  throws(() => openDevice(reactor, { name: undefined, mtu: 1400, signal: late }), /too late/);
});

async function links(host: Host): Promise<string[]> {
  const list = JSON.parse(await host.sh("ip -j link")) as { ifname: string }[];
  return list.map(({ ifname }) => ifname).filter((name) => /tun|tap/.test(name)).sort();
}

test("tun: each gets the first free number; a device goes with its program", async () => {
  await using host = await Host.create();
  const first = await openInChild(host, {});
  const second = await openInChild(host, {});
  deepEqual([first.name, second.name], ["ttun0", "ttun1"]);
  deepEqual(await links(host), ["ttun0", "ttun1"]);
  await endChild(first);
  deepEqual(await links(host), ["ttun1"]);
  const third = await openInChild(host, {});
  equal(third.name, "ttun0");
  third.process.signal("SIGKILL");
  await third.process.status;
  deepEqual(await links(host), ["ttun1"]);
  await endChild(second);
  deepEqual(await links(host), []);
});

test("tun: a name that was asked for is the device's", async () => {
  await using host = await Host.create();
  const child = await openInChild(host, { name: "tun-of-15-chars" });
  equal(child.name, "tun-of-15-chars");
  deepEqual(await links(host), ["tun-of-15-chars"]);
  await endChild(child);
});

test("tun: a device that another program has is in use", async () => {
  await using host = await Host.create();
  const child = await openInChild(host, { name: "ttun7" });
  const { kind, message } = await refusedInChild(host, { name: "ttun7" });
  equal(kind, "in_use");
  match(message, /ttun7: another program has it.*--device/);
  await endChild(child);
});

test("tun: a device of another kind is not for tunnels, and says so", async () => {
  await using host = await Host.create();
  await host.sh("ip tuntap add dev tap0 mode tap; ip link add veth7 type veth peer name veth8");
  for (const name of ["lo", "tap0", "veth7"]) {
    const { kind, message } = await refusedInChild(host, { name });
    equal(kind, "usage", message);
    match(message, new RegExp(`Cannot open ${name} .*another kind.*--device`));
  }
});

/** A sentence's command as a test can run it: it is root already, and may have no modprobe. */
const asRoot = (command: string) => `sudo() { "$@"; }; modprobe() { :; }; USER=nobody; ${command}`;

test("tun: without the driver's node the sentence has the commands that make it", async () => {
  await using host = await Host.create();
  const hidden = "mount -t tmpfs none /dev/net";
  const { kind, message } = await refusedInChild(host, {}, hidden);
  equal(kind, "system");
  const command = /load it: (sudo modprobe tun && .*) \(a container needs: (.*)\)$/.exec(message);
  equal(command?.[2], "--device /dev/net/tun --cap-add NET_ADMIN");
  const mended = await openInChild(host, {}, `${hidden}\n${asRoot(command![1]!)}`);
  await endChild(mended);
});

test("tun: without the folder of the node it is the same", async () => {
  await using host = await Host.create();
  // A /dev without net: what a small container has.
  const hidden = `mount -t tmpfs none /mnt && touch /mnt/null && mount --bind /dev/null /mnt/null &&
    mount --move /mnt /dev`;
  const { kind, message } = await refusedInChild(host, {}, hidden);
  equal(kind, "system", message);
  const command = /load it: (.*) \(a container/.exec(message)![1]!;
  await endChild(await openInChild(host, {}, `${hidden}\n${asRoot(command)}`));
});

for (const mode of ["600", "666"]) {
  test(`tun: without privilege, node of mode ${mode}: one cause and one cure, in a short line`, async () => {
    await using host = await Host.create();
    const { kind, message } = await refusedInChild(host, { user: "nobody" }, nodeOfMode(mode));
    equal(kind, "privilege");
    equal(
      message,
      "Cannot open a TUN device: it takes root or CAP_NET_ADMIN; run ttun with sudo",
    );
  });

  test(`tun: without privilege, a name that no device has, node of mode ${mode}`, async () => {
    await using host = await Host.create();
    const order = { user: "nobody", name: "ttun9" };
    const { kind, message } = await refusedInChild(host, order, nodeOfMode(mode));
    equal(kind, "privilege");
    equal(
      message,
      "Cannot make the device ttun9: it takes root or CAP_NET_ADMIN; run ttun with sudo",
    );
  });

  test(`tun: without privilege, a device made for the user, node of mode ${mode}`, async () => {
    await using host = await Host.create();
    await host.sh("ip tuntap add dev ttun3 mode tun user nobody");
    const order = { user: "nobody", name: "ttun3" };
    const mtu = "ip link set mtu 1400 up dev ttun3";
    let prepare = `${nodeOfMode(mode)}\n${mtu}`;
    if (mode === "600") {
      const { kind, message } = await refusedInChild(host, order, prepare);
      equal(kind, "privilege");
      const command = /no access to it; give it: (sudo .*)$/.exec(message);
      ok(command !== null, message);
      prepare += `\n${asRoot(command[1]!)}`;
    }
    const child = await openInChild(host, order, prepare);
    deepEqual([child.name, child.persistent, child.uid], ["ttun3", true, 65534]);
    await endChild(child);
  });
}

test("tun: root without the capability is not told to become root", async () => {
  await using host = await Host.create();
  const drop = 'set -- setpriv --bounding-set=-net_admin --inh-caps=-net_admin "$@"';
  const { kind, message } = await refusedInChild(host, {}, drop);
  equal(kind, "privilege");
  match(message, /though this is root: CAP_NET_ADMIN is missing.*--cap-add NET_ADMIN$/);
});

test("tun: another user's device takes privilege", async () => {
  await using host = await Host.create();
  await host.sh("ip tuntap add dev ttun5 mode tun user daemon");
  const { kind, message } = await refusedInChild(
    host,
    { user: "nobody", name: "ttun5" },
    nodeOfMode("666"),
  );
  equal(kind, "privilege");
  match(message, /^Cannot open ttun5, which is another user's device: .*run ttun with sudo$/);
});
