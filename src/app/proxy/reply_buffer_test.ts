import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { readNowAll } from "../../../tests/fake/tt_ends.ts";
import { utf8 } from "../../base/bytes.ts";
import { ReplyBuffer } from "./reply_buffer.ts";
import { read } from "../loop/stream_io.ts";

const pair = (capacity?: number) => memoryPair(capacity === undefined ? {} : { capacity });

Deno.test("answers that are held go together, in their order, and once", () => {
  const [near, far] = pair();
  const answers = new ReplyBuffer(near);
  assert.equal(answers.flush(), undefined);
  answers.hold(utf8("one"));
  assert.deepEqual(readNowAll(far).bytes, utf8(""));
  answers.hold(utf8(" two"));
  assert.equal(answers.flush(), undefined);
  assert.equal(answers.flush(), undefined);
  assert.deepEqual(readNowAll(far).bytes, utf8("one two"));
});

Deno.test("an answer that waits for long goes alone", async () => {
  const clock = new FakeClock();
  const [near, far] = pair();
  const answers = new ReplyBuffer(near);
  assert.equal(answers.flushAfter(clock, 50), null); // there is none
  answers.hold(utf8("one"));
  using _soon = answers.flushAfter(clock, 50);
  await clock.advance(49);
  assert.deepEqual(readNowAll(far).bytes, utf8(""));
  await clock.advance(1);
  assert.deepEqual(readNowAll(far).bytes, utf8("one"));
  answers.hold(utf8("two"));
  answers.flush();
  assert.deepEqual(readNowAll(far).bytes, utf8("two"));
});

Deno.test("what the client does not take at once stays in order, and who waits for it may", async () => {
  const [near, far] = pair(2);
  const answers = new ReplyBuffer(near);
  answers.hold(utf8("one"));
  const first = answers.flush();
  assert.ok(first instanceof Promise);
  assert.equal(answers.flush(), first);
  answers.hold(utf8("two"));
  let isDone = false;
  const second = Promise.resolve(answers.flush()).then(() => isDone = true);
  let text = "";
  for (let i = 0; i < 20; i++) {
    text += new TextDecoder().decode(readNowAll(far).bytes);
    await Promise.resolve();
  }
  await second;
  assert.deepEqual([text, isDone], ["onetwo", true]);
});

Deno.test("a client that has gone is an error to who waits, and nothing is left unhandled", async () => {
  const [near, far] = pair(2);
  const answers = new ReplyBuffer(near);
  answers.hold(utf8("one"));
  answers.flush();
  far.reset();
  await Promise.resolve();
  const clock = new FakeClock();
  answers.hold(utf8("two"));
  using _soon = answers.flushAfter(clock, 50);
  await clock.advance(50);
  answers.hold(utf8("three"));
  await assert.rejects(async () => await answers.flush(), { kind: "lost" });
});

Deno.test("what has been written is not waited for again", async () => {
  const [near, far] = pair(2);
  const answers = new ReplyBuffer(near);
  answers.hold(utf8("four"));
  const first = answers.flush();
  assert.ok(first instanceof Promise);
  assert.equal(answers.flush(), first);
  const into = new Uint8Array(4);
  for (let have = 0; have < 4;) have += await read(far, into) ?? 0;
  await first;
  assert.equal(answers.flush(), undefined);
});
