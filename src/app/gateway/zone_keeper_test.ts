import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import packet from "dns-packet";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { seededRng } from "../../../tests/fake/rng.ts";
import { makeLogger } from "../../base/log.ts";
import { MeshError, type MeshStore } from "../../contract/mesh_store.ts";
import { memoryStore } from "../mesh/store/memory_store.ts";
import { ZoneKeeper } from "./zone_keeper.ts";

Deno.test("a core that does not tell the challenges is asked once a second, however many questions come", async () => {
  const clock = new FakeClock();
  await using store = memoryStore({ clock, rng: seededRng(1) });
  let [asked, isAway] = [0, true];
  const failing = new Proxy(store, {
    get: (target, name: keyof MeshStore) => {
      if (name !== "list") {
        return typeof target[name] === "function" ? target[name].bind(target) : undefined;
      }
      asked++;
      return isAway
        ? () => Promise.reject(new MeshError("unavailable", "The core is away"))
        : target.list.bind(target);
    },
  });
  const keeper = new ZoneKeeper({
    ...{ store: failing, clock, log: makeLogger(() => {}, () => 0, "error"), now: () => 0 },
    ...{ self: "00", zone: "example.net", isApex: true, member: { visitors: [], server: null } },
  });
  const { signal } = new AbortController();
  const questions = [{ name: "_acme-challenge.example.net", type: "TXT", class: "IN" }];
  const query = new Uint8Array(packet.encode({ type: "query", id: 1, questions } as never));
  const ask = async () => {
    const answer = await keeper.answer(query, "udp", signal);
    return (packet.decode(Buffer.from(answer!)) as unknown as { rcode: string }).rcode;
  };
  for (let i = 0; i < 50; i++) assert.equal(await ask(), "SERVFAIL");
  assert.equal(asked, 1);
  isAway = false;
  await clock.advance(1000);
  assert.equal(await ask(), "NXDOMAIN");
  assert.equal(asked, 2);
});
