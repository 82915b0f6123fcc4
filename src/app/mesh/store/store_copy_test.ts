import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { FakeClock } from "../../../../tests/fake/clock.ts";
import { seededRng } from "../../../../tests/fake/rng.ts";
import { TtunError } from "../../../base/errors.ts";
import { exportCore, parseCoreExport } from "../../../core/mesh/core/core_export.ts";
import { memoryStore } from "./memory_store.ts";
import { readStore, writeStore } from "./store_copy.ts";

const { signal } = new AbortController();

Deno.test("store copy: keys with their times go from one store to another by way of an export", async () => {
  const clock = new FakeClock();
  await using from = memoryStore({ clock, rng: seededRng(1) });
  await using to = memoryStore({ clock, rng: seededRng(2) });
  for (let i = 0; i < 1_203; i++) await from.put(`name/${i}`, new Uint8Array([i]), { signal });
  await from.put("txt/a", new Uint8Array(), { signal, ttlMs: 600_000 });
  const session = await from.session(60_000, { signal });
  await from.acquire("job", session, { signal });
  await clock.advance(1_000);
  const state = parseCoreExport(exportCore(await readStore(from, signal)));
  equal(await writeStore(to, state, signal), 1_204);
  deepEqual((await to.get("name/7", { signal }))?.value, new Uint8Array([7]));
  equal((await to.get("txt/a", { signal }))?.expiresInMs, 599_000);
  equal(await to.get("lease/job", { signal }), null);
  await rejects(writeStore(to, state, signal), (error) => {
    ok(error instanceof TtunError && error.kind === "usage");
    return true;
  });
});
