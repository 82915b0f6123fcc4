import { deepEqual, rejects, throws } from "node:assert/strict";
import type { NativeSockets } from "../../../ffi/sockets/native_sockets.ts";
import { openLinuxSocketCalls } from "../../../ffi/sockets/posix_sockets.ts";
import { test } from "../../../tests/check.ts";
import { openForeignSockets } from "../../../tests/fake/foreign_sockets.ts";
import { pauseBy, TCP_TRAITS } from "../../../tests/suite/real_nets.ts";
import { later, readAll, type StreamNet } from "../../../tests/suite/stream_net.ts";
import { eachCase, runCase } from "../../../tests/suite/stream_suite.ts";
import { accept, read, write } from "../../app/loop/stream_io.ts";
import { dial } from "../../app/net/dial_events.ts";
import { requireHostPort } from "../../base/addr.ts";
import { utf8 } from "../../base/bytes.ts";
import type { Connection } from "../../contract/connection.ts";
import { DenoClock } from "../reactor/deno_clock.ts";
import { openPolledPunch, polledPunch } from "./polled_punch.ts";
import { openPunchPorts } from "./punch_net.ts";

const SYSTEMS = {
  "Linux's constants": openLinuxSocketCalls,
  "those of macOS": () => openForeignSockets("darwin"),
  "those of Windows": () => openForeignSockets("windows"),
};

/** Linux's own sockets by the code that macOS and Windows have. */
function polledNet(open: () => NativeSockets): StreamNet {
  const clock = new DenoClock();
  const punch = polledPunch(open(), clock);
  return {
    dialer: punch.at({ host: "", port: 0 }).dialer,
    listen: (at, o) => punch.at(requireHostPort(at)).listen(o),
    at: { host: "127.0.0.1", port: 0 },
    pause: pauseBy(clock),
    traits: TCP_TRAITS,
    [Symbol.asyncDispose]: () => punch[Symbol.asyncDispose](),
  };
}

/** A port is shared, and each family has a listener of its own. */
const NOT_FOR_PUNCHING = [
  "a port that is taken is in use, and free after the close",
  "a listener on all addresses takes IPv4 and IPv6, and shows an IPv4 peer as IPv4",
];

const register = (name: string, run: () => Promise<void>) => {
  if (!NOT_FOR_PUNCHING.some((case_) => name.endsWith(case_))) test(name, run);
};

for (const [constants, open] of Object.entries(SYSTEMS)) {
  eachCase(`polled sockets, ${constants}`, TCP_TRAITS, register, async (one) => {
    await using net = polledNet(open);
    await runCase(one, net);
  });
}

function openPunch() {
  const { signal } = new AbortController();
  return { signal, punch: openPolledPunch("linux", new DenoClock()) };
}

test("polled sockets: a port connects and listens at once, and may be free before", async () => {
  const { punch, signal } = openPunch();
  await using _punch = punch;
  await using far = punch.at({ host: "127.0.0.1", port: 0 }).listen({ signal });
  const ports = openPunchPorts(punch, 0, { signal });
  await using _first = ports.listeners[0]!;
  await using _second = ports.listeners[1];
  throws(() => punch.requireFree(ports.port, { signal }), { kind: "in_use" });
  await using here = await dial(ports.dialer, far.addr, { signal });
  await using there = await accept(far, { signal });
  deepEqual(requireHostPort(there.remote).port, ports.port);
  await using back = await dial(
    punch.at({ host: "", port: 0 }).dialer,
    { host: "127.0.0.1", port: ports.port },
    { signal },
  );
  await using came = await accept(ports.listeners[0]!, { signal });
  deepEqual(came.remote, back.local);
  // A second connection to that address from that port cannot be.
  await rejects(dial(ports.dialer, far.addr, { signal }), { reason: "network" });
  deepEqual(here.remote, far.addr);
});

test("polled sockets: two SYNs that cross are a connection", async () => {
  const { punch, signal } = openPunch();
  await using _punch = punch;
  // A connect to its own address and port meets itself (RFC 9293, simultaneous open). Another program
  // may have got the port meanwhile.
  const meetItself = async (tries: number): Promise<Connection> => {
    const probe = punch.at({ host: "127.0.0.1", port: 0 }).listen({ signal });
    const { port } = requireHostPort(probe.addr);
    await probe[Symbol.asyncDispose]();
    try {
      const to = { host: "127.0.0.1", port };
      return await dial(punch.at({ host: "", port }).dialer, to, { signal });
    } catch (error) {
      if (tries === 1) throw error;
      return await meetItself(tries - 1);
    }
  };
  await using own = await meetItself(5);
  deepEqual(own.local, own.remote);
  await write(own, utf8("to itself"));
  await own.closeWrite();
  deepEqual(await readAll(own), utf8("to itself"));
});

test("polled sockets: the end of all closes what is open, and runs those that wait", async () => {
  const { punch, signal } = openPunch();
  const listener = punch.at({ host: "127.0.0.1", port: 0 }).listen({ signal });
  const here = await dial(punch.at({ host: "", port: 0 }).dialer, listener.addr, { signal });
  const there = await accept(listener, { signal });
  const waiting = [
    later(() => read(here, new Uint8Array(1))),
    later(() => read(there, new Uint8Array(1))),
    later(() => accept(listener, { signal })),
  ];
  const ended = Promise.allSettled(waiting);
  await punch[Symbol.asyncDispose]();
  for (const { status } of await ended) deepEqual(status, "rejected");
});
