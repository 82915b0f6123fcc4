import { test } from "../../../../tests/check.ts";
import { FakeClock } from "../../../../tests/fake/clock.ts";
import { seededRng } from "../../../../tests/fake/rng.ts";
import { storeSuite } from "../../../../tests/suite/mesh_store.ts";
import { openCoreFile } from "../../../io/mesh/core_file.ts";
import { fileStore } from "./file_store.ts";

storeSuite("file", async () => {
  const folder = await Deno.makeTempDir({ prefix: "ttun-store-" });
  const clock = new FakeClock();
  const opened = await openCoreFile(`${folder}/core.db`, { create: true });
  const store = fileStore(opened, { clock, rng: seededRng(2) });
  return {
    store,
    shortestTtl: 2_000,
    async pass(ms) {
      await clock.advance(ms);
      // Its commit comes after those of what has expired.
      await store.put("conf/flush", new Uint8Array(), { signal: new AbortController().signal });
    },
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await Deno.remove(folder, { recursive: true });
    },
  };
}, test);
