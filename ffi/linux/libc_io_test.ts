import { deepEqual, equal, throws } from "node:assert/strict";
import { test } from "../../tests/check.ts";
import { fakeLibc } from "../../tests/fake/libc.ts";
import { check, NativeError } from "../native.ts";
import { Errno } from "./errno.ts";
import { type Libc, openLibc } from "./libc.ts";
import type { LibcSymbols } from "./libc_table.ts";

const NO_FD = -1;

test("libc: a call that fails returns -errno, each its own", () => {
  using libc = openLibc();
  equal(libc.close(NO_FD), -Errno.EBADF);
  equal(libc.socket(NO_FD, 1, 0), -Errno.EAFNOSUPPORT);
});

test("libc: check throws what a call failed with, and gives back what it returned", () => {
  using libc = openLibc();
  throws(
    () => check("close", libc.close(NO_FD)),
    (error) => error instanceof NativeError && error.is("EBADF") && error.call === "close",
  );
  equal(check("close", 3), 3);
});

const bytes = new Uint8Array(8);

const REPEATED: Partial<Record<keyof LibcSymbols, (libc: Libc) => number>> = {
  read: (libc) => libc.read(NO_FD, bytes),
  write: (libc) => libc.write(NO_FD, bytes),
  recv: (libc) => libc.recv(NO_FD, bytes, 0),
  send: (libc) => libc.send(NO_FD, bytes, 0),
  recvfrom: (libc) => libc.recvfrom(NO_FD, bytes, 0, bytes, bytes),
  sendto: (libc) => libc.sendto(NO_FD, bytes, 0, bytes, bytes.length),
  accept4: (libc) => libc.accept4(NO_FD, null, null, 0),
  ioctl: (libc) => libc.ioctl(NO_FD, 0n, bytes),
  ioctl_number: (libc) => libc.ioctlNumber(NO_FD, 0n, 0n),
  open: (libc) => libc.open("", 0),
  dup3: (libc) => libc.dup3(NO_FD, NO_FD, 0),
};

for (const [name, call] of Object.entries(REPEATED)) {
  test(`libc: ${name} goes on while signals interrupt, and keeps the errno that ended it`, () => {
    const errnos = [Errno.EINTR, Errno.EINTR, Errno.ECONNREFUSED, Errno.ENOENT];
    using libc = fakeLibc((errno) => ({
      [name]: () => {
        errno[0] = errnos.shift()!;
        return -1;
      },
      close: () => {
        errno[0] = Errno.ENOENT; // the engine's own calls can do this at any time
        return -1;
      },
    }));
    const result = call(libc);
    libc.close(NO_FD);
    deepEqual([result, errnos.length], [-Errno.ECONNREFUSED, 1]);
    using other = fakeLibc(() => ({ [name]: () => 5 }));
    equal(call(other), 5);
  });
}

const NOT_REPEATED: Partial<Record<keyof LibcSymbols, (libc: Libc) => number>> = {
  close: (libc) => libc.close(NO_FD),
  connect: (libc) => libc.connect(NO_FD, bytes, bytes.length),
  epoll_wait: (libc) => libc.epollWait(NO_FD, bytes, 1, -1),
  poll: (libc) => libc.poll(bytes, -1),
};

for (const [name, call] of Object.entries(NOT_REPEATED)) {
  test(`libc: ${name} is not made again when a signal interrupts it`, () => {
    let calls = 0;
    using libc = fakeLibc((errno) => ({
      [name]: () => {
        calls++;
        errno[0] = Errno.EINTR;
        return -1;
      },
    }));
    deepEqual([call(libc), calls], [-Errno.EINTR, 1]);
  });
}
