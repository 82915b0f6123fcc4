import assert from "node:assert/strict";
import { parseIp } from "../../base/addr.ts";
import { denoAddresses, denoNetworks, OwnAddresses } from "./own_addresses.ts";

const ip = (text: string) => parseIp(text)!;

Deno.test("where the system tells of changes it is asked again then, and not before", () => {
  let listed = 0;
  let tell = () => {};
  const has = [ip("203.0.113.1")];
  const watch = {
    onChange: (_: unknown, run: () => void) => {
      tell = run;
      return { [Symbol.dispose]: () => {} };
    },
    [Symbol.dispose]: () => {},
  };
  using own = new OwnAddresses(
    () => {
      listed++;
      return has;
    },
    { now: () => 0 },
    watch,
  );
  assert.equal(own.has(ip("203.0.113.1")), true);
  assert.equal(own.has(ip("203.0.113.2")), false);
  has.push(ip("203.0.113.2"), ip("2001:db8::1"));
  assert.deepEqual([own.has(ip("203.0.113.2")), listed], [false, 1]);
  tell();
  assert.deepEqual([own.has(ip("203.0.113.2")), own.has(ip("2001:db8::1"))], [true, true]);
  assert.equal(listed, 2);
});

Deno.test("elsewhere a list is five seconds old at the most", () => {
  const clock = { time: 0, now: () => clock.time };
  let interfaces = [{ address: "203.0.113.1" }, { address: "fe80::1%eth0" }];
  using own = denoAddresses(clock, () => interfaces);
  assert.deepEqual([own.has(ip("203.0.113.1")), own.has(ip("fe80::1"))], [true, true]);
  interfaces = [{ address: "203.0.113.9" }];
  clock.time = 4_999;
  assert.equal(own.has(ip("203.0.113.1")), true);
  clock.time = 5_000;
  assert.deepEqual([own.has(ip("203.0.113.1")), own.has(ip("203.0.113.9"))], [false, true]);
});

Deno.test("own networks: Deno's list has prefixes, and zones on some systems", () => {
  const networks = denoNetworks(() => [
    { address: "192.0.2.7", cidr: "192.0.2.7/24" },
    { address: "fe80::7%en0", cidr: "fe80::7%en0/64" },
    { address: "what is this", cidr: "/8" },
    { address: "192.0.2.8", cidr: "" },
  ]);
  assert.deepEqual(networks.map(({ family, bytes, prefix }) => [family, bytes.length, prefix]), [
    [4, 4, 24],
    [6, 16, 64],
  ]);
});
