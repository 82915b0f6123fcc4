import { equal, match, ok } from "node:assert/strict";
import {
  type ErrorKind,
  TtunError,
  UnreachableError,
  type UnreachableReason,
} from "../../base/errors.ts";
import { Errno, type ErrnoName } from "../../../ffi/linux/errno.ts";
import { NativeError } from "../../../ffi/native.ts";
import { netError } from "./net_errors.ts";

type Doing = Parameters<typeof netError>[1];

/** For each call's errno: the kind of error, and words that must be in its sentence. */
const TABLE: Record<Doing, [ErrnoName, ErrorKind, RegExp][]> = {
  connect: [
    ["ECONNREFUSED", "unreachable", /refused; is the server running/],
    ["ETIMEDOUT", "timeout", /no answer/],
    ["ENETUNREACH", "unreachable", /no route/],
    ["EHOSTUNREACH", "unreachable", /no route/],
    ["ENETDOWN", "unreachable", /no route/],
    ["EHOSTDOWN", "unreachable", /no route/],
    ["EADDRNOTAVAIL", "unreachable", /no route/],
    ["EAFNOSUPPORT", "unreachable", /no route/],
    ["ECONNRESET", "unreachable", /ECONNRESET/],
    ["EPERM", "unreachable", /EPERM/],
    ["EMFILE", "exhausted", /connect to .*ulimit -n/],
    ["ENFILE", "exhausted", /ulimit -n/],
    ["ENOBUFS", "exhausted", /out of descriptors or memory/],
    ["ENOMEM", "exhausted", /out of descriptors or memory/],
  ],
  listen: [
    ["EADDRINUSE", "in_use", /port is taken.*--listen/],
    ["EACCES", "privilege", /below 1024.*CAP_NET_BIND_SERVICE/],
    ["EPERM", "privilege", /no privilege/],
    ["EADDRNOTAVAIL", "usage", /does not have that address/],
    ["EAFNOSUPPORT", "system", /EAFNOSUPPORT/],
    ["EMFILE", "exhausted", /listen on .*ulimit -n/],
  ],
  accept: [
    ["EMFILE", "exhausted", /accept on .*ulimit -n/],
    ["ENFILE", "exhausted", /accept on/],
    ["EBADF", "lost", /EBADF/],
  ],
  stream: [
    ["ECONNRESET", "lost", /it was reset/],
    ["EPIPE", "lost", /it was reset/],
    ["ETIMEDOUT", "lost", /no sign of life/],
    ["ECONNABORTED", "lost", /by this machine's administrator/],
    ["EHOSTUNREACH", "lost", /EHOSTUNREACH/],
    ["ENOBUFS", "exhausted", /go on with/],
  ],
};

for (const doing of Object.keys(TABLE) as Doing[]) {
  for (const [errno, kind, words] of TABLE[doing]) {
    Deno.test(`net_errors: ${errno} of ${doing} is ${kind}`, () => {
      const cause = new NativeError("call", Errno[errno]);
      const error = netError(cause, doing, { host: "fc11::1", port: 20203 });
      ok(error instanceof TtunError);
      equal(error.kind, kind);
      match(error.message, words);
      match(error.message, /^(Cannot|Lost) .*\[fc11::1\]:20203/);
      equal(error.cause, cause);
    });
  }
}

Deno.test("net_errors: the reason of a connect says how far it came", () => {
  const reasons: [ErrnoName, UnreachableReason][] = [
    ["ECONNREFUSED", "refused"],
    ["ENETUNREACH", "network"],
    ["ENETDOWN", "network"],
    ["EADDRNOTAVAIL", "network"],
    ["EAFNOSUPPORT", "network"],
    ["EHOSTUNREACH", "host"],
    ["EHOSTDOWN", "host"],
    ["ENODEV", "host"],
    ["EPERM", "host"],
  ];
  for (const [errno, reason] of reasons) {
    const error = netError(new NativeError("connect", Errno[errno]), "connect", {
      host: "192.0.2.1",
      port: 1,
    });
    equal(error instanceof UnreachableError && error.reason, reason, errno);
  }
});

Deno.test("net_errors: what is no system call's error stays what it is", () => {
  const own = new TtunError("timeout", "late");
  equal(netError(own, "connect", { host: "192.0.2.1", port: 1 }), own);
  equal(netError("text", "stream", { path: "/run/x" }), "text");
});

Deno.test("net_errors: an errno without a name is told by its number", () => {
  const error = netError(new NativeError("connect", 4711), "connect", { host: "::1", port: 1 });
  match(String(error), /connect: errno 4711/);
});
