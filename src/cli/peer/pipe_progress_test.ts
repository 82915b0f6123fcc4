import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { PipeProgress } from "./pipe_progress.ts";

/** Lines that are shown for counts, one each 300 ms. */
async function lines(size: number | null, counts: { up: number; down: number }[]) {
  const clock = new FakeClock();
  const shown: string[] = [];
  const port = {
    report: (event: { kind: string; line?: string; isProgress?: boolean }) => {
      assert.equal(event.kind, "print");
      assert.equal(event.isProgress, true);
      shown.push(event.line!);
    },
  };
  const count = { up: 0, down: 0 };
  {
    using progress = new PipeProgress(size, { clock, port });
    progress.follow(count);
    for (const one of counts) {
      Object.assign(count, one);
      await clock.advance(300);
    }
  }
  assert.equal(clock.pending, 0);
  return shown;
}

Deno.test("the size of a file that is sent gives a bar and the time left", async () => {
  const shown = await lines(10_000_000, [
    { up: 0, down: 0 },
    { up: 1_000_000, down: 0 },
    { up: 5_000_000, down: 2000 },
  ]);
  assert.equal(shown.length, 3); // nothing before the first bytes; an empty line at the end
  assert.match(shown[0]!, /^\[== {18}\] {2} 10 % {2}1\.0 MB of 10\.0 MB/);
  assert.match(shown[1]!, /50 %.*left {2}received 2\.0 kB$/);
  assert.equal(shown[2], "");
});

Deno.test("without a size the bytes of both ways are shown", async () => {
  const [first] = await lines(null, [{ up: 600, down: 400 }]);
  assert.match(first!, /^1\.0 kB {2}\S+/);
  const [received] = await lines(500, [{ up: 0, down: 4000 }]);
  assert.match(received!, /^4\.0 kB {2}\S+/);
});
