import { deepEqual, equal, ok } from "node:assert/strict";
import { FakeClock } from "../../../../tests/fake/clock.ts";
import { emptyCore } from "../../../core/mesh/core/core_state.ts";
import { parseCoreExport } from "../../../core/mesh/core/core_export.ts";
import { backUpCore, type BackupOptions } from "./core_backup.ts";
import { CoreDriver } from "./core_driver.ts";

const HOUR = 3_600_000;
const V = new Uint8Array([1]);

function world(o: Partial<BackupOptions> = {}) {
  const clock = new FakeClock();
  const core = new CoreDriver(emptyCore(), { disk: null, clock });
  const end = new AbortController();
  const sent: { node: string; revision: number; at: number }[] = [];
  const running = backUpCore({
    core,
    clock,
    everyMs: HOUR,
    nodes: () => ["n1", "n2", "n3"],
    seal: (bytes) => bytes,
    send: (node, bytes) => {
      sent.push({ node, revision: parseCoreExport(bytes).revision, at: clock.now() });
      return Promise.resolve();
    },
    done: () => {},
    ...o,
  }, end.signal).catch((error) => error);
  const put = (key: string) => core.call({ type: "put", key, value: V }, { signal: end.signal });
  return {
    clock,
    sent,
    put,
    async [Symbol.asyncDispose]() {
      end.abort("over");
      equal(await running, "over");
      await core[Symbol.asyncDispose]();
      equal(clock.pending, 0);
    },
  };
}

Deno.test("core backup: at two nodes soon after the start, after changes of names, and each hour", async () => {
  await using w = world();
  await w.clock.advance(6_000);
  deepEqual(w.sent.map(({ node, revision }) => [node, revision]), [["n1", 0], ["n2", 0]]);
  await w.put("txt/a");
  await w.clock.advance(60_000);
  equal(w.sent.length, 2);
  await w.put("name/a");
  await w.clock.advance(1_000);
  await w.put("name/b");
  await w.clock.advance(4_500);
  deepEqual(w.sent.slice(2).map(({ revision }) => revision), [3, 3]);
  await w.clock.advance(HOUR);
  equal(w.sent.length, 6);
});

Deno.test("core backup: a node that does not take it is passed by; with too few it is tried again", async () => {
  const reports: (readonly string[])[] = [];
  let down = new Set(["n1"]);
  await using w = world({
    send: (node) => down.has(node) ? Promise.reject(new Error("down")) : Promise.resolve(),
    done: ({ kept }) => reports.push(kept),
  });
  await w.clock.advance(6_000);
  down = new Set(["n1", "n2"]);
  await w.put("name/a");
  await w.clock.advance(6_000);
  deepEqual(reports, [["n2", "n3"], ["n3"]]);
  down = new Set();
  await w.clock.advance(60_000);
  deepEqual(reports.at(-1), ["n1", "n2"]);
  ok(reports.length === 3);
});
