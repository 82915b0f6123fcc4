import assert from "node:assert/strict";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { readAll } from "../../../tests/fake/read_all.ts";
import { utf8 } from "../../base/bytes.ts";
import { read, write } from "../loop/stream_io.ts";
import { HeldConnection } from "./held_connection.ts";

Deno.test("bytes that were read come again, before those that follow", async () => {
  const [near, far] = memoryPair();
  const held = new HeldConnection(near, utf8("hello "));
  await write(far, utf8("world"));
  const part = new Uint8Array(4);
  assert.equal(await read(held, part), 4);
  assert.deepEqual(part, utf8("hell"));
  await far.closeWrite();
  assert.equal(new TextDecoder().decode(await readAll(held)), "o world");
  assert.equal(held.peer, near.peer);
  await held[Symbol.asyncDispose]();
});
