import { FakeClock } from "../../../../tests/fake/clock.ts";
import { seededRng } from "../../../../tests/fake/rng.ts";
import { storeSuite } from "../../../../tests/suite/mesh_store.ts";
import { memoryStore } from "./memory_store.ts";

storeSuite("memory", () => {
  const clock = new FakeClock();
  const store = memoryStore({ clock, rng: seededRng(1) });
  return Promise.resolve({
    store,
    shortestTtl: 2_000,
    pass: (ms) => clock.advance(ms),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  });
});
