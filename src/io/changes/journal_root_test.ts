import { deepEqual, equal, match, throws } from "node:assert/strict";
import { test } from "../../../tests/check.ts";
import { requireOwnNamespace } from "../../../tests/own_namespace.ts";
import { openLibc } from "../../../ffi/linux/libc.ts";
import { Netlink } from "../../../ffi/linux/netlink.ts";
import { parseCidr } from "../../base/addr.ts";
import { Journal } from "./journal.ts";
import { appendLine, listJournals } from "./journal_folder.ts";
import { ownerLine, stepLine } from "./journal_text.ts";
import { ownIdentity } from "./process_identity.ts";
import { findLeftovers, repair } from "./repair.ts";
import { TTUN_PROTOCOL, type UndoStep } from "./undo_step.ts";

const TABLE = 29_999;
const SYSCTL = "/proc/sys/net/ipv4/conf/lo/proxy_arp";

const STEPS: UndoStep[] = [
  { kind: "routes", table: TABLE },
  { kind: "rule", family: 4, priority: 31_000, table: TABLE, mark: 7 },
  { kind: "rule", family: 6, priority: 31_000, table: TABLE, mark: 7 },
  { kind: "nft", family: "inet", table: "ttun_test" },
  {
    kind: "iptables",
    program: "iptables",
    table: "filter",
    chains: { OUTPUT: "ttun-o-test", FORWARD: "ttun-f-test" },
  },
  { kind: "sysctl", path: SYSCTL, before: "0", after: "1" },
];

/** All that the steps above are about, as the system's programs tell it. */
function state(): string {
  const text = (command: string) => {
    const { stdout } = new Deno.Command("sh", { args: ["-c", command] }).outputSync();
    return new TextDecoder().decode(stdout);
  };
  return [
    text("ip rule; ip -6 rule; ip route show table all; ip -6 route show table all"),
    text("nft list ruleset | sed 's/packets.*bytes [0-9]*//'"),
    Deno.readTextFileSync(SYSCTL),
  ].join("\n");
}

function sh(script: string): void {
  const { success, stderr } = new Deno.Command("sh", { args: ["-euc", script] }).outputSync();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

/** Makes what the steps are about, and beside it what looks alike and is another program's. */
function makeChanges(): void {
  using libc = openLibc();
  using netlink = new Netlink(libc);
  sh("ip link set lo up");
  for (const family of [4, 6] as const) {
    netlink.addRule({
      family,
      priority: 31_000,
      table: TABLE,
      mark: 7,
      isInverted: true,
      protocol: TTUN_PROTOCOL,
    });
    netlink.addRoute({
      index: 0,
      refusal: "unreachable",
      table: TABLE,
      to: parseCidr(family === 4 ? "198.18.0.0/15" : "2001:db8::/32"),
      protocol: TTUN_PROTOCOL,
    });
  }
  sh(`
    nft 'add table inet ttun_test; add chain inet ttun_test c { type filter hook output priority 0; }'
    for chain in ttun-o-test ttun-f-test; do iptables -w -N $chain; iptables -w -A $chain -j RETURN; done
    iptables -w -I OUTPUT -j ttun-o-test
    iptables -w -I FORWARD -j ttun-f-test
    echo 1 >${SYSCTL}`);
}

const OWN = ownIdentityHere();
const DEAD = { ...OWN, start: "1" };

function ownIdentityHere() {
  using libc = openLibc();
  return ownIdentity(libc);
}

function journalOf(owner: typeof DEAD, outlives = false): string {
  return ownerLine(owner) +
    STEPS.map((step, i) => stepLine({ number: i + 1, step, outlives })).join("");
}

const FOREIGN = `
  ip route add 198.51.100.0/24 dev lo table ${TABLE}
  ip rule add fwmark 9 lookup ${TABLE} priority 31000
  nft add table inet ttun_other`;

test("repair: what a dead process has made is taken away, and nothing else", () => {
  requireOwnNamespace();
  const folder = Deno.makeTempDirSync();
  using libc = openLibc();
  sh(`
    ip link set lo up
    for chain in OUTPUT FORWARD; do iptables -w -I $chain -j ACCEPT; iptables -w -F $chain; done`);
  sh(FOREIGN);
  const before = state();
  makeChanges();
  Deno.writeTextFileSync(`${folder}/1-a-1-0.changes`, journalOf(DEAD));
  const done = repair(findLeftovers(libc, folder), libc, { keepsOutliving: true });
  equal(state(), before);
  deepEqual(done.map(({ what, failure }) => [what, failure]), [
    ["net.ipv4.conf.lo.proxy_arp = 1", undefined],
    ["the iptables chains ttun-o-test, ttun-f-test", undefined],
    ["the nftables table inet ttun_test", undefined],
    [`the IPv6 rule 31000 for table ${TABLE}`, undefined],
    [`the IPv4 rule 31000 for table ${TABLE}`, undefined],
    [`the routes of table ${TABLE}`, undefined],
  ]);
  deepEqual([...Deno.readDirSync(folder)], []);
  // Changes that were never made, or are another's now, are left alone.
  Deno.writeTextFileSync(SYSCTL, "0");
  Deno.writeTextFileSync(`${folder}/1-a-1-0.changes`, journalOf(DEAD));
  deepEqual(repair(findLeftovers(libc, folder), libc, { keepsOutliving: false }), []);
  equal(state(), before);
  sh(`
    ip route del 198.51.100.0/24 dev lo table ${TABLE}
    ip rule del fwmark 9 lookup ${TABLE} priority 31000
    nft delete table inet ttun_other`);
  Deno.removeSync(folder, { recursive: true });
});

test("repair: what outlives its process stays until it is taken down on purpose", () => {
  requireOwnNamespace();
  const folder = Deno.makeTempDirSync();
  using libc = openLibc();
  makeChanges();
  Deno.writeTextFileSync(`${folder}/1-a-1-0.changes`, journalOf(DEAD, true));
  const made = state();
  deepEqual(repair(findLeftovers(libc, folder), libc, { keepsOutliving: true }), []);
  equal(state(), made);
  equal(repair(findLeftovers(libc, folder), libc, { keepsOutliving: false }).length, STEPS.length);
  deepEqual(findLeftovers(libc, folder), []);
  Deno.removeSync(folder, { recursive: true });
});

test("repair: the living, other networks and other users' files are left alone", () => {
  requireOwnNamespace();
  const folder = Deno.makeTempDirSync();
  using libc = openLibc();
  Deno.writeTextFileSync(`${folder}/1.changes`, journalOf(OWN));
  Deno.writeTextFileSync(`${folder}/2.changes`, journalOf({ ...DEAD, network: "net:[1]" }));
  Deno.writeTextFileSync(`${folder}/3.changes`, journalOf(DEAD));
  Deno.chownSync(`${folder}/3.changes`, 65534, 65534);
  Deno.symlinkSync(`${folder}/3.changes`, `${folder}/4.changes`);
  deepEqual(findLeftovers(libc, folder), []);
  Deno.removeSync(folder, { recursive: true });
});

test("repair: of another user's journal root undoes what that user could have made, and no more", () => {
  requireOwnNamespace();
  const folder = Deno.makeTempDirSync();
  using libc = openLibc();
  makeChanges();
  Deno.writeTextFileSync(`${folder}/1.changes`, journalOf(DEAD, true));
  Deno.chownSync(folder, 65534, 65534);
  Deno.chownSync(`${folder}/1.changes`, 65534, 65534);
  const kinds = findLeftovers(libc, folder)[0]!.open.map(({ step }) => step.kind);
  deepEqual(kinds, ["routes", "rule", "rule", "nft", "iptables"]);
  repair(findLeftovers(libc, folder), libc, { keepsOutliving: false });
  equal(Deno.readTextFileSync(SYSCTL), "1\n");
  deepEqual(findLeftovers(libc, folder), []);
  Deno.writeTextFileSync(`${folder}/1.changes`, journalOf(DEAD));
  repair(findLeftovers(libc, folder), libc, { keepsOutliving: false });
  Deno.removeSync(folder, { recursive: true });
});

test("repair: lines that are not ttun's are told and not undone", () => {
  const folder = Deno.makeTempDirSync();
  using libc = openLibc();
  const victim = `${folder}/victim`;
  Deno.writeTextFileSync(victim, "as it was");
  const step = { kind: "sysctl", path: victim, before: "overwritten", after: "as it was" };
  const path = `${folder}/1.changes`;
  const line = JSON.stringify({ number: 1, outlives: false, step });
  const chainless = '{"number":2,"step":{"kind":"iptables","program":"iptables","table":"nat"}}';
  Deno.writeTextFileSync(path, `${ownerLine(DEAD)}\n${line}\n${chainless}`);
  deepEqual(repair(findLeftovers(libc, folder), libc, { keepsOutliving: true }), []);
  const [left] = findLeftovers(libc, folder);
  deepEqual([left!.open, left!.strange], [[], 2]);
  deepEqual(repair([left!], libc, { keepsOutliving: false }), []);
  equal(Deno.readTextFileSync(victim), "as it was");
  deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["victim"]);
  Deno.removeSync(folder, { recursive: true });
});

test("repair: a folder's owner has root write to no other file, and wait for none", () => {
  const folder = Deno.makeTempDirSync();
  using libc = openLibc();
  const victim = `${folder}/victim`;
  const text = journalOf(DEAD);
  Deno.writeTextFileSync(victim, text);
  const path = `${folder}/1.changes`;
  for (const isForeign of [true, false]) {
    Deno.writeTextFileSync(path, text);
    Deno.chownSync(folder, 65534, 65534);
    if (isForeign) Deno.chownSync(path, 65534, 65534);
    const found = findLeftovers(libc, folder);
    equal(found.length, 1);
    Deno.renameSync(path, `${folder}/found`); // its inode is not used again
    for (const put of [Deno.symlinkSync, Deno.linkSync, Deno.copyFileSync]) {
      put(victim, path);
      if (isForeign && put === Deno.copyFileSync) Deno.chownSync(path, 65534, 65534);
      appendLine({ path, id: found[0]!.id ?? "" }, "\nmore");
      equal(Deno.readTextFileSync(path), text);
      if (put !== Deno.copyFileSync) deepEqual(findLeftovers(libc, folder), []);
      Deno.removeSync(path);
    }
  }
  sh(`mkfifo ${path}`);
  deepEqual(findLeftovers(libc, folder), []);
  equal(Deno.readTextFileSync(victim), text);
  Deno.removeSync(folder, { recursive: true });
});

/** Runs with programs that are refused, in place of the system's. */
function withRefusedPrograms(run: () => void): void {
  const folder = Deno.makeTempDirSync();
  for (const name of ["nft", "iptables"]) {
    const words = "Operation not permitted (you must be root)";
    Deno.writeTextFileSync(`${folder}/${name}`, `#!/bin/sh\necho '${words}' >&2\nexit 1\n`);
    Deno.chmodSync(`${folder}/${name}`, 0o755);
  }
  withPath(`${folder}:${Deno.env.get("PATH")}`, run);
  Deno.removeSync(folder, { recursive: true });
}

function withPath(path: string, run: () => void): void {
  const before = Deno.env.get("PATH")!;
  Deno.env.set("PATH", path);
  try {
    run();
  } finally {
    Deno.env.set("PATH", before);
  }
}

test("repair: what cannot be undone is told and stays written down, also without /usr/sbin in PATH", () => {
  requireOwnNamespace();
  const folder = Deno.makeTempDirSync();
  using libc = openLibc();
  const programs = STEPS.filter(({ kind }) => kind === "nft" || kind === "iptables");
  const text = ownerLine(DEAD) +
    programs.map((step, i) => stepLine({ number: i + 1, step, outlives: true })).join("");
  Deno.writeTextFileSync(`${folder}/1.changes`, text);
  const repairAll = () => repair(findLeftovers(libc, folder), libc, { keepsOutliving: false });
  makeChanges();
  withRefusedPrograms(() => {
    const words = (program: string) =>
      `${program} says: Operation not permitted (you must be root)`;
    deepEqual(repairAll().map(({ failure }) => failure), [words("iptables"), words("nft")]);
  });
  equal(findLeftovers(libc, folder)[0]!.open.length, 2);
  withPath("/nowhere", () => {
    deepEqual(repairAll().map(({ failure }) => failure), [undefined, undefined]);
  });
  deepEqual(findLeftovers(libc, folder), []);
  Deno.writeTextFileSync(`${folder}/1.changes`, text);
  deepEqual(repairAll(), []); // nothing is there any more
  deepEqual([...Deno.readDirSync(folder)], []);
  Deno.writeTextFileSync(`${folder}/1.changes`, journalOf(DEAD));
  repairAll();
  Deno.removeSync(folder, { recursive: true });
});

test("journal: a change that fails half way is undone, or stays written down", () => {
  requireOwnNamespace();
  const folder = Deno.makeTempDirSync();
  using libc = openLibc();
  const step = STEPS.find(({ kind }) => kind === "iptables")!;
  const before = state();
  const failHalfWay = (journal: Journal) => {
    const change = () => {
      sh("/usr/sbin/iptables -w -N ttun-o-test");
      throw new Error("half way");
    };
    throws(() => journal.make(step, change), /half way/);
  };
  {
    using journal = new Journal(libc, folder, "test");
    failHalfWay(journal);
    deepEqual(listJournals(folder)[0]!.text!.open, []);
  }
  equal(state(), before);
  using journal = new Journal(libc, folder, "test");
  withRefusedPrograms(() => failHalfWay(journal));
  deepEqual(listJournals(folder)[0]!.text!.open, [{ number: 1, step, outlives: false }]);
  sh("/usr/sbin/iptables -w -X ttun-o-test");
  Deno.removeSync(folder, { recursive: true });
});

test("repair: an interface that has a device's name by now keeps its routes and name servers", () => {
  requireOwnNamespace();
  const folder = Deno.makeTempDirSync();
  using libc = openLibc();
  const routes = () => {
    const { stdout } = new Deno.Command("ip", { args: ["route", "show", "dev", "lo"] })
      .outputSync();
    return new TextDecoder().decode(stdout).trim();
  };
  const programs = Deno.makeTempDirSync();
  Deno.writeTextFileSync(`${programs}/resolvectl`, `#!/bin/sh\necho "$@" >${programs}/said\n`);
  Deno.chmodSync(`${programs}/resolvectl`, 0o755);
  const repairOf = (index: number) => {
    const to = "198.51.100.0/24";
    const text = ownerLine(DEAD) + [
      { kind: "deviceRoute", device: "lo", to, index } as const,
      { kind: "resolved", device: "lo", index } as const,
    ].map((step, i) => stepLine({ number: i + 1, step, outlives: false })).join("");
    Deno.writeTextFileSync(`${folder}/1.changes`, text);
    const o = { keepsOutliving: true };
    return repair(findLeftovers(libc, folder), libc, o).map(({ what }) => what);
  };
  sh("ip link set lo up");
  using netlink = new Netlink(libc);
  netlink.addRoute({ index: 1, to: parseCidr("198.51.100.0/24") });
  withPath(`${programs}:${Deno.env.get("PATH")}`, () => {
    deepEqual(repairOf(4711), []);
    match(routes(), /198\.51\.100\.0/);
    deepEqual(repairOf(1), [
      "the name servers of lo (resolvectl)",
      "the route to 198.51.100.0/24 by lo",
    ]);
  });
  equal(Deno.readTextFileSync(`${programs}/said`), "revert lo\n");
  equal(routes(), "");
  for (const one of [folder, programs]) Deno.removeSync(one, { recursive: true });
});

test("repair: what a boot has taken away is not looked for", () => {
  requireOwnNamespace();
  const folder = Deno.makeTempDirSync();
  using libc = openLibc();
  Deno.writeTextFileSync(SYSCTL, "1");
  Deno.writeTextFileSync(`${folder}/1.changes`, journalOf({ ...DEAD, boot: "an earlier one" }));
  deepEqual(findLeftovers(libc, folder), []);
  deepEqual([...Deno.readDirSync(folder)], []);
  Deno.writeTextFileSync(SYSCTL, "0");
  Deno.removeSync(folder, { recursive: true });
});

test("repair: what a living process has made by the same name is not touched", () => {
  requireOwnNamespace();
  const folder = Deno.makeTempDirSync();
  using libc = openLibc();
  Deno.writeTextFileSync(`${folder}/1.changes`, journalOf(DEAD));
  Deno.writeTextFileSync(`${folder}/2.changes`, journalOf(OWN));
  deepEqual(findLeftovers(libc, folder), []);
  deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["2.changes"]);
  Deno.removeSync(folder, { recursive: true });
});

test("journal: a change is written before it is made, and its file goes when all is undone", () => {
  const parent = Deno.makeTempDirSync();
  const folder = `${parent}/run`;
  {
    using libc = openLibc();
    using journal = new Journal(libc, folder, "test");
    const step = STEPS[0]!;
    let seen = "";
    const change = journal.make(step, () => {
      seen = Deno.readTextFileSync(listJournals(folder)[0]!.path);
    }, { outlives: true });
    match(seen, /"outlives":true,"step":\{"kind":"routes","table":29999\}/);
    const [file] = listJournals(folder);
    deepEqual(file!.text!.open, [{ number: 1, step, outlives: true }]);
    equal(file!.text!.owner.pid, Deno.pid);
    equal(Deno.statSync(file!.path).mode! & 0o777, 0o600);
    equal(Deno.statSync(folder).mode! & 0o777, 0o700);
    change.forget();
    deepEqual(listJournals(folder)[0]!.text!.open, []);
  }
  deepEqual(listJournals(folder), []);
  Deno.removeSync(parent, { recursive: true });
});
