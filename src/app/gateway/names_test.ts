import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { seededRng } from "../../../tests/fake/rng.ts";
import { toHex, utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { MeshError, type MeshStore } from "../../contract/mesh_store.ts";
import type { AgentFacts } from "../../core/mesh/admission/agent_certificate.ts";
import { memoryStore } from "../mesh/store/memory_store.ts";
import { SERVICE_KINDS } from "../../core/gateway/service_kinds.ts";
import { Names } from "./names.ts";

const { signal } = new AbortController();

function agent(byte: number, names: readonly string[], quota = 2): AgentFacts {
  const key = new Uint8Array(32).fill(byte);
  return {
    agentId: key,
    publicKey: key,
    names,
    quota,
    kinds: SERVICE_KINDS,
    notBefore: 0,
    notAfter: 1,
  };
}

/** A store whose core can be away. */
function lab() {
  const store = memoryStore({ clock: new FakeClock(), rng: seededRng(1) });
  let isAway = false;
  /** Agents by the host names whose owners name them. */
  const owners = new Map<string, string>();
  const prove = (host: string, agent: string) => {
    if (owners.get(host) === agent) return Promise.resolve();
    return Promise.reject(new TtunError("auth", "Its owner has not said so"));
  };
  const away = new Proxy(store, {
    get: (target, key: keyof MeshStore) => {
      if (isAway) throw new MeshError("unavailable", "The core is away");
      return target[key].bind(target);
    },
  });
  return {
    store,
    names: new Names({ store: away, now: () => 5, prove }),
    owners,
    away: (is: boolean) => void (isAway = is),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

Deno.test("a host name is the agent's whom its owner names, also when that is another one", async () => {
  await using at = lab();
  const [a, b] = [agent(1, ["*"]), agent(2, ["www.example.org"])];
  const host = "www.example.org";
  await assert.rejects(at.names.claim(host, a, signal), { kind: "auth" });
  at.owners.set(host, toHex(a.agentId));
  await at.names.claim(host, a, signal);
  at.owners.delete(host); // its record need not stay
  await at.names.claim(host, a, signal);
  await assert.rejects(at.names.claim(host, b, signal), { kind: "auth" });
  at.owners.set(host, toHex(b.agentId));
  await at.names.claim(host, b, signal);
  await assert.rejects(at.names.claim(host, a, signal), { kind: "auth" });
  assert.deepEqual(await at.names.of(toHex(a.agentId), signal), []);
  assert.deepEqual(await at.names.of(toHex(b.agentId), signal), [host]);
});

Deno.test("a name is its first agent's, also later and also for a race", async () => {
  await using at = lab();
  const [a, b] = [agent(1, ["*"]), agent(2, ["*"])];
  const both = await Promise.allSettled([
    at.names.claim("shop", a, signal),
    at.names.claim("shop", b, signal),
  ]);
  assert.deepEqual(both.map(({ status }) => status).toSorted(), ["fulfilled", "rejected"]);
  const [owner, other] = both[0]!.status === "fulfilled" ? [a, b] : [b, a];
  await at.names.claim("shop", owner, signal);
  await assert.rejects(at.names.claim("shop", other, signal), { kind: "in_use" });
  await assert.rejects(at.names.release("shop", other.agentId, signal), { kind: "usage" });
  await at.names.release("shop", owner.agentId, signal);
  await assert.rejects(at.names.release("shop", owner.agentId, signal), { kind: "usage" });
  await at.names.claim("shop", other, signal);
});

Deno.test("names of the certificate alone, as many as the quota says", async () => {
  await using at = lab();
  await assert.rejects(at.names.claim("blog", agent(1, ["shop"]), signal), { kind: "auth" });
  const any = agent(1, ["*"]);
  await at.names.claim("a", any, signal);
  await at.names.claim("b", any, signal);
  await assert.rejects(at.names.claim("c", any, signal), { kind: "exhausted" });
  await at.names.claim("a", any, signal);
  assert.deepEqual(await at.names.of(toHex(any.agentId), signal), ["a", "b"]);
});

Deno.test("claims at once get no more names than the quota says", async () => {
  await using at = lab();
  const any = agent(1, ["*"]);
  const claims = ["a", "b", "c", "d"].map((name) => at.names.claim(name, any, signal));
  await Promise.allSettled(claims);
  assert((await at.names.of(toHex(any.agentId), signal)).length <= 2);
});

Deno.test("a record of another program takes the name", async () => {
  await using at = lab();
  await at.store.put("name/web", utf8("192.0.2.7"), { signal });
  await assert.rejects(at.names.claim("web", agent(1, ["*"]), signal), { kind: "in_use" });
});

Deno.test("while the core is away, those that had their names go on", async () => {
  await using at = lab();
  const [a, b] = [agent(1, ["*"]), agent(2, ["*"])];
  await at.names.claim("shop", a, signal);
  at.away(true);
  await at.names.claim("shop", a, signal);
  await assert.rejects(at.names.claim("shop", b, signal), { reason: "unavailable" });
  await assert.rejects(at.names.claim("new", a, signal), { reason: "unavailable" });
});

Deno.test("a name that is another agent's by now is not the first one's while the core is away", async () => {
  await using at = lab();
  const [a, b] = [agent(1, ["*"]), agent(2, ["*"])];
  await at.names.claim("shop", a, signal);
  const elsewhere = new Names({ store: at.store, now: () => 5, prove: () => Promise.resolve() });
  await elsewhere.release("shop", a.agentId, signal);
  await elsewhere.claim("shop", b, signal);
  await assert.rejects(at.names.claim("shop", a, signal), { kind: "in_use" });
  at.away(true);
  await assert.rejects(at.names.claim("shop", a, signal), { reason: "unavailable" });
});
