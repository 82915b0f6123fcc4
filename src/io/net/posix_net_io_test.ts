import { equal } from "node:assert/strict";
import { openLibc } from "../../../ffi/linux/libc.ts";
import { startConnect } from "../../../ffi/linux/socket.ts";
import { check } from "../../../ffi/native.ts";
import { test } from "../../../tests/check.ts";
import { runInWorker } from "../../../tests/in_worker.ts";
import { posixNet, TCP_TRAITS } from "../../../tests/suite/real_nets.ts";
import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { Connection } from "../../contract/connection.ts";
import { eachCase, runCase } from "../../../tests/suite/stream_suite.ts";
import { dial } from "../../app/net/dial_events.ts";
import { accept } from "../../app/loop/stream_io.ts";

eachCase("posix_net", TCP_TRAITS, test, async (one) => {
  using libc = openLibc();
  await using net = posixNet(libc, "async");
  await runCase(one, net);
});

const WORKER = new URL("../../../tests/suite/stream_worker.ts", import.meta.url);

eachCase(
  "posix_net, blocking",
  TCP_TRAITS,
  test,
  (one) => runInWorker(WORKER, one.name),
);

const MSG_OOB = 1;

test("posix_net: what stands behind an urgent byte is read without another wake-up", async () => {
  using libc = openLibc();
  await using net = posixNet(libc, "async");
  const { signal } = new AbortController();
  await using listener = net.listen(net.at, { signal });
  const port = (listener.addr as { port: number }).port;
  const fd = startConnect(libc, { host: "127.0.0.1", port }, { mptcp: false });
  try {
    await using there = await accept(listener, { signal });
    const send = (text: string, flags: number) => {
      check("send", libc.send(fd, utf8(text), flags));
    };
    send("ab!", MSG_OOB); // the last byte is the urgent one
    send("cd", 0);
    await net.pause(20);
    const into = new Uint8Array(16);
    const got: string[] = [];
    for (let n = there.readNow(into); typeof n === "number"; n = there.readNow(into)) {
      got.push(new TextDecoder().decode(into.subarray(0, n)));
    }
    equal(got.join(""), "abcd");
  } finally {
    libc.close(fd);
  }
});

test("posix_net: the port that a connection goes out from can be listened on", async () => {
  using libc = openLibc();
  await using net = posixNet(libc, "async");
  const { signal } = new AbortController();
  await using listener = net.listen(net.at, { signal });
  for (let left = 20;;) {
    await using here = await dial(net.dialer, listener.addr, { signal });
    await using _there = await accept(listener, { signal });
    const { port } = here.local as { port: number };
    try {
      for (const host of ["127.0.0.1", ""]) {
        await using taken = net.listen({ host, port }, { signal });
        equal((taken.addr as { port: number }).port, port);
      }
      return;
    } catch (error) {
      // The kernel gives one port to connections to different places: another program may have it too.
      if (!(error instanceof TtunError) || error.kind !== "in_use" || --left === 0) throw error;
    }
  }
});

const TCP = 6;
const TCP_INFO = 11;
const TCPI_SEGS_IN = 140;

test("posix_net: last bytes and FIN are one segment, by closeWrite or by the close", async () => {
  using libc = openLibc();
  await using net = posixNet(libc, "async");
  const { signal } = new AbortController();
  await using listener = net.listen(net.at, { signal });
  const port = (listener.addr as { port: number }).port;
  for (const closes of [false, true]) {
    const fd = startConnect(libc, { host: "127.0.0.1", port }, { mptcp: false });
    const segments = () => {
      const info = new Uint8Array(256);
      const length = new Uint8Array(new Uint32Array([info.length]).buffer);
      check("getsockopt", libc.getsockopt(fd, TCP, TCP_INFO, info, length));
      return new DataView(info.buffer).getUint32(TCPI_SEGS_IN, true);
    };
    try {
      const there = await accept(listener, { signal });
      const before = segments();
      equal(there.writeNow(utf8("bye"), true), 3);
      there.closeWrite(closes);
      if (closes) await there[Symbol.asyncDispose]();
      await net.pause(20);
      equal(segments() - before, 1);
      const into = new Uint8Array(16);
      equal(libc.recv(fd, into, 0), 3);
      equal(libc.recv(fd, into, 0), 0);
      if (!closes) await there[Symbol.asyncDispose]();
    } finally {
      libc.close(fd);
    }
  }
});

const TCP_NODELAY = 1;

test("posix_net: TCP_NODELAY is the listener's, and set where a dialled socket's segment could wait", async () => {
  using libc = openLibc();
  await using net = posixNet(libc, "async");
  const { signal } = new AbortController();
  await using listener = net.listen(net.at, { signal });
  let calls = 0;
  const { setsockopt } = libc;
  libc.setsockopt = (fd, level, option, value) => {
    if (level === TCP && option === TCP_NODELAY) calls++;
    return setsockopt.call(libc, fd, level, option, value);
  };
  const count = async (act: (here: Connection, there: Connection) => void) => {
    calls = 0;
    await using here = await dial(net.dialer, listener.addr, { signal });
    await using there = await accept(listener, { signal });
    act(here, there);
    return calls;
  };
  const short = utf8("short");
  equal(await count((_, there) => [1, 2, 3].forEach(() => there.writeNow(short))), 0);
  equal(await count((here) => here.writeNow(short)), 0);
  equal(await count((here) => [1, 2, 3].forEach(() => here.writeNow(short))), 1);
  equal(await count((here) => here.writeNow(new Uint8Array(1000))), 1);
  equal(
    await count((here) => {
      here.setOptions({ noDelay: true });
      here.writeNow(new Uint8Array(1000));
    }),
    1,
  );
});
