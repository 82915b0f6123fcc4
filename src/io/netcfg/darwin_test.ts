import { deepEqual, equal, match, ok, throws } from "node:assert/strict";
import { formatCidr, parseCidr } from "../../base/addr.ts";
import { type ErrorKind, TtunError } from "../../base/errors.ts";
import { FakeCommands, linesOf } from "../../../tests/fake/commands.ts";
import type { NetworkConfig } from "./linux.ts";
import { changeDarwinAddresses, configureDarwin, darwinSteps } from "./darwin.ts";

function config(
  addresses: string[],
  o: { peers?: string[]; routes?: string[]; mtu?: number; asked?: boolean } = {},
): NetworkConfig {
  return {
    mtu: o.mtu ?? 1280,
    addresses: addresses.map(parseCidr),
    peers: (o.peers ?? []).map(parseCidr),
    routes: (o.routes ?? []).map(parseCidr),
    addressesExplicit: o.asked ?? false,
  };
}

const UP = "/sbin/ifconfig utun3 mtu 1280 up";
const V4 = "/sbin/ifconfig utun3 inet 10.1.1.1/30 10.1.1.2 alias";
const V4_NET = "/sbin/route -n add -inet 10.1.1.0/30 -interface utun3";
const V6 = "/sbin/ifconfig utun3 inet6 fc11::1 prefixlen 126 alias";
const V6_NET = "/sbin/route -n add -inet6 fc11::/126 -interface utun3";
const BOTH = ["10.1.1.1/30", "fc11::1/126"];

const CASES: [string, NetworkConfig, string[]][] = [
  ["both families", config(BOTH), [V4, V4_NET, V6, V6_NET]],
  ["the upper of two hosts", config(["10.1.1.2/30"]), [
    "/sbin/ifconfig utun3 inet 10.1.1.2/30 10.1.1.1 alias",
    V4_NET,
  ]],
  ["a network of two", config(["10.1.1.4/31"]), [
    "/sbin/ifconfig utun3 inet 10.1.1.4/31 10.1.1.5 alias",
    "/sbin/route -n add -inet 10.1.1.4/31 -interface utun3",
  ]],
  ["a larger network", config(["10.9.0.7/24"]), [
    "/sbin/ifconfig utun3 inet 10.9.0.7/24 10.9.0.7 alias",
    "/sbin/route -n add -inet 10.9.0.0/24 -interface utun3",
  ]],
  ["addresses that stand for themselves alone", config(["10.9.0.7", "fd00::7"]), [
    "/sbin/ifconfig utun3 inet 10.9.0.7/32 10.9.0.7 alias",
    "/sbin/ifconfig utun3 inet6 fd00::7 prefixlen 128 alias",
  ]],
  ["peers", config(BOTH, { peers: ["10.7.7.7", "fd00::9"] }), [
    "/sbin/ifconfig utun3 inet 10.1.1.1/32 10.7.7.7 alias",
    "/sbin/ifconfig utun3 inet6 fc11::1 fd00::9 prefixlen 128 alias",
    "/sbin/route -n add -inet6 fd00::9/128 -interface utun3",
  ]],
  ["routes, without host bits", config([], { routes: ["192.168.7.9/16", "fd00:7::1/48"] }), [
    "/sbin/route -n add -inet 192.168.0.0/16 -interface utun3",
    "/sbin/route -n add -inet6 fd00:7::/48 -interface utun3",
  ]],
];

for (const [name, wanted, lines] of CASES) {
  Deno.test(`macOS: ${name}`, () => {
    deepEqual(linesOf(darwinSteps("utun3", wanted)), [UP, ...lines]);
  });
}

Deno.test("macOS: what was changed is taken back, the last change first", () => {
  const commands = new FakeCommands();
  const done = configureDarwin("utun3", config(BOTH, { routes: ["10.2.0.0/16"] }), commands.run);
  equal(done.changed, true);
  deepEqual(done.addresses.map(formatCidr), BOTH);
  deepEqual(done.warnings, []);
  commands.lines.length = 0;
  done[Symbol.dispose]();
  deepEqual(commands.lines, [
    "/sbin/route -n delete -inet 10.2.0.0/16 -interface utun3",
    "/sbin/route -n delete -inet6 fc11::/126 -interface utun3",
    "/sbin/ifconfig utun3 inet6 fc11::1 -alias",
    "/sbin/route -n delete -inet 10.1.1.0/30 -interface utun3",
    "/sbin/ifconfig utun3 inet 10.1.1.1 -alias",
  ]);
  done[Symbol.dispose]();
  equal(commands.lines.length, 5, "once only");
});

Deno.test("macOS: an IPv6 network whose route is there already is fine, and not ours to delete", () => {
  const commands = new FakeCommands()
    .answer(V6_NET, 0, "route: writing to routing socket: File exists\nadd net fc11::: …");
  const done = configureDarwin("utun3", config(["fc11::1/126"], { asked: true }), commands.run);
  deepEqual(done.addresses.map(formatCidr), ["fc11::1/126"]);
  done[Symbol.dispose]();
  ok(!commands.lines.some((line) => line.includes("route -n delete")));
});

Deno.test("macOS: an IPv6 address that nobody asked for may fail, and leaves nothing behind", () => {
  const commands = new FakeCommands().answer(V6_NET, 0, "route: bad address: fc11::");
  const done = configureDarwin("utun3", config(BOTH), commands.run);
  deepEqual(done.addresses.map(formatCidr), ["10.1.1.1/30"]);
  equal(done.warnings.length, 1);
  match(done.warnings[0]!, /^Cannot give utun3 the address fc11::1\/126: .*bad address/);
  ok(commands.lines.includes("/sbin/ifconfig utun3 inet6 fc11::1 -alias"));
});

Deno.test("macOS: IPv6 needs its MTU", () => {
  const small = { mtu: 1000 };
  const commands = new FakeCommands();
  const done = configureDarwin("utun3", config(BOTH, small), commands.run);
  match(done.warnings[0]!, /IPv6 needs an MTU of at least 1280/);
  ok(!commands.lines.some((line) => line.includes("inet6")));
  throws(
    () => configureDarwin("utun3", config(BOTH, { ...small, asked: true }), commands.run),
    (error) => error instanceof TtunError && error.kind === "usage",
  );
});

const FAILURES: [string, string, number, string, ErrorKind, RegExp][] = [
  [
    "ifconfig without root",
    UP,
    1,
    "ifconfig: ioctl (set mtu): Operation not permitted",
    "privilege",
    /^Cannot set the MTU of utun3 to 1280 and bring it up: no privilege for it; run ttun with sudo \(\/sbin\/ifconfig utun3 mtu 1280 up\)$/,
  ],
  [
    "ifconfig's permission denied",
    V4,
    1,
    "ifconfig: ioctl (SIOCAIFADDR): permission denied",
    "privilege",
    /run ttun with sudo/,
  ],
  [
    "route without root",
    V4_NET,
    77,
    "route: must be root to alter routing table",
    "privilege",
    /run ttun with sudo/,
  ],
  [
    "route that says 0",
    "add -inet 10.2.0.0/16",
    0,
    "route: writing to routing socket: File exists",
    "in_use",
    /^Cannot add the route to 10\.2\.0\.0\/16: it is there already/,
  ],
  [
    "another failure",
    V4,
    1,
    "ifconfig: interface utun3\n does not exist",
    "system",
    /inet 10\.1\.1\.1\/30 10\.1\.1\.2 alias says: ifconfig: interface utun3 does not exist$/,
  ],
  ["a silent failure", V4, 3, "", "system", /it ended with status 3$/],
];

for (const [name, words, code, output, kind, message] of FAILURES) {
  Deno.test(`macOS: ${name} is ${kind}, and all is taken back`, () => {
    const commands = new FakeCommands().answer(words, code, output);
    const wanted = config(["10.1.1.1/30"], { routes: ["10.2.0.0/16"] });
    throws(() => configureDarwin("utun3", wanted, commands.run), (error) => {
      ok(error instanceof TtunError);
      equal(error.kind, kind);
      match(error.message, message);
      return true;
    });
    const addressWasSet = commands.lines.includes(V4) && words !== V4;
    equal(commands.lines.includes("/sbin/ifconfig utun3 inet 10.1.1.1 -alias"), addressWasSet);
  });
}

Deno.test("macOS: addresses are changed, the old ones first; one that is gone is fine", () => {
  const commands = new FakeCommands()
    .answer("-alias", 1, "ifconfig: ioctl (SIOCDIFADDR): Can't assign requested address")
    .answer("delete", 0, "route: writing to routing socket: not in table");
  changeDarwinAddresses("utun3", {
    remove: [parseCidr("10.1.1.2/30")],
    add: [parseCidr("10.9.0.7/24")],
    mtu: 1280,
  }, commands.run);
  deepEqual(commands.lines, [
    "/sbin/route -n delete -inet 10.1.1.0/30 -interface utun3",
    "/sbin/ifconfig utun3 inet 10.1.1.2 -alias",
    "/sbin/ifconfig utun3 inet 10.9.0.7/24 10.9.0.7 alias",
    "/sbin/route -n add -inet 10.9.0.0/24 -interface utun3",
  ]);
});
