import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { keptLog } from "../../../tests/fake/log.ts";
import { type Cidr, formatCidr, parseCidr } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { RefusedAddress } from "../../io/netcfg/linux.ts";
import { AssignedAddresses } from "./assigned_addresses.ts";

const texts = (addresses: readonly Cidr[]) => addresses.map(formatCidr);
const parsed = (...some: string[]) => some.map(parseCidr);
const OWN = parsed("10.1.1.2/30", "fc11::2/126");

/** A device whose changes are noted, and which answers the next one as told. */
function given(o: { asked?: string[]; whyForgotten?: string; accepted?: string[] } = {}) {
  const changes: { remove: string[]; add: string[] }[] = [];
  const answer = { next: (): RefusedAddress[] => [] };
  const { log, records } = keptLog(new FakeClock());
  const keeper = {
    conflictOf: () => null,
    changeAddresses: (_device: string, o: { remove: readonly Cidr[]; add: readonly Cidr[] }) => {
      changes.push({ remove: texts(o.remove), add: texts(o.add) });
      return answer.next();
    },
  };
  const config = {
    accepted: (o.accepted ?? []).map(parseCidr),
    nameServers: ["198.18.0.53"],
    addressesExplicit: o.asked !== undefined,
    mtu: 1280,
    whyForgotten: o.whyForgotten ?? null,
  };
  const own = o.asked === undefined ? OWN : parsed(...o.asked);
  const it = new AssignedAddresses(keeper, "ttun0", config, own, log);
  const lines = () => records.splice(0).map((r) => `${r.level} ${r.message}`);
  return { it, changes, answer, lines, present: () => texts(it.present) };
}

Deno.test("only what changes is changed, and what a server gives no more goes", async () => {
  const { it, changes } = given();
  await it.take([]);
  await it.take(parsed("10.9.0.2/24", "fc11::2/126"));
  await it.take(parsed("10.9.0.2/24", "fc11::2/126"));
  await it.take([]);
  assert.deepEqual(changes, [
    { remove: ["10.1.1.2/30"], add: ["10.9.0.2/24"] },
    { remove: ["10.9.0.2/24"], add: ["10.1.1.2/30"] },
  ]);
});

Deno.test("one address that cannot be had is told, and the session goes on", async () => {
  const { it, changes, answer, lines, present } = given();
  const some = parsed("10.9.0.2/24", "fd00:9::2/64");
  answer.next =
    () => [{ local: some[1]!, why: new TtunError("system", "Cannot give it fd00:9::2") }];
  await it.take(some);
  assert.deepEqual(present(), ["10.9.0.2/24"], "what commands are told");
  assert.deepEqual(lines(), ["warn Cannot give it fd00:9::2", "info addresses"]);
  await it.take(some);
  assert.equal(changes.length, 1);
});

Deno.test("after a failure all is set anew, and whatever may have been left is taken away", async () => {
  const { it, changes, answer } = given();
  answer.next = () => {
    throw new TtunError("system", "in the middle");
  };
  await assert.rejects(it.take(parsed("10.9.0.2/24")), /in the middle/);
  answer.next = () => [];
  await it.take([]);
  assert.deepEqual(changes[1], { remove: ["10.9.0.2/24"], add: texts(OWN) });
});

Deno.test("addresses that the user asked for stay where the server gives them, or none at all", async () => {
  for (
    const [asked, from] of [
      [["10.9.0.77/24"], ["10.9.0.77/24", "fd00:9::2/64"]],
      [["10.9.0.77/32"], ["10.9.0.77/24"]],
      [["10.9.0.77/24", "fd00:9::4d/128"], ["10.9.0.77/24", "fd00:9::4d/64"]],
      [["192.168.1.1/24"], []],
    ] as const
  ) {
    const { it, changes, lines, present } = given({ asked: [...asked] });
    await it.take(parsed(...from));
    assert.deepEqual([changes, lines(), present()], [[], [], [...asked]]);
  }
});

Deno.test("an address that the server does not give is not used, and a line says why, once", async () => {
  for (
    const [asked, from, present, why] of [
      [["10.9.0.77/24"], ["10.9.0.2/24"], ["10.9.0.2/24"], /another client or the server has it/],
      [
        ["10.8.0.2/24"],
        ["10.9.0.2/24"],
        ["10.9.0.2/24"],
        /not in the server's network 10\.9\.0\.0\/24/,
      ],
      [["10.8.0.2/24"], ["fd00:9::2/64"], ["fd00:9::2/64"], /it gives no IPv4 addresses/],
      [
        ["10.9.0.7/24", "fd00:8::7/64"],
        ["10.9.0.7/24", "fd00:9::2/64"],
        ["10.9.0.7/24", "fd00:9::2/64"],
        /--address fd00:8::7\/64: it is not in the server's network fd00:9::\/64/,
      ],
    ] as const
  ) {
    const world = given({ asked: [...asked] });
    await world.it.take(parsed(...from));
    const [line, ...others] = world.lines();
    assert.match(line!, why);
    assert.match(line!, /^warn the server does not give --address/);
    assert.deepEqual([others, world.present()], [["info addresses"], [...present]]);
    await world.it.take(parsed(...from));
    assert.deepEqual(world.lines(), []);
    // Another server that gives nothing leaves the user his own.
    await world.it.take([]);
    assert.deepEqual(world.present(), [...asked]);
  }
});

Deno.test("a client that can keep no identity says so where a server gives addresses", async () => {
  const { it, lines } = given({ whyForgotten: "the disk is full" });
  await it.take([]);
  assert.deepEqual(lines(), []);
  for (let i = 0; i < 2; i++) await it.take(parsed("10.9.0.2/24"));
  assert.deepEqual(lines(), [
    "info the server may give other addresses next time",
    "info addresses",
  ]);
});

Deno.test("what a server may not take ends the session, with the option that takes it all the same", async () => {
  for (
    const [text, why] of [["8.0.0.1/8", /wider than/], ["198.18.0.2/24", /198\.18\.0\.53/]] as const
  ) {
    const { it, changes } = given();
    await assert.rejects(it.take(parsed(text)), (error) => {
      assert.ok(error instanceof TtunError && why.test(error.message), String(error));
      return /--accept-addresses/.test(error.message);
    });
    assert.deepEqual(changes, []);
    const accepts = given({ accepted: [text] });
    await accepts.it.take(parsed(text));
    assert.deepEqual(accepts.present(), [text]);
  }
  const { it } = given();
  await assert.rejects(it.take(parsed("10.9.0.2/24"), "10.9.0.77"), /server's own address/);
});
