import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { CONTROL_ID, FakeDarwin } from "../../tests/fake/libsystem.ts";
import { DarwinErrno, DarwinError } from "./errno.ts";
import { openUtun, packCtlInfo, packSockaddrCtl } from "./utun.ts";

Deno.test("utun: ctl_info is a number and a name of 96 bytes", () => {
  const info = packCtlInfo();
  equal(info.length, 100);
  deepEqual(info.subarray(0, 4), new Uint8Array(4));
  const name = new TextDecoder().decode(info.subarray(4));
  equal(name, "com.apple.net.utun_control".padEnd(96, "\0"));
});

Deno.test("utun: sockaddr_ctl has its length, family, control and unit", () => {
  const expected = new Uint8Array(32);
  expected.set([32, 32, 2, 0, 0x34, 0x12, 0, 0, 8, 0, 0, 0]);
  deepEqual(packSockaddrCtl(0x1234, 7), expected);
  expected[8] = 0;
  deepEqual(packSockaddrCtl(0x1234, undefined), expected, "no unit: the first free one");
  expected[8] = 1;
  deepEqual(packSockaddrCtl(0x1234, 0), expected, "utun0 is unit 1");
});

Deno.test("utun: a device is opened by its control, does not block, and knows its name", () => {
  const darwin = new FakeDarwin();
  const { fd, name } = openUtun(darwin.lib, 7);
  equal(name, "utun7");
  deepEqual([...darwin.open], [[fd, "utun"]]);
  deepEqual(darwin.arguments, [
    { call: "socket", given: [32, 2, 2] },
    { call: "ioctl", given: [0xc064_4e03n, true] },
    { call: "getsockopt", given: [2, 2] },
  ]);
  deepEqual(darwin.infos, [packCtlInfo()]);
  deepEqual(darwin.connects, [packSockaddrCtl(CONTROL_ID, 7)]);
  deepEqual(darwin.fcntls, [[fd, 4, 4], [fd, 2, 1]], "F_SETFL O_NONBLOCK, F_SETFD FD_CLOEXEC");
});

Deno.test("utun: the first free device tells which it is", () => {
  equal(openUtun(new FakeDarwin().lib, undefined).name, "utun3");
});

Deno.test("utun: a connect that a signal interrupts is made again", () => {
  const darwin = new FakeDarwin();
  darwin.failing.set("connect", DarwinErrno.EINTR);
  equal(openUtun(darwin.lib, 1).name, "utun1");
});

for (
  const [symbol, call] of [
    ["socket", "socket"],
    ["ioctl", "CTLIOCGINFO"],
    ["connect", "connect"],
    ["fcntl", "fcntl"],
    ["fcntl:2", "fcntl"],
    ["getsockopt", "UTUN_OPT_IFNAME"],
  ] as const
) {
  Deno.test(`utun: where ${symbol} fails, it is named and nothing stays open`, () => {
    const darwin = new FakeDarwin();
    darwin.failing.set(symbol, DarwinErrno.ENOBUFS);
    throws(
      () => openUtun(darwin.lib, undefined),
      (error) => error instanceof DarwinError && error.message === `${call}: ENOBUFS`,
    );
    equal(darwin.open.size, 0);
  });
}

Deno.test("utun: errors have macOS's names, not Linux's", () => {
  const busy = new DarwinError("read", 35);
  ok(busy.is("EAGAIN"));
  equal(busy.is("ENOTTY"), false);
  equal(busy.message, "read: EAGAIN");
  equal(new DarwinError("read", 11).is("EAGAIN"), false, "EDEADLK");
  equal(new DarwinError("read", 11).message, "read: errno 11");
});
