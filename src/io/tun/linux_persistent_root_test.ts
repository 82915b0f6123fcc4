import { deepEqual, ok } from "node:assert/strict";
import { openLibc } from "../../../ffi/linux/libc.ts";
import { openTun, setOffload, TunOffload } from "../../../ffi/linux/tun.ts";
import { check } from "../../../ffi/native.ts";
import { test } from "../../../tests/check.ts";
import { GsoSocket } from "../../../tests/e2e/gso_socket.ts";
import { FAR, type Read, UDP } from "../../../tests/fixture/far_side.ts";
import {
  assertOrdinary,
  carried,
  DATAGRAM,
  DATAGRAMS,
  giveAddresses,
  openWorld,
  PORT,
  sendDatagrams,
  testUdp,
} from "../../../tests/fixture/offload_world.ts";

const TUNSETVNETHDRSZ = 0x4004_54d8n;

/** A device that an administrator has made; it goes with the test. */
async function persistent(name: string): Promise<AsyncDisposable> {
  const ip = async (...args: string[]) => {
    const { success, stderr } = await new Deno.Command("ip", { args }).output();
    ok(success, new TextDecoder().decode(stderr));
  };
  await ip("tuntap", "add", "dev", name, "mode", "tun");
  return { [Symbol.asyncDispose]: () => ip("link", "del", name) };
}

/** Reads as a program does that knows nothing of headers. */
async function readWithoutHeaders(name: string): Promise<Read[]> {
  using libc = openLibc();
  const { fd } = openTun(libc, name, { headers: false });
  try {
    using _addresses = await giveAddresses(libc, name);
    using socket = new GsoSocket(FAR[4], PORT, DATAGRAM);
    ok(socket.send(DATAGRAMS));
    const read: Read[] = [];
    const bytes = new Uint8Array(65_536);
    for (let got; (got = libc.read(fd, bytes)) > 0;) {
      const packet = bytes.slice(0, got);
      if (packet[9] === UDP && packet[0] === 0x45) {
        read.push({ packet, hasHeader: false, header: null });
      }
    }
    return read;
  } finally {
    libc.close(fd);
  }
}

for (const how of ["closed", "aborted"]) {
  testUdp(
    `after a device that stays was ${how} its next reader gets ordinary packets`,
    async () => {
      await using _device = await persistent("ttun5");
      {
        await using world = await openWorld({ name: "ttun5" });
        const { device } = world;
        device.setOffload(device.takes);
        ok((await sendDatagrams(device, 4)).length < 10);
        if (how === "aborted") world.stop.abort(new Error("asked to stop"));
        else await device[Symbol.asyncDispose]();
      }
      const read = await readWithoutHeaders("ttun5");
      deepEqual(carried(read), DATAGRAMS);
      assertOrdinary(read);
    },
  );
}

for (const offload of [true, false]) {
  testUdp(
    `what a killed reader left on is off, ${offload ? "with" : "without"} headers`,
    async () => {
      await using _device = await persistent("ttun5");
      {
        using libc = openLibc();
        const { fd } = openTun(libc, "ttun5", { headers: true });
        const { csum, tso4, tso6, uso4, uso6 } = TunOffload;
        check("TUNSETOFFLOAD", setOffload(libc, fd, csum | tso4 | tso6 | uso4 | uso6));
        libc.close(fd);
      }
      await using world = await openWorld({ name: "ttun5", offload });
      assertOrdinary(await sendDatagrams(world.device, 4));
    },
  );
}

test("tun offload: a size of header that another program has left is not taken over", async () => {
  await using _device = await persistent("ttun5");
  {
    using libc = openLibc();
    const { fd } = openTun(libc, "ttun5", { headers: true });
    const size = new Uint8Array(new Int32Array([12]).buffer); // what QEMU takes
    check("TUNSETVNETHDRSZ", libc.ioctl(fd, TUNSETVNETHDRSZ, size));
    libc.close(fd);
  }
  await using world = await openWorld({ name: "ttun5" });
  assertOrdinary(await sendDatagrams(world.device, 4));
});
