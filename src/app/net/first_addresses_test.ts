import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { keptLog } from "../../../tests/fake/log.ts";
import { seededRng } from "../../../tests/fake/rng.ts";
import { parseCidr } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { firstAddresses } from "./first_addresses.ts";

/** A name that resolves when it has been asked for so many times. */
function asking(
  o: { failures: number; retries: number; host?: string; routes?: string[]; isSilent?: boolean },
) {
  const clock = new FakeClock();
  const { log, records } = keptLog(clock);
  const stop = new AbortController();
  let asked = 0;
  const resolver = {
    resolve: (_host: string, { signal }: { signal: AbortSignal }) => {
      if (++asked > o.failures) return Promise.resolve(["192.0.2.1"]);
      if (o.isSilent !== true) return Promise.reject(new TtunError("name", "Cannot resolve it"));
      return new Promise<string[]>((_, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason))
      );
    },
  };
  const server = { host: o.host ?? "server.example", port: 1 };
  const routes = (o.routes ?? ["0.0.0.0/0"]).map(parseCidr);
  const common = { server, routes, retries: o.retries, resolver, clock, log, rng: seededRng(1) };
  const found = firstAddresses({ ...common, signal: stop.signal });
  return { clock, found, stop, asked: () => asked, lines: () => records.map((r) => r.message) };
}

Deno.test("a name is asked for where there are routes, an address never", async () => {
  const ask = async (host: string, ...routes: string[]) => {
    const { found, asked } = asking({ failures: 0, retries: 0, host, routes });
    return [(await found).length, asked()];
  };
  assert.deepEqual(await ask("server.example", "0.0.0.0/0"), [1, 1]);
  assert.deepEqual(await ask("server.example", "10.77.0.0/16"), [1, 1]);
  assert.deepEqual(await ask("server.example"), [0, 0]);
  for (const host of ["192.0.2.1", "2001:db8::1", "fe80::1%eth0"]) {
    assert.deepEqual(await ask(host, "0.0.0.0/0"), [0, 0]);
  }
});

Deno.test("routes that take little wait for one answer, and at most 5 s", async () => {
  for (const isSilent of [true, false]) {
    const routes = ["10.0.0.0/8", "fd00::/8"];
    const { clock, found, asked } = asking({ failures: 1, retries: 9, routes, isSilent });
    assert.deepEqual(await clock.until(found), []);
    assert.deepEqual([clock.now(), asked(), clock.pending], [isSilent ? 5_000 : 0, 1, 0]);
  }
});

Deno.test("it is asked for until there is an answer, at the latest after 5 s again", async () => {
  const { clock, found, asked, lines } = asking({ failures: 20, retries: Infinity });
  assert.deepEqual(await clock.until(found), ["192.0.2.1"]);
  assert.equal(asked(), 21);
  assert.ok(clock.now() < 20 * 5_000);
  assert.match(
    lines()[0]!,
    /Cannot resolve it; the device is made when the server's name is known/,
  );
});

Deno.test("retries are counted, and a stop ends it", async () => {
  const { clock, found, asked } = asking({ failures: 9, retries: 2 });
  await assert.rejects(clock.until(found), { kind: "name" });
  assert.equal(asked(), 3);
  const other = asking({ failures: 9, retries: 9 });
  await other.clock.settle();
  other.stop.abort(new Error("stopped"));
  await assert.rejects(other.found, /stopped/);
});
