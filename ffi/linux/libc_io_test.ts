import { deepEqual, equal, throws } from "node:assert/strict";
import { test } from "../../tests/check.ts";
import { Errno, NativeError } from "./errno.ts";
import { openLibc } from "./libc.ts";

const NO_FD = -1;

test("libc: a call that fails leaves its errno until the next one fails", () => {
  using libc = openLibc();
  equal(libc.call.close(NO_FD), -1);
  equal(libc.errno[0], Errno.EBADF);
  equal(libc.call.socket(NO_FD, 1, 0), -1);
  equal(libc.errno[0], Errno.EAFNOSUPPORT);
});

test("libc: check throws what a call failed with, and gives back what it returned", () => {
  using libc = openLibc();
  throws(
    () => libc.check("close", libc.call.close(NO_FD)),
    (error) => error instanceof NativeError && error.is("EBADF") && error.call === "close",
  );
  equal(libc.check("close", 3), 3);
});

test("libc: retry goes on while signals interrupt, and keeps the errno that ended it", () => {
  using libc = openLibc();
  const errnos = [Errno.EINTR, Errno.EINTR, Errno.ECONNREFUSED, Errno.ENOENT];
  const fail = () => {
    libc.errno[0] = errnos.shift()!;
    return -1;
  };
  const result = libc.retry(fail);
  libc.errno[0] = Errno.ENOENT; // the engine's own calls can do this at any time
  deepEqual([result, errnos.length], [-Errno.ECONNREFUSED, 1]);
  equal(libc.retry(() => 5), 5);
});
