import assert from "node:assert/strict";
import { FakeClock } from "../../tests/fake/clock.ts";
import { keptLog } from "../../tests/fake/log.ts";
import { type Cidr, formatCidr, parseCidr } from "../base/addr.ts";
import { TtunError } from "../base/errors.ts";
import { GivenAddresses } from "./given_addresses.ts";

const texts = (addresses: readonly Cidr[]) => addresses.map(formatCidr);
const parsed = (...some: string[]) => some.map(parseCidr);
const OWN = parsed("10.1.1.2/30", "fc11::2/126");

/** A device whose changes are noted, and which answers the next one as told. */
function given(addressesAreAsked = false) {
  const changes: { remove: string[]; add: string[] }[] = [];
  const answer = { next: (): TtunError[] => [] };
  const { log, records } = keptLog(new FakeClock());
  const machine = {
    changeAddresses: (_device: string, o: { remove: readonly Cidr[]; add: readonly Cidr[] }) => {
      changes.push({ remove: texts(o.remove), add: texts(o.add) });
      return answer.next();
    },
  };
  const it = new GivenAddresses(machine, "ttun0", { addressesAreAsked, mtu: 1280 }, OWN, log);
  return { it, changes, answer, lines: () => records.map((r) => `${r.level} ${r.message}`) };
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
  const { it, changes, answer, lines } = given();
  answer.next = () => [new TtunError("system", "Cannot give it fd00:9::2")];
  const some = parsed("10.9.0.2/24", "fd00:9::2/64");
  await it.take(some);
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

Deno.test("addresses that the user asked for stay", async () => {
  const { it, changes, lines } = given(true);
  await it.take(parsed("10.9.0.2/24"));
  assert.deepEqual(changes, []);
  assert.match(lines().join(), /warn the server gives other addresses than --address/);
});
