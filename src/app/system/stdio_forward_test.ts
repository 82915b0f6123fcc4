import assert from "node:assert/strict";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { exchange } from "../../../tests/fake/proxy_programs.ts";
import { StreamWorld } from "../../../tests/fake/stream_programs.ts";
import { pattern } from "../../../tests/fake/tt_ends.ts";
import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { ForwardTarget } from "../../base/target.ts";
import { read, write } from "../loop/stream_io.ts";

const TO: ForwardTarget = { host: "target", port: 80 };

Deno.test("all that came by standard input has arrived, with its end, when the client has ended", async () => {
  const [stream, person] = memoryPair();
  await using world = new StreamWorld({ stdio: { stream, to: TO } });
  const data = pattern(3_000_000, 1);
  const got = Promise.withResolvers<number | null>();
  let bytes = 0;
  world.serve(async (target) => {
    await write(target, utf8("bye"));
    await target.closeWrite(); // it ends first, and the rest is still on its way
    const into = new Uint8Array(65_536);
    for (;;) {
      const count = await read(target, into);
      if (count === null) return got.resolve(bytes);
      bytes += count;
    }
  });
  assert.deepEqual(await world.clock.until(exchange(person, data)), utf8("bye"));
  assert.equal(await world.clock.until(world.client.ended), null);
  assert.equal(await world.clock.until(got.promise), data.length);
});

Deno.test("a server that denies the target, or is not there, is the client's failure", async () => {
  const [stream] = memoryPair();
  await using denied = new StreamWorld({ stdio: { stream, to: { host: "10.0.0.1", port: 80 } } });
  const error = await denied.clock.until(denied.client.ended);
  assert.ok(error instanceof TtunError && error.kind === "unreachable", String(error));
  assert.match(error.message, /^Cannot forward to 10\.0\.0\.1:80: /);
  const [other] = memoryPair();
  await using absent = new StreamWorld({ stdio: { stream: other, to: TO } });
  await absent.server.stop();
  assert.match(
    String(await absent.clock.until(absent.client.ended)),
    /Cannot connect to 192\.0\.2\.1:20203: refused/,
  );
});
