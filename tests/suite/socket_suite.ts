import { deepEqual, equal, ok } from "node:assert/strict";
import { utf8 } from "../../src/base/bytes.ts";
import type { Addr } from "../../src/base/addr.ts";
import type { Connection } from "../../src/contract/connection.ts";
import { type Libc, openLibc } from "../../ffi/linux/libc.ts";
import { tryLocalAddr, tryRemoteAddr } from "../../ffi/linux/socket.ts";
import { check as checked } from "../../ffi/native.ts";
import { test } from "../check.ts";
import { connect, type Pair, readExactly, type StreamNet } from "./stream_net.ts";
import { write } from "../../src/app/loop/stream_io.ts";

/** netinet/in.h, netinet/tcp.h, sys/socket.h */
const OPTIONS = {
  TCP_NODELAY: [6, 1],
  SO_KEEPALIVE: [1, 9],
  TCP_KEEPIDLE: [6, 4],
  TCP_KEEPINTVL: [6, 5],
  TCP_USER_TIMEOUT: [6, 18],
} as const;

const NEEDS_DESCRIPTOR = ["TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_USER_TIMEOUT", "TCP_RTO_MAX_MS"];

const TUNING = {
  noDelay: true,
  keepAliveSeconds: 17,
  userTimeoutMs: 43_210,
  maxRetransmitPauseMs: 4_000,
};

/** Since Linux 6.15: before, that it could not be set is the right answer. */
const withoutRtoMax = (names: string[]) => names.filter((name) => name !== "TCP_RTO_MAX_MS");

/**
 * Tests a transport of kernel sockets for its options and statistics, through the
 * descriptor, past the code under test.
 */
export function socketSuite(
  label: string,
  open: (libc: Libc) => StreamNet,
  o: { hasDescriptor: boolean },
): void {
  const check = (name: string, run: (libc: Libc, pair: Pair, net: StreamNet) => Promise<void>) =>
    test(`${label}: ${name}`, async () => {
      using libc = openLibc();
      await using net = open(libc);
      await using pair = await connect(net);
      await run(libc, pair, net);
    });

  check("tuning sets what it does not name as unset", async (libc, { here, there }) => {
    await Promise.resolve();
    for (const stream of [here, there]) {
      const fd = descriptorOf(libc, stream);
      equal(option(libc, fd, "SO_KEEPALIVE"), 0);
      const unset = stream.setOptions(TUNING);
      deepEqual(
        withoutRtoMax(unset).sort(),
        o.hasDescriptor ? [] : withoutRtoMax(NEEDS_DESCRIPTOR).sort(),
      );
      equal(option(libc, fd, "TCP_NODELAY"), 1);
      equal(option(libc, fd, "SO_KEEPALIVE"), 1);
      if (!o.hasDescriptor) continue;
      equal(option(libc, fd, "TCP_KEEPIDLE"), 17);
      equal(option(libc, fd, "TCP_KEEPINTVL"), 17);
      equal(option(libc, fd, "TCP_USER_TIMEOUT"), 43_210);
    }
  });

  check("small segments are sent at once from the second write on", async (libc, pair) => {
    for (const stream of [pair.here, pair.there]) {
      await write(stream, utf8("one"));
      await write(stream, utf8("two"));
      equal(option(libc, descriptorOf(libc, stream), "TCP_NODELAY"), 1);
    }
  });

  check("only what is asked for is tuned, and named", async (libc, { here }) => {
    await Promise.resolve();
    deepEqual(here.setOptions({}), []);
    const fd = descriptorOf(libc, here);
    const before = option(libc, fd, "TCP_NODELAY");
    deepEqual(here.setOptions({ userTimeoutMs: 5 }), o.hasDescriptor ? [] : ["TCP_USER_TIMEOUT"]);
    equal(option(libc, fd, "SO_KEEPALIVE"), 0);
    equal(option(libc, fd, "TCP_NODELAY"), before);
    deepEqual(here.setOptions({ noDelay: true }), []);
    equal(option(libc, fd, "TCP_NODELAY"), 1);
    deepEqual(here.setOptions({ noDelay: false }), []);
    equal(option(libc, fd, "TCP_NODELAY"), 0);
  });

  check(
    "a congestion control is set by the least round trip, and told",
    async (_, { here, there }) => {
      await Promise.resolve();
      const unset = o.hasDescriptor ? [] : ["TCP_CONGESTION"];
      for (const stream of [here, there]) {
        const system = stream.congestion;
        equal(system !== "", o.hasDescriptor);
        const left = { far: "nonesuch", near: null, nearMs: 1000 };
        deepEqual(stream.setOptions({ congestion: left }), unset);
        equal(stream.congestion, system);
        if (!o.hasDescriptor) continue;
        const refused = { far: "nonesuch", near: "nonesuch", nearMs: 1000 };
        deepEqual(stream.setOptions({ congestion: refused }), ["TCP_CONGESTION"]);
        equal(stream.congestion, system);
        deepEqual(stream.setOptions({ congestion: { far: null, near: "reno", nearMs: 1000 } }), []);
        equal(stream.congestion, "reno");
        deepEqual(stream.setOptions({ congestion: { far: system, near: null, nearMs: 0 } }), []);
        equal(stream.congestion, system);
      }
    },
  );

  if (!o.hasDescriptor) {
    check("without the descriptor a stream knows that it is TCP, and no more", async (_, pair) => {
      await Promise.resolve();
      deepEqual(pair.here.stats(), { protocol: "tcp" });
    });
    return;
  }

  check("a value that the kernel refuses is named", async (_libc, { here }) => {
    await Promise.resolve();
    const refused = here.setOptions({ keepAliveSeconds: 1_000_000 });
    deepEqual(refused, ["TCP_KEEPIDLE", "TCP_KEEPINTVL"]);
  });

  check(
    "info counts what was acknowledged and what has arrived, read or not",
    async (_, pair, net) => {
      const before = { here: pair.here.stats(), there: pair.there.stats() };
      equal(before.here.protocol, "tcp");
      ok(before.here.segmentBytes! >= 500 && before.here.segmentBytes! <= 65_535);
      ok(before.here.rttMs !== undefined && before.here.rttMs >= 0 && before.here.rttMs < 10_000);
      await write(pair.here, new Uint8Array(10_000));
      await until(net, () => pair.there.stats().received! - before.there.received! === 10_000);
      await until(net, () => pair.here.stats().acked! - before.here.acked! === 10_000);
      await readExactly(pair.there, 10_000);
      equal(pair.there.stats().received! - before.there.received!, 10_000);
    },
  );

  check("what a peer does not take is not delivered", async (_, { here, there }, net) => {
    const size = 8 * 1024 * 1024; // more than two sockets hold
    const writing = write(here, new Uint8Array(size));
    await until(net, () => here.stats().isDelivered === false);
    await readExactly(there, size);
    await writing;
    await until(net, () => here.stats().isDelivered === true);
  });

  check("of what a peer that is gone did not take nothing is under way", async (_, pair, net) => {
    const { here, there } = pair;
    const writing = Promise.resolve(write(here, new Uint8Array(8 * 1024 * 1024)));
    writing.catch(() => {});
    await until(net, () => here.stats().isDelivered === false);
    there.reset();
    await until(net, () => here.stats().isDelivered === true);
    deepEqual([here.stats().peerClosed, here.stats().isGone], [true, true]);
  });

  check("the peer is closed by its own FIN, not by ours", async (_, { here, there }, net) => {
    deepEqual([here.stats().peerClosed, there.stats().peerClosed], [false, false]);
    await here.closeWrite();
    await until(net, () => there.stats().peerClosed === true);
    await net.pause(20);
    deepEqual([here.stats().peerClosed, here.stats().isGone], [false, false]);
    equal(there.stats().isGone, false, "a FIN is no end of the connection");
    await write(there, utf8("still here"));
    await readExactly(here, 10);
    await there.closeWrite();
    await until(net, () => here.stats().peerClosed === true);
  });

  check("a reset peer is closed", async (_, { here, there }, net) => {
    equal(there.stats().peerClosed, false);
    here.reset();
    await until(net, () => there.stats().peerClosed === true);
  });
}

/** Waits for what the kernel does in its own time. */
async function until(net: StreamNet, holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries++) {
    ok(tries < 500, `does not come about: ${holds}`);
    await net.pause(10);
  }
}

/** The stream's descriptor, found by its two addresses. */
function descriptorOf(libc: Libc, stream: Connection): number {
  const text = (addr: Addr | null) => JSON.stringify(addr);
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    const fd = Number(name);
    const isIt = text(tryLocalAddr(libc, fd)) === text(stream.local) &&
      text(tryRemoteAddr(libc, fd)) === text(stream.remote);
    if (isIt) return fd;
  }
  throw new Error(`There is no descriptor for ${text(stream.local)}`);
}

function option(libc: Libc, fd: number, name: keyof typeof OPTIONS): number {
  const value = new Int32Array(1);
  const length = new Uint8Array(new Uint32Array([4]).buffer);
  const [level, number] = OPTIONS[name];
  const bytes = new Uint8Array(value.buffer);
  checked(name, libc.getsockopt(fd, level, number, bytes, length));
  return value[0]!;
}
