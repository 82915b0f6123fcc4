import assert from "node:assert/strict";
import { RepairLimit } from "./repair_limit.ts";

/** The decisions about one thing that is missing at these times. */
function verdicts(limit: RepairLimit, at: number[], name = "a"): string[] {
  return at.map((now) => {
    const { repair, leave } = limit.next([name], now);
    return repair.length > 0 ? "repair" : leave.length > 0 ? "leave" : "left";
  });
}

Deno.test("three repairs in a minute, then it is left, which is said once", () => {
  const at = [0, 10_000, 20_000, 30_000, 40_000, 500_000];
  const wanted = ["repair", "repair", "repair", "leave", "left", "left"];
  assert.deepEqual(verdicts(new RepairLimit(), at), wanted);
});

Deno.test("what happens seldom is put back each time", () => {
  const at = Array.from({ length: 100 }, (_, i) => i * 20_000);
  assert.ok(verdicts(new RepairLimit(), at).every((verdict) => verdict === "repair"));
});

Deno.test("each thing counts for itself", () => {
  const limit = new RepairLimit();
  verdicts(limit, [0, 1, 2, 3]);
  assert.deepEqual(limit.next(["a", "b"], 4), { repair: ["b"], leave: [] });
});

Deno.test("when it has been there in between, or a session begins, it is looked at again", () => {
  for (
    const again of [
      (limit: RepairLimit) => limit.next([], 4),
      (limit: RepairLimit) => limit.resume(),
    ]
  ) {
    const limit = new RepairLimit();
    assert.equal(verdicts(limit, [0, 1, 2, 3]).at(-1), "leave");
    again(limit);
    assert.deepEqual(verdicts(limit, [59_999]), ["left"]); // which has been said
    again(limit);
    assert.deepEqual(verdicts(limit, [60_000]), ["repair"]);
  }
});

Deno.test("of what comes and goes again and again it is said once in a minute that it is left", () => {
  const limit = new RepairLimit();
  let repairs = 0;
  let said = 0;
  for (let now = 0; now < 60_000; now += 100) {
    const { repair, leave } = limit.next(now % 200 === 0 ? ["link up"] : [], now);
    repairs += repair.length;
    said += leave.length;
  }
  assert.deepEqual([repairs, said], [3, 1]);
  // The limit holds in the next minute too, while the loss goes on.
  assert.deepEqual(limit.next(["link up"], 60_000), { repair: ["link up"], leave: [] });
});
