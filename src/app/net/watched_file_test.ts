import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { WatchedFile } from "./watched_file.ts";

Deno.test("a file is looked at once a second, and read when it is another one", async () => {
  const clock = new FakeClock();
  let file: { stamp: string; text: string | null } | null = { stamp: "1", text: "one" };
  const calls = { looks: 0, reads: 0 };
  const watched = new WatchedFile({
    clock,
    path: "/etc/x",
    most: 9,
    source: {
      stampOf: () => (calls.looks++, file?.stamp ?? null),
      read: () => (calls.reads++, file?.text ?? null),
    },
    parse: (text) => ({ text }),
  });
  const first = watched.value;
  assert.equal(first.text, "one");
  file = { stamp: "2", text: "two" };
  assert.equal(watched.value, first, "not yet");
  await clock.advance(1000);
  const second = watched.value;
  assert.equal(second.text, "two");
  await clock.advance(1000);
  assert.equal(watched.value, second, "the same object while it is the same file");
  assert.deepEqual(calls, { looks: 3, reads: 2 });
  file = { stamp: "3", text: null }; // as after --user
  await clock.advance(1000);
  assert.equal(watched.value, second, "what cannot be read goes on as it was");
  file = null;
  await clock.advance(1000);
  const gone = watched.value;
  assert.equal(gone.text, null);
  await clock.advance(1000);
  assert.equal(watched.value, gone);
  file = { stamp: "3", text: "three" };
  await clock.advance(1000);
  assert.equal(watched.value.text, "three");
});
