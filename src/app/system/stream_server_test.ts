import assert from "node:assert/strict";
import { exchange } from "../../../tests/fake/proxy_programs.ts";
import { StreamWorld } from "../../../tests/fake/stream_programs.ts";
import { pattern } from "../../../tests/fake/tt_ends.ts";
import { concat, utf8 } from "../../base/bytes.ts";
import type { Connection } from "../../contract/connection.ts";
import { read, write } from "../loop/stream_io.ts";

async function readAll(stream: Connection): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const into = new Uint8Array(65_536);
  for (;;) {
    const got = await read(stream, into);
    if (got === null) return concat(...parts);
    parts.push(into.slice(0, got));
  }
}

/** Answers with all that it has read, once that has ended. */
const echoAll = async (stream: Connection) => {
  const all = await readAll(stream);
  await write(stream, all);
  await stream.closeWrite();
};

Deno.test("a forward carries bytes both ways over a session, and an end as an end", async () => {
  await using world = new StreamWorld({ local: ["8080:target:80"] });
  world.serve(echoAll);
  await world.clock.settle();
  await Promise.all([1, 2, 3, 4].map(async (i) => {
    await using stream = await world.connect(8080);
    const data = pattern(600_000, i);
    assert.deepEqual(await exchange(stream, data), data);
  }));
  assert.equal(world.carriers.length, 1);
  assert.match(world.client.lines().join("\n"), /info authenticated .*"wire":"v2"/);
});

Deno.test("a target that speaks first is heard, and its end does not end the other way", async () => {
  await using world = new StreamWorld({ local: ["8080:target:80"] });
  const heard = Promise.withResolvers<Uint8Array>();
  world.serve(async (stream) => {
    await write(stream, utf8("hello"));
    await stream.closeWrite();
    heard.resolve(await readAll(stream));
  });
  await using stream = await world.connect(8080);
  assert.deepEqual(await readAll(stream), utf8("hello"));
  await write(stream, utf8("still here"));
  await stream.closeWrite();
  assert.deepEqual(await heard.promise, utf8("still here"));
});

Deno.test("a transfer goes on, byte for byte, when its carrier is cut again and again", async () => {
  await using world = new StreamWorld({ local: ["8080:target:80"] });
  world.serve(echoAll);
  await using stream = await world.connect(8080);
  const data = pattern(3_000_000, 7);
  const echoed = exchange(stream, data);
  let isDone = false;
  void echoed.then(() => isDone = true);
  for (let cut = 0; !isDone && cut < 200; cut++) {
    await world.clock.advance(1100);
    world.carriers.at(-1)!.reset();
    await world.clock.settle();
  }
  assert.deepEqual(await echoed, data);
  assert(world.carriers.length > 1);
  assert.match(world.client.lines().join("\n"), /info session goes on/);
});
