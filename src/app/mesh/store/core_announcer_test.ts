import assert from "node:assert/strict";
import { FakeClock } from "../../../../tests/fake/clock.ts";
import { utf8 } from "../../../base/bytes.ts";
import { MeshError } from "../../../contract/mesh_store.ts";
import { decodeCoreRequest, encodeCoreAnswer } from "../../../core/mesh/core/message.ts";
import { announceCore, type CoreCandidate } from "./core_announcer.ts";

Deno.test("a core is announced to each process that may have an older one, a few times, and now and then", async () => {
  const clock = new FakeClock();
  const stop = new AbortController();
  const asked: string[] = [];
  const others: string[] = [];
  let epoch: number | null = 1;
  let candidates: CoreCandidate[] = [{ node: "aa", incarnation: 1 }];
  const announcing = announceCore({
    epoch: () => epoch,
    candidates: () => candidates,
    ask: (node, body) => {
      asked.push(`${node} ${decodeCoreRequest(body).epoch}`);
      const refused = new MeshError("unavailable", "This node has not the core");
      const facts = { epoch: 2, revision: 7, keys: 0, bytes: 0, sessions: 0 };
      const content = { type: "info", ...facts } as const;
      return node === "aa" ? Promise.reject(refused) : Promise.resolve(
        node === "bb" ? encodeCoreAnswer({ epoch: 2, content }) : utf8("rubbish"),
      );
    },
    onCore: (node, epoch) => {
      others.push(`${node} ${epoch}`);
      return Promise.resolve();
    },
    clock,
  }, stop.signal);
  const during = async (ms: number) => {
    asked.length = 0;
    await clock.advance(ms);
    return [...asked];
  };
  assert.deepEqual(await during(10_000), []);
  epoch = 2;
  assert.deepEqual(await during(20_000), ["aa 2", "aa 2", "aa 2"]);
  candidates = [{ node: "aa", incarnation: 1 }, { node: "bb", incarnation: 5 }];
  assert.deepEqual(await during(20_000), ["bb 2", "bb 2", "bb 2"]);
  assert.deepEqual(others, ["bb 2", "bb 2", "bb 2"]);
  candidates = [{ node: "cc", incarnation: 5 }];
  assert.equal((await during(20_000)).length, 3);
  assert.equal(others.length, 3);
  candidates = [{ node: "aa", incarnation: 2 }];
  assert.deepEqual(await during(20_000), ["aa 2", "aa 2", "aa 2"]);
  assert.deepEqual(await during(300_000), ["aa 2"]);
  epoch = null;
  assert.deepEqual(await during(20_000), []);
  stop.abort(new Error("enough"));
  await assert.rejects(announcing, /enough/);
});
