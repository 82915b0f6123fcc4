import { deepEqual, equal, throws } from "node:assert/strict";
import type { HostPort } from "../../src/base/addr.ts";
import { fromHex, toHex } from "../../src/base/bytes.ts";
import { NativeError } from "../native.ts";
import type { NativeSockets } from "./native_sockets.ts";
import { PollList } from "./poll_list.ts";
import { connectFrom, lingerZero, listenAlone, listenShared } from "./shared_port.ts";
import { NAME_ROOM, readName, writeName, type Zones } from "./socket_name.ts";
import {
  DARWIN_SOCKETS,
  LINUX_SOCKETS,
  type SocketSystem,
  WINDOWS_SOCKETS,
} from "./socket_system.ts";
import { WinsockError } from "./winsock_error.ts";

const ZONES: Zones = { indexOf: (zone) => Number(zone.slice(-1)), nameOf: (index) => `en${index}` };

const ADDRESS = "20010db8000000000000000000000007";

/** Bytes of sockaddr_in for 198.51.100.2, and of sockaddr_in6 for 2001:db8::7, port 54312. */
const NAMES: [SocketSystem, string, string][] = [
  [LINUX_SOCKETS, "0200d428c63364020000000000000000", `0a00d42800000000${ADDRESS}00000000`],
  [DARWIN_SOCKETS, "1002d428c63364020000000000000000", `1c1ed42800000000${ADDRESS}00000000`],
  [WINDOWS_SOCKETS, "0200d428c63364020000000000000000", `1700d42800000000${ADDRESS}00000000`],
];

for (const [i, [system, v4, v6]] of NAMES.entries()) {
  const name = ["Linux", "macOS", "Windows"][i]!;
  const write = (at: HostPort) => {
    const bytes = new Uint8Array(NAME_ROOM).fill(0xee);
    const { family, size } = writeName(system, at, bytes, ZONES);
    return { family, hex: toHex(bytes.subarray(0, size)) };
  };

  Deno.test(`sockets of ${name}: addresses as the headers have them, both ways`, () => {
    const [first, second] = [
      { host: "198.51.100.2", port: 54_312 },
      { host: "2001:db8::7", port: 54_312 },
    ];
    deepEqual(write(first), { family: 2, hex: v4 });
    deepEqual(write(second), { family: system.afInet6, hex: v6 });
    deepEqual(readName(system, fromHex(v4), ZONES), first);
    deepEqual(readName(system, fromHex(v6), ZONES), second);
    const local = { host: "fe80::1%en4", port: 1 };
    const { hex } = write(local);
    equal(hex.slice(-8), "04000000");
    deepEqual(readName(system, fromHex(hex), ZONES), local);
    throws(() => write({ host: "localhost", port: 1 }), { kind: "internal" });
  });
}

Deno.test("sockets: lists for poll grow, and have room for a SOCKET on Windows", () => {
  const rows = [
    [LINUX_SOCKETS, "0700000005000000"],
    [DARWIN_SOCKETS, "0700000005000000"],
    [WINDOWS_SOCKETS, "07000000000000001001000000000000"],
  ] as const;
  for (const [system, hex] of rows) {
    const { pollIn, pollOut } = system;
    const list = new PollList(system);
    for (let i = 0; i < 50; i++) list.add(7 + i, pollIn | pollOut);
    equal(list.count, 50);
    const size = hex.length / 2;
    equal(toHex(list.bytes.subarray(0, size)), hex);
    equal(list.bytes[49 * size], 56);
    equal(list.happened(49), 0);
    list.bytes[49 * size + system.pollHandle + 2] = pollOut;
    equal(list.happened(49), pollOut);
    list.clear();
    list.add(1, pollIn);
    deepEqual([list.count, list.happened(0)], [1, 0]);
  }
});

/** Notes what is set, and gives what was asked for. */
class FakeSockets implements NativeSockets {
  readonly system: SocketSystem;
  readonly calls: string[] = [];
  connectResult = 0;

  constructor(system: SocketSystem) {
    this.system = system;
  }

  #note(...parts: (string | number)[]): number {
    this.calls.push(parts.join(" "));
    return 0;
  }

  socket(family: number, type: number): number {
    this.#note("socket", family, type);
    return 9;
  }
  makeNonBlocking = () => this.#note("nonblocking");
  bind = (_: number, name: Uint8Array, size: number) =>
    this.#note("bind", toHex(name.subarray(0, size)));
  connect(_: number, name: Uint8Array, size: number): number {
    this.#note("connect", toHex(name.subarray(0, size)));
    return this.connectResult;
  }
  listen = () => this.#note("listen");
  accept = () => 0;
  getsockname = () => 0;
  setOption = (_: number, level: number, option: number, value: Uint8Array) =>
    this.#note("set", level, option, toHex(value));
  getOption = () => 0;
  recv = () => 0;
  send = () => 0;
  shutdownWrite = () => 0;
  close = () => this.#note("close");
  poll = () => Promise.resolve(0);
  indexOf = ZONES.indexOf;
  nameOf = ZONES.nameOf;
  error = (call: string, result: number) => new NativeError(call, -result);
  [Symbol.dispose](): void {}
}

const ONE = "01000000";
const PEER = { host: "2001:db8::7", port: 54_312 };

Deno.test("sockets of macOS: a shared port takes both options, and no signal comes", () => {
  const sockets = new FakeSockets(DARWIN_SOCKETS);
  sockets.connectResult = -36; // EINPROGRESS
  equal(connectFrom(sockets, PEER, 7000), 9);
  deepEqual(sockets.calls, [
    "socket 30 1",
    "nonblocking",
    `set 65535 4 ${ONE}`, // SO_REUSEADDR
    `set 65535 512 ${ONE}`, // SO_REUSEPORT
    `set 41 27 ${ONE}`, // IPV6_V6ONLY
    `set 65535 4130 ${ONE}`, // SO_NOSIGPIPE
    `set 6 1 ${ONE}`, // TCP_NODELAY
    `bind 1c1e1b58${"0".repeat(48)}`,
    `connect 1c1ed42800000000${ADDRESS}00000000`,
  ]);
  lingerZero(sockets, 9);
  equal(sockets.calls.at(-1), "set 65535 128 0100000000000000");
});

Deno.test("sockets of Windows: one option shares a port, another keeps it from everybody", () => {
  const shared = new FakeSockets(WINDOWS_SOCKETS);
  equal(listenShared(shared, { host: "0.0.0.0", port: 7000 }), 9);
  deepEqual(shared.calls, [
    "socket 2 1",
    "nonblocking",
    `set 65535 4 ${ONE}`, // SO_REUSEADDR
    `set 6 1 ${ONE}`,
    `bind 02001b58${"0".repeat(24)}`,
    "listen",
  ]);
  const alone = new FakeSockets(WINDOWS_SOCKETS);
  listenAlone(alone, { host: "::", port: 7000 });
  deepEqual(alone.calls.slice(2, 4), [`set 65535 -5 ${ONE}`, `set 41 27 ${ONE}`]);
  lingerZero(alone, 9);
  equal(alone.calls.at(-1), "set 65535 128 01000000");
});

Deno.test("sockets: a connect that goes on is none that failed, and one that failed is closed", () => {
  for (const [system, goesOn] of [[LINUX_SOCKETS, 115], [WINDOWS_SOCKETS, 10_035]] as const) {
    const sockets = new FakeSockets(system);
    sockets.connectResult = -goesOn;
    equal(connectFrom(sockets, PEER, 7000), 9);
    sockets.connectResult = -1;
    throws(() => connectFrom(sockets, PEER, 7000), NativeError);
    equal(sockets.calls.at(-1), "close");
  }
});

Deno.test("errors of Windows Sockets have the names that they have elsewhere", () => {
  const refused = new WinsockError("connect", 10_061);
  equal(refused.message, "connect: ECONNREFUSED");
  equal(refused.is("ECONNREFUSED"), true);
  equal(refused.is("ETIMEDOUT", "EPIPE"), false);
  equal(new WinsockError("send", 10_058).is("EPIPE"), true);
  equal(new WinsockError("send", 1234).message, "send: error 1234");
});
