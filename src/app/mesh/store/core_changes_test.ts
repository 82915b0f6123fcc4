import { deepEqual, equal } from "node:assert/strict";
import { FakeClock } from "../../../../tests/fake/clock.ts";
import { emptyCore } from "../../../core/mesh/core/core_state.ts";
import type { CoreAnswer } from "../../../core/mesh/core/request.ts";
import { CoreDriver } from "./core_driver.ts";

const { signal } = new AbortController();
const VALUE = Uint8Array.of(1);

Deno.test("core: who watches some keys waits through changes of others, and misses none of its own", async () => {
  const clock = new FakeClock();
  await using core = new CoreDriver(emptyCore(), { disk: null, clock });
  const put = (key: string) => core.call({ type: "put", key, value: VALUE }, { signal });
  const changes = (prefix: string, from: number) =>
    core.call({ type: "changes", prefix, from }, { signal });
  let isTold = false;
  const first = changes("conf/", 0).finally(() => isTold = true);
  for (let i = 0; i < 5; i++) await put(`name/${i}`);
  await clock.settle();
  equal(isTold, false);
  await put("conf/a");
  deepEqual(await first.then(shown), [["conf/a"], 6]);
  // Nothing of it for 20 s: the cursor goes on with the others' changes all the same.
  const second = changes("conf/", 6);
  await put("name/x");
  await put("name/y");
  deepEqual(shown(await clock.until(second)), [[], 8]);
  const third = changes("conf/", 8);
  await put("conf/b");
  deepEqual(await third.then(shown), [["conf/b"], 9]);
  equal(clock.pending, 0);
});

/** Returns the keys of an answer, and its cursor. */
function shown(answer: CoreAnswer): [string[], number] | null {
  if (answer.type !== "changes") return null;
  return [answer.changes.map(({ key }) => key), answer.cursor];
}
