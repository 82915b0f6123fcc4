import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { openBy } from "../../../tests/fake/outbound.ts";
import { driveHttp } from "../../../tests/fake/http_driver.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { readNowAll, SCRATCH } from "../../../tests/fake/tt_ends.ts";
import { utf8 } from "../../base/bytes.ts";
import type { Connection } from "../../contract/connection.ts";
import { Relays } from "../net/relay.ts";
import { write } from "../loop/stream_io.ts";

/** Between connections that live under a signal which aborts a moment after `cut`. */
function world() {
  const [cut, own] = [new AbortController(), new AbortController()];
  const clock = new FakeClock();
  const relays = new Relays({ clock, scratch: SCRATCH, idleMs: 1000, cut: cut.signal });
  const o = { relays, signal: own.signal };
  const pair = () => memoryPair({ signalA: own.signal });
  const stop = () => {
    cut.abort(new Error("stop"));
    own.abort(new Error("stop"));
  };
  return { clock, o, pair, stop };
}

function isReset(stream: Connection): void {
  assert.throws(() => stream.readNow(new Uint8Array(1)), { kind: "lost" });
}

Deno.test("what a relay's own end cuts off is reset at both ends: it must not look like an end", async () => {
  const { clock, o, pair, stop } = world();
  const [[first, left], [second, right]] = [pair(), pair()];
  const ended = o.relays.run(first, second);
  write(left, utf8("half of"));
  await clock.settle();
  assert.deepEqual(readNowAll(right).bytes, utf8("half of"));
  stop();
  await assert.rejects(clock.until(ended), /stop/);
  isReset(left);
  isReset(right);
  o.relays[Symbol.dispose]();
  assert.equal(clock.pending, 0);
});

Deno.test("the same of a response that only the end of its connection would end", async () => {
  const { clock, o, pair, stop } = world();
  const [[near, client], [upstream, target]] = [pair(), pair()];
  const request = utf8("GET http://a.example/ HTTP/1.0\r\n\r\n");
  const outbound = openBy(async (_target, { early }) => {
    if (early !== undefined) await write(upstream, early);
    return upstream;
  });
  const ended = driveHttp(near, request, {
    ...o,
    outbound,
  }).finally(() => near[Symbol.asyncDispose]());
  ended.catch(() => {});
  await clock.settle();
  assert.match(new TextDecoder().decode(readNowAll(target).bytes), /^GET \/ /);
  write(target, utf8("HTTP/1.0 200 OK\r\n\r\nhalf of"));
  await clock.settle();
  assert.match(new TextDecoder().decode(readNowAll(client).bytes), /half of$/);
  stop();
  await assert.rejects(clock.until(ended));
  isReset(client);
  isReset(target);
});

Deno.test("what an HTTP client and its target were sent is counted, a tunnel's bytes too", async () => {
  const { clock, o, pair } = world();
  const [[near, client], [upstream, target]] = [pair(), pair()];
  const request = utf8("CONNECT a.example:443 HTTP/1.1\r\n\r\n");
  const ended = driveHttp(near, request, {
    ...o,
    outbound: openBy(() => Promise.resolve(upstream)),
  });
  await clock.settle();
  const established = readNowAll(client).bytes.length;
  assert.ok(established > 0);
  write(client, utf8("question"));
  write(target, utf8("the answer"));
  client.closeWrite();
  target.closeWrite();
  assert.deepEqual(await clock.until(ended), { up: 8, down: established + 10 });
});
