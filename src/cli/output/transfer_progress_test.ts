import assert from "node:assert/strict";
import { TransferProgress } from "./transfer_progress.ts";

Deno.test("a transfer of a known size has a bar, a rate, and the time left", () => {
  let now = 1000;
  const progress = new TransferProgress({ total: 10_000_000, now: () => now });
  assert.equal(progress.line(0), `[${" ".repeat(20)}]    0 %  0 B of 10.0 MB  0 B/s`);
  now += 2000;
  const line = progress.line(2_500_000);
  assert.equal(line, `[=====${" ".repeat(15)}]   25 %  2.5 MB of 10.0 MB  1.3 MB/s  6 s left`);
  now += 1000;
  assert.match(
    progress.line(10_000_000),
    /^\[={20}\] {2}100 % {2}10\.0 MB of 10\.0 MB {2}\S+ MB\/s$/,
  );
});

Deno.test("the rate is that of the last seconds, without what was there before", () => {
  let now = 0;
  const progress = new TransferProgress({ total: null, now: () => now, begun: 5_000_000 });
  let bytes = 5_000_000;
  for (let i = 0; i < 1000; i++) {
    now += 100;
    bytes += i < 500 ? 1_000_000 : 1000;
    progress.line(bytes);
  }
  assert.match(progress.line(bytes), / {2}10\.[0-9] kB\/s$/);
  assert.match(new TransferProgress({ total: 0, now: () => now }).line(0), /100 %/);
});
