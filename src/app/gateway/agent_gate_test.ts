import assert from "node:assert/strict";
import { keptLog } from "../../../tests/fake/log.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { seededRng } from "../../../tests/fake/rng.ts";
import { StreamWorld } from "../../../tests/fake/stream_programs.ts";
import { passthroughKey } from "../../core/gateway/route.ts";
import { SERVICE_KINDS } from "../../core/gateway/service_kinds.ts";
import { issueAgentCertificate } from "../../core/mesh/admission/agent_certificate.ts";
import { ed25519Signer, verifyEd25519 } from "../../io/crypto/ed25519.ts";
import { memoryStore } from "../mesh/store/memory_store.ts";
import { clientMemory } from "../mux/session_memory.ts";
import { AgentGate } from "./agent_gate.ts";
import { AgentRoutes } from "./agent_routes.ts";
import { AgentSession } from "./agent_session.ts";
import type { Tunnel } from "./dial_agent.ts";
import { Names } from "./names.ts";

const NOW = Date.UTC(2026, 5, 1);
const [AUTHORITY, AGENT] = [1, 2].map((byte) => ed25519Signer(new Uint8Array(32).fill(byte)));
const plain: Tunnel = { name: "shop" };
const sealed: Tunnel = { name: "shop", raw: { tls: (visitor) => visitor.reset() } };

/** A gateway, and an agent that may have any name. */
class World implements AsyncDisposable {
  readonly streams = new StreamWorld({});
  readonly stop = new AbortController();
  readonly clock = this.streams.clock;
  readonly store = memoryStore({ clock: this.clock, rng: seededRng(1) });
  readonly routes = new AgentRoutes(this.clock);
  readonly #now = () => NOW + this.clock.now();
  readonly #common = () => {
    const { log } = keptLog(this.clock);
    const common = this.streams.common(log, this.stop.signal, { psk: "everybody's" });
    return { ...common, log, now: this.#now, memory: clientMemory() };
  };
  readonly #gate = new AgentGate({
    ...this.#common(),
    secrets: () => this.#common().secrets,
    authorities: () => [AUTHORITY!.publicKey],
    verify: verifyEd25519,
    isRevoked: () => false,
    names: new Names({ store: this.store, now: this.#now, prove: () => Promise.resolve() }),
    routes: this.routes,
    store: this.store,
    self: "aa".repeat(32),
    others: () => [],
    apex: "mesh.test",
    port: 443,
    enroll: () => Promise.reject(new Error("Nobody enrolls here")),
  });

  /** Links the agent, which publishes what `tunnels` returns. */
  session(tunnels: () => readonly Tunnel[]): Promise<AgentSession> {
    const [here, there] = memoryPair();
    void this.#gate.accept(there); // it never rejects
    const { publicKey } = AGENT!;
    const certificate = issueAgentCertificate(
      { publicKey, names: ["*"], quota: 9, kinds: SERVICE_KINDS },
      { authority: AUTHORITY!, serial: new Uint8Array([1]), nowMs: NOW },
    );
    const session = AgentSession.open({
      ...this.#common(),
      connect: () => Promise.resolve(here),
      signer: AGENT!,
      certificate: () => certificate,
      tunnels,
      isStrict: () => true,
      isOld: () => false,
      renewed: () => {},
    }, this.stop.signal);
    return this.settle(session);
  }

  async settle<T>(promise: Promise<T>): Promise<T> {
    let isDone = false;
    promise.finally(() => isDone = true).catch(() => {}); // awaited below
    for (let i = 0; i < 100 && !isDone; i++) await this.clock.advance(10);
    await this.clock.settle();
    return await promise;
  }

  /** Nodes end the name's TLS no more, also while its agent is off. */
  async isMarked(): Promise<boolean> {
    return await this.store.get(passthroughKey("shop"), this.stop) !== null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop.abort(new Error("the test is over"));
    await this.clock.advance(1000);
    await this.store[Symbol.asyncDispose]();
    await this.streams[Symbol.asyncDispose]();
  }
}

Deno.test("nodes know that TLS goes to the agent, whenever it says so, and after it has left", async () => {
  await using world = new World();
  let tunnels = [plain];
  const session = await world.session(() => tunnels);
  assert(world.routes.has("shop"));
  assert.equal(await world.isMarked(), false);
  tunnels = [sealed];
  await world.settle(session.refresh());
  assert(world.routes.isPassthrough("shop"));
  assert.equal(await world.isMarked(), true);
  // The mark is made again where it is lost, or could not be kept.
  await world.store.delete(passthroughKey("shop"), world.stop);
  await world.settle(session.refresh());
  assert.equal(await world.isMarked(), true);
  await world.settle(session.close());
  assert(!world.routes.has("shop"));
  assert.equal(await world.isMarked(), true);
  const again = await world.session(() => tunnels);
  tunnels = [plain];
  await world.settle(again.refresh());
  assert.equal(await world.isMarked(), false);
});
