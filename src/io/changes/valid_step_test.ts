import { deepEqual, equal, match } from "node:assert/strict";
import fc from "fast-check";
import { describeStep, type UndoStep } from "./undo_step.ts";
import { validStep } from "./valid_step.ts";

const STEPS: UndoStep[] = [
  { kind: "rule", family: 6, priority: 32765, table: 29812, mark: 7 },
  { kind: "rule", family: 4, priority: 1, table: 29812 },
  { kind: "routes", table: 29812 },
  { kind: "deviceRoute", device: "tun0", to: "fd00::/64" },
  { kind: "deviceRoute", device: "tun0", to: "10.0.0.0/8", index: 7 },
  { kind: "resolved", device: "tun0", index: 7 },
  { kind: "nft", family: "inet", table: "ttun_nat_4711_815" },
  {
    kind: "iptables",
    program: "ip6tables",
    table: "mangle",
    chains: { PREROUTING: "ttun-r-4711_815", POSTROUTING: "ttun-s-4711_815" },
  },
  { kind: "resolvConf", path: "/etc/resolv.conf" },
  { kind: "resolvconf", name: "tun0.ttun" },
  { kind: "resolved", device: "tun0" },
  { kind: "sysctl", path: "/proc/sys/net/ipv6/conf/eth0.100/accept_ra", before: "1", after: "2" },
  {
    kind: "desktopProxy",
    by: "gsettings",
    before: { mode: "'none'", url: "''" },
    after: { mode: "'auto'", url: "'http://127.0.0.1:1080/proxy.pac'" },
  },
];

Deno.test("journal: every step of ttun's own is read as it was written", () => {
  for (const step of STEPS) deepEqual(validStep(JSON.parse(JSON.stringify(step))), step);
});

Deno.test("journal: files, names and numbers of others are refused", () => {
  const sysctl = { kind: "sysctl", path: "/proc/sys/net/ipv4/ip_forward", before: "0", after: "1" };
  const iptables = { kind: "iptables", program: "iptables", table: "nat", chains: {} };
  const proxy = { kind: "desktopProxy", by: "gsettings", before: {}, after: {} };
  const refused = [
    { ...sysctl, path: "/etc/passwd" },
    { ...sysctl, path: "/proc/sys/net/ipv4/../../kernel/core_pattern" },
    { ...sysctl, path: "/proc/sys/net/ipv4/./ip_forward" },
    { ...sysctl, path: "/proc/sys/net/core/somaxconn" },
    { ...sysctl, path: "/proc/sys/net/ipv4/ip_forward\n" },
    { ...sysctl, before: "|/tmp/x" },
    { ...sysctl, after: 1 },
    { kind: "resolvConf", path: "/etc/shadow" },
    { kind: "resolvconf", name: "eth0.dhcp" },
    { kind: "resolved", device: "--help" },
    { kind: "resolved", device: "a\u001b[2Jb" },
    { kind: "deviceRoute", device: "tun0", to: "everything" },
    { kind: "deviceRoute", device: "tun0", to: "10.0.0.0/8", index: "7" },
    { kind: "deviceRoute", device: "a/b", to: "10.0.0.0/8" },
    { kind: "nft", family: "inet", table: "filter" },
    { kind: "nft", family: "bridge", table: "ttun_1" },
    { ...iptables, chains: undefined },
    { ...iptables, chains: { OUTPUT: "DOCKER" } },
    { ...iptables, chains: { OUTPUT: 1 } },
    { ...iptables, program: "/tmp/iptables", chains: {} },
    { kind: "routes", table: -1 },
    { ...proxy, by: "/tmp/gsettings" },
    { ...proxy, before: { mode: "--help" } },
    { ...proxy, after: { mode: "'auto'\n" } },
    { ...proxy, after: [] },
    { ...proxy, after: undefined },
    { kind: "rule", family: 5, priority: 1, table: 1 },
    { kind: "toString" },
    {},
    null,
    "routes",
  ];
  for (const step of refused) equal(validStep(step), null, JSON.stringify(step));
});

Deno.test("journal: a step of any garbage is refused, or told in one line of plain characters", () => {
  const kinds = STEPS.map(({ kind }) => kind);
  const garbage = fc.oneof(fc.anything(), fc.string(), fc.constantFrom("inet", 4, "nat", "1", {}));
  const keys = [...new Set(STEPS.flatMap((step) => Object.keys(step)))];
  const step = fc.tuple(
    fc.constantFrom(...kinds),
    fc.dictionary(fc.constantFrom(...keys.filter((key) => key !== "kind")), garbage),
    fc.constantFrom(...STEPS),
  ).map(([kind, members, base]) => ({ ...base, ...members, kind }));
  fc.assert(fc.property(fc.oneof(fc.anything(), step), (value) => {
    const valid = validStep(value);
    if (valid !== null) match(describeStep(valid), /^[^\p{C}\n]+$/u);
  }));
});
