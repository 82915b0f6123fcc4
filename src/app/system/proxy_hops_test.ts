import assert from "node:assert/strict";
import { echo, ProxyWorld, TARGET_NAME } from "../../../tests/fake/proxy.ts";
import { exchange, httpConnect, socks4, socks5 } from "../../../tests/fake/proxy_programs.ts";
import { pattern } from "../../../tests/fake/tt_ends.ts";
import { readExactly } from "../../../tests/suite/stream_net.ts";
import { write } from "../loop/stream_io.ts";

/** A minute is two seconds. */
const SPEED = 30;
const HOPS = 25;

const RANGES = {
  "ten thousand ports": { first: 20_000, last: 30_000 },
  "three ports": { first: 5000, last: 5002 },
  "two ports, of which one is used": { first: 5000, last: 5001 },
  "one port": { first: 5000, last: 5000 },
};

for (const [what, range] of Object.entries(RANGES)) {
  for (const skewMs of [0, 45_000, -45_000]) {
    const clocks = skewMs === 0 ? "" : `, the server's clock off by ${skewMs / 1000} s`;
    Deno.test(`over ${HOPS} minutes with ${what}${clocks} every connection works, and old ones live on`, async () => {
      await using world = new ProxyWorld({ speed: SPEED, second: 7 });
      const server = world.server({ range, skewMs });
      const client = world.client({ range });
      world.target(echo);
      await world.clock.settle();
      const first = world.minute;

      const old = await client.connect();
      assert.equal(await world.clock.until(socks5(old, TARGET_NAME)), 0);
      const asks = [socks5, httpConnect, socks4] as const;
      const connected = [0, 200, 90];
      for (let i = 0; world.minute < first + HOPS; i++) {
        const program = await client.connect();
        const host = i % 3 === 2 ? "8.0.0.10" : TARGET_NAME;
        const answer = await world.clock.until(asks[i % 3]!(program, host));
        assert.equal(answer, connected[i % 3], `connection ${i}, minute ${world.minute - first}`);
        const data = pattern(1000, i + 1);
        assert.deepEqual(await world.clock.until(exchange(program, data)), data);

        const back = readExactly(old, 100);
        await write(old, data.subarray(0, 100));
        assert.deepEqual(await back, data.subarray(0, 100));
        await world.clock.advance(370); // so that all seconds of a minute have their turn
      }
      await old[Symbol.asyncDispose]();
      await world.clock.advance(10_000); // idle connections are kept so long
      assert.deepEqual([client.streams.open, server.streams.open], [0, 0]);
      assert.deepEqual(server.lines(), []);
      const told = client.lines();
      assert.ok(told.length <= 1, told.join("; "));
      // One port is said once; of many there are others in each minute.
      const hops = server.fields("ports").length;
      assert.ok(range.last - range.first > 100 ? hops > HOPS - 2 : hops >= 1, `${hops} hops`);
    });
  }
}
