import { deepEqual, equal, match, ok, throws } from "node:assert/strict";
import { formatCidr, parseCidr } from "../../base/addr.ts";
import { type ErrorKind, TtunError } from "../../base/errors.ts";
import { FakeCommands, linesOf } from "../../../tests/fake/commands.ts";
import type { NetworkConfig } from "./linux.ts";
import { changeWindowsAddresses, configureWindows, windowsSteps } from "./windows.ts";

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

const MTU4 = "netsh interface ipv4 set subinterface ttun0 mtu=1280 store=active";
const MTU6 = "netsh interface ipv6 set subinterface ttun0 mtu=1280 store=active";
const V4 = "netsh interface ipv4 set address name=ttun0 source=static address=10.1.1.1 " +
  "mask=255.255.255.252 store=active";
const V6 = "netsh interface ipv6 add address interface=ttun0 address=fc11::1/126 store=active";
const ROUTE = "netsh interface ipv4 add route prefix=10.2.0.0/16 interface=ttun0 store=active";
const BOTH = ["10.1.1.1/30", "fc11::1/126"];

const CASES: [string, NetworkConfig, string[]][] = [
  ["both families", config(BOTH), [MTU4, MTU6, V4, V6]],
  ["IPv4 alone", config(["10.1.1.1/30"]), [MTU4, V4]],
  ["IPv6 alone", config(["fc11::1/126"]), [MTU6, V6]],
  ["two of a family: the second is added", config(["10.1.1.1/30", "10.9.0.7/20"]), [
    MTU4,
    V4,
    "netsh interface ipv4 add address name=ttun0 address=10.9.0.7 mask=255.255.240.0 store=active",
  ]],
  ["peers", config(BOTH, { peers: ["10.7.7.7", "fd00::9"] }), [
    MTU4,
    MTU6,
    V4.replace("255.252", "255.255"),
    "netsh interface ipv4 add route prefix=10.7.7.7/32 interface=ttun0 store=active",
    V6.replace("/126", "/128"),
    "netsh interface ipv6 add route prefix=fd00::9/128 interface=ttun0 store=active",
  ]],
  ["routes, without host bits", config(["10.1.1.1/30"], { routes: ["10.2.9.9/16", "fd7::1/48"] }), [
    MTU4,
    V4,
    ROUTE,
    "netsh interface ipv6 add route prefix=fd7::/48 interface=ttun0 store=active",
  ]],
];

for (const [name, wanted, lines] of CASES) {
  Deno.test(`Windows: ${name}`, () => {
    deepEqual(linesOf(windowsSteps("ttun0", wanted)), lines);
  });
}

Deno.test("Windows: what was changed is taken back, the last change first", () => {
  const commands = new FakeCommands();
  const done = configureWindows("ttun0", config(BOTH, { routes: ["10.2.0.0/16"] }), commands.run);
  deepEqual(done.addresses.map(formatCidr), BOTH);
  commands.lines.length = 0;
  done[Symbol.dispose]();
  deepEqual(commands.lines, [
    ROUTE.replace("add", "delete"),
    "netsh interface ipv6 delete address interface=ttun0 address=fc11::1 store=active",
    "netsh interface ipv4 delete address name=ttun0 address=10.1.1.1 store=active",
  ]);
});

Deno.test("Windows: IPv6 needs its MTU", () => {
  const commands = new FakeCommands();
  const done = configureWindows("ttun0", config(BOTH, { mtu: 1000 }), commands.run);
  match(done.warnings[0]!, /IPv6 needs an MTU of at least 1280/);
  ok(!commands.lines.some((line) => line.includes("ipv6")));
});

Deno.test("Windows: an IPv6 address that nobody asked for may fail", () => {
  const commands = new FakeCommands().answer(V6, 1, "Element not found.");
  const done = configureWindows("ttun0", config(BOTH), commands.run);
  deepEqual(done.addresses.map(formatCidr), ["10.1.1.1/30"]);
  match(done.warnings[0]!, /^Cannot give ttun0 the address fc11::1\/126: .*Element not found\.$/);
});

const FAILURES: [string, string, string, ErrorKind, RegExp][] = [
  [
    "not an administrator",
    MTU4,
    "The requested operation requires elevation (Run as administrator).",
    "privilege",
    /no privilege for it; run ttun as administrator \(netsh interface ipv4 set subinterface/,
  ],
  ["a route that is there", ROUTE, "The object already exists.", "in_use", /there already/],
  [
    "words of another language",
    V4,
    "Falscher Parameter.\r\n",
    "system",
    /^Cannot give ttun0 the address 10\.1\.1\.1\/30: netsh .* says: Falscher Parameter\.$/,
  ],
];

for (const [name, words, output, kind, message] of FAILURES) {
  Deno.test(`Windows: ${name} is ${kind}`, () => {
    const commands = new FakeCommands().answer(words, 1, output);
    const wanted = config(["10.1.1.1/30"], { routes: ["10.2.0.0/16"] });
    throws(() => configureWindows("ttun0", wanted, commands.run), (error) => {
      ok(error instanceof TtunError);
      equal(error.kind, kind);
      match(error.message, message);
      return true;
    });
    equal(commands.lines.at(-1)?.includes("delete address"), words === ROUTE);
  });
}

Deno.test("Windows: addresses are changed, the old ones first; one that is gone is fine", () => {
  const commands = new FakeCommands().answer("delete", 1, "Element not found.");
  changeWindowsAddresses("ttun0", {
    remove: [parseCidr("10.1.1.2/30"), parseCidr("fc11::2/126")],
    add: [parseCidr("10.9.0.7/24")],
    mtu: 1280,
  }, commands.run);
  deepEqual(commands.lines, [
    "netsh interface ipv4 delete address name=ttun0 address=10.1.1.2 store=active",
    "netsh interface ipv6 delete address interface=ttun0 address=fc11::2 store=active",
    "netsh interface ipv4 add address name=ttun0 address=10.9.0.7 mask=255.255.255.0 store=active",
  ]);
});
