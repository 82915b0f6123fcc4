import { deepEqual, equal, ok } from "node:assert/strict";
import { FakeClock } from "../../../../tests/fake/clock.ts";
import { seededRng } from "../../../../tests/fake/rng.ts";
import { refuses, storeSuite } from "../../../../tests/suite/mesh_store.ts";
import { MeshError } from "../../../contract/mesh_store.ts";
import { emptyCore } from "../../../core/mesh/core/core_state.ts";
import { decodeCoreAnswer, encodeCoreRequest } from "../../../core/mesh/core/message.ts";
import type { CoreRequest } from "../../../core/mesh/core/request.ts";
import { CoreDriver } from "./core_driver.ts";
import { CoreServer } from "./core_server.ts";
import { CoreStore } from "./core_store.ts";
import { type CoreWay, RemoteCore } from "./remote_core.ts";

const HEALTH = { ring: "alone", core: "ok", copies: 1 } as const;

function world(
  o: {
    way?: (ask: CoreWay["ask"]) => CoreWay["ask"];
    epoch?: number;
    refusal?: string;
    isBelieved?: boolean;
  } = {},
) {
  const clock = new FakeClock();
  const core = new CoreDriver(emptyCore(), { disk: null, clock });
  const refusal = (_node: string, request: CoreRequest) =>
    request.type === "put" ? o.refusal ?? null : null;
  const server = new CoreServer(core, { epoch: 1, refusal, onNewer: () => o.isBelieved ?? true });
  const heard: number[] = [];
  const ask: CoreWay["ask"] = (body, { signal }) => server.answer("n2", body, signal);
  const client = new RemoteCore({
    epoch: () => o.epoch ?? 1,
    heard: (epoch) => heard.push(epoch),
    ask: o.way?.(ask) ?? ask,
  }, { clock, rng: seededRng(3) });
  const store = new CoreStore(client, {
    clock,
    rng: seededRng(4),
    owned: core,
    health: () => HEALTH,
  });
  return { clock, core, server, store, heard };
}

storeSuite("remote core", () => {
  const { clock, store } = world();
  return Promise.resolve({
    store,
    shortestTtl: 2_000,
    pass: (ms) => clock.advance(ms),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  });
});

const { signal } = new AbortController();

Deno.test("remote core: a request whose answer is lost is repeated, and has one effect", async () => {
  let lost = 2;
  const { store, clock, core } = world({
    way: (ask) => async (body, o) => {
      const answer = await ask(body, o);
      if (lost-- > 0) throw new MeshError("unavailable", "The link broke", { outcome: "unknown" });
      return answer;
    },
  });
  await using _ = store;
  const put = store.put("name/a", new Uint8Array(), { signal, if: "absent" });
  deepEqual(await clock.until(put), { ok: true, version: "1" });
  equal(core.revision, 1);
});

Deno.test("remote core: without a way to it calls fail after a while", async () => {
  const { store, clock } = world({
    way: () => () => Promise.reject(new MeshError("unavailable", "There is no link")),
  });
  await using _ = store;
  await clock.until(refuses("unavailable", store.get("name/a", { signal })));
});

Deno.test("remote core: an answer that cannot be read is none", async () => {
  const { store, clock } = world({ way: () => () => Promise.resolve(new Uint8Array(3)) });
  await using _ = store;
  await clock.until(refuses("unavailable", store.get("name/a", { signal })));
});

Deno.test("remote core: one that hears of a newer epoch ends, and its last answers are not taken", async () => {
  const { store, clock, core } = world({ epoch: 2 });
  await using _ = store;
  await clock.until(refuses("unavailable", store.get("name/a", { signal })));
  ok(core.failure?.message.includes("epoch 2"));
});

Deno.test("remote core: a node that is not believed ends no core by an epoch that it has made up", async () => {
  const { store, clock, core, server } = world({ epoch: 99, isBelieved: false });
  await using _ = store;
  await clock.until(refuses("unavailable", store.get("name/a", { signal })));
  equal(core.failure, undefined);
  const body = encodeCoreRequest({ epoch: 1, content: { type: "get", key: "name/a" } });
  const { content } = decodeCoreAnswer(await server.answer("n3", body, signal));
  deepEqual(content, { type: "entry", entry: null });
});

Deno.test("remote core: nodes may ask only what they may, and rubbish is answered", async () => {
  const { store, clock, server } = world({ refusal: "This node may not write" });
  await using _ = store;
  await clock.until(refuses("denied", store.put("name/a", new Uint8Array(), { signal })));
  equal(await clock.until(store.get("name/a", { signal })), null);
  const { content } = decodeCoreAnswer(await server.answer("n2", new Uint8Array(9), signal));
  equal(content.type === "error" && content.reason, "unsupported");
});
