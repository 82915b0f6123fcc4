import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { keptLog } from "../../../tests/fake/log.ts";
import { formatCidr, formatIp, parseCidr } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { RouteTable, TableRoute } from "../../contract/routing.ts";
import { ServerRoutes } from "./server_routes.ts";

const TUNNEL = 9;
const WIREGUARD = 7;

/** A main table in memory: `eth0` is link 2, `wlan0` link 3. */
class FakeTable implements RouteTable {
  list: TableRoute[] = [];
  local: string[] = [];
  refuse: TtunError | null = null;

  add(to: string, index: number, hop: string, o: Partial<TableRoute> = {}): void {
    const route = { to: parseCidr(to), index, hop, metric: 0, isDead: false, isForServer: false };
    this.list.push({ ...route, ...o });
  }

  routes(): TableRoute[] {
    return [...this.list];
  }

  isLocal(address: Uint8Array): boolean {
    return this.local.includes(formatIp(address));
  }

  isTunnel(index: number): boolean {
    return index === TUNNEL || index === WIREGUARD;
  }

  addHost(address: Uint8Array, by: TableRoute): void {
    if (this.refuse !== null) throw this.refuse;
    this.add(`${formatIp(address)}`, by.index, by.hop, { isForServer: true });
  }

  removeHost(route: TableRoute): void {
    this.list = this.list.filter((other) => other !== route);
  }

  /** Routes of servers, as "network hop". */
  get forServers(): string[] {
    return this.list.filter(({ isForServer }) => isForServer)
      .map(({ to, hop }) => `${formatCidr(to)} ${hop}`);
  }
}

function world() {
  const table = new FakeTable();
  table.add("0.0.0.0/0", 2, "home router");
  table.add("192.0.2.0/24", 2, "eth0");
  const clock = new FakeClock();
  const { log, records } = keptLog(clock);
  const routes = new ServerRoutes(table, { tunnel: TUNNEL, log, now: () => clock.now() });
  return { table, routes, lines: () => records.map((r) => `${r.level} ${r.message}`) };
}

const ALL = [parseCidr("0.0.0.0/0"), parseCidr("10.1.1.0/30")];

Deno.test("a server that a network of the tunnel covers is reached by the uplink, and all is taken back", () => {
  const { table, routes } = world();
  const before = table.routes();
  routes.setNetworks(ALL);
  routes.open("203.0.113.1");
  routes.open("203.0.113.1");
  assert.deepEqual(table.forServers, ["203.0.113.1/32 home router"]);
  routes[Symbol.dispose]();
  assert.deepEqual(table.routes(), before);
});

Deno.test("nothing is done for a server on the link, on this machine, or that is not covered", () => {
  const { table, routes } = world();
  table.local = ["203.0.113.1", "127.0.0.1"];
  routes.setNetworks(ALL);
  for (const host of ["192.0.2.7", "203.0.113.1", "127.0.0.1", "2001:db8::1", "fe80::1%eth0"]) {
    routes.open(host);
  }
  assert.deepEqual(table.forServers, []);
});

Deno.test("networks that come later, as those that a server gives, count before they are there", () => {
  const { table, routes } = world();
  routes.setNetworks([parseCidr("10.1.1.0/30")]);
  routes.open("203.0.113.1");
  assert.deepEqual(table.forServers, []);
  routes.setNetworks([parseCidr("203.0.113.0/24")]);
  assert.deepEqual(table.forServers, ["203.0.113.1/32 home router"]);
  routes.setNetworks([parseCidr("10.9.0.0/24")]);
  assert.deepEqual(table.forServers, []);
});

Deno.test("routes that others send into the tunnel count, as long as they are there", () => {
  const { table, routes } = world();
  routes.open("203.0.113.1");
  table.add("128.0.0.0/1", TUNNEL, "by an --up command");
  routes.refresh();
  assert.deepEqual(table.forServers, ["203.0.113.1/32 home router"]);
  table.list = table.list.filter(({ index }) => index !== TUNNEL);
  routes.refresh();
  assert.deepEqual(table.forServers, []);
});

Deno.test("the route follows the uplink; while there is none it stays, and the dial says so", () => {
  const { table, routes } = world();
  table.add("0.0.0.0/0", TUNNEL, "the tunnel");
  routes.setNetworks(ALL);
  routes.open("203.0.113.1");
  const all = table.list;
  table.list = all.filter(({ index }) => index === TUNNEL);
  assert.throws(() => routes.open("203.0.113.1"), {
    kind: "unreachable",
    message: /203\.0\.113\.1: the tunnel's own network 0\.0\.0\.0\/0 covers it/,
  });
  table.add("0.0.0.0/0", 3, "other router");
  routes.refresh();
  assert.deepEqual(table.forServers, ["203.0.113.1/32 other router"]);
  table.list = all;
  table.add("0.0.0.0/0", 3, "better router", { metric: -1 });
  routes.refresh();
  assert.deepEqual(table.forServers, ["203.0.113.1/32 better router"]);
});

Deno.test("a route that another program takes away is made again, three times in a minute", () => {
  const { table, routes, lines } = world();
  routes.setNetworks(ALL);
  routes.open("203.0.113.1");
  const takeAway = () => {
    table.list = table.list.filter(({ isForServer }) => !isForServer);
    routes.refresh();
  };
  for (let i = 0; i < 3; i++) {
    takeAway();
    assert.deepEqual(table.forServers, ["203.0.113.1/32 home router"]);
  }
  for (let i = 0; i < 3; i++) takeAway();
  assert.deepEqual(table.forServers, []);
  assert.equal(lines().filter((line) => line.startsWith("warn")).length, 1);
  table.add("0.0.0.0/0", 3, "better router", { metric: -1 });
  routes.refresh(); // another way is no repetition
  assert.deepEqual(table.forServers, ["203.0.113.1/32 better router"]);
});

Deno.test("addresses that the name has no more lose their routes", () => {
  const { table, routes } = world();
  routes.setNetworks(ALL);
  for (const host of ["203.0.113.1", "203.0.113.2"]) routes.open(host);
  routes.keepOnly(["203.0.113.2", "203.0.113.3"]);
  assert.deepEqual(table.forServers, ["203.0.113.2/32 home router"]);
});

Deno.test("a leftover of a run that was killed is no way of the uplink's, and is replaced or kept", () => {
  for (const [hop, lines] of [["old router", 1], ["home router", 0]] as const) {
    const { table, routes, lines: told } = world();
    table.add("203.0.113.1", 2, hop, { isForServer: true });
    routes.setNetworks(ALL);
    routes.open("203.0.113.1");
    assert.deepEqual(table.forServers, ["203.0.113.1/32 home router"]);
    assert.equal(told().length, lines);
    routes[Symbol.dispose]();
    assert.deepEqual(table.forServers, []);
  }
});

Deno.test("where nothing is covered a leftover goes that leads elsewhere, not that of another tunnel", () => {
  const { table, routes } = world();
  table.add("203.0.113.1", 3, "old router", { isForServer: true });
  routes.open("203.0.113.1");
  assert.deepEqual(table.forServers, []);
  table.list.unshift({ ...table.list[0]!, index: WIREGUARD, hop: "other tunnel" });
  table.add("203.0.113.1", 2, "home router", { isForServer: true });
  routes.open("203.0.113.1");
  assert.deepEqual(table.forServers, ["203.0.113.1/32 home router"]);
});

Deno.test("a refusal is thrown at a dial, and told where the table has changed", () => {
  const { table, routes, lines } = world();
  table.refuse = new TtunError("privilege", "not allowed");
  routes.setNetworks(ALL);
  assert.throws(() => routes.open("203.0.113.1"), { kind: "privilege" });
  routes.refresh();
  assert.deepEqual(lines(), ["warn not allowed"]);
});

Deno.test("a failure that stays is told once, and again when it has been mended in between", () => {
  const { table, routes, lines } = world();
  routes.setNetworks(ALL);
  routes.open("203.0.113.1");
  const whole = table.routes();
  for (let round = 0; round < 2; round++) {
    table.list = []; // the uplink has gone
    for (let i = 0; i < 10; i++) routes.refresh();
    table.list = [...whole];
    routes.refresh();
  }
  const told = lines().filter((line) => line.startsWith("warn Cannot reach the server"));
  assert.equal(told.length, 2);
});
