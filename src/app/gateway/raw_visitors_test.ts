import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { readAll } from "../../../tests/fake/read_all.ts";
import { SCRATCH } from "../../../tests/fake/tt_ends.ts";
import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { makeLogger } from "../../base/log.ts";
import type { Connection } from "../../contract/connection.ts";
import { write } from "../loop/stream_io.ts";
import { Quota } from "../net/connection_quota.ts";
import { Relays } from "../net/relay.ts";
import type { AgentLink } from "./agent_link.ts";
import { AgentRoutes } from "./agent_routes.ts";
import { RawVisitors } from "./raw_visitors.ts";

type Events = { opened(): void; refused(error: TtunError, code: number | null): void };

/** A gateway with links to agents, and one way to another node where `node` is given. */
class World implements Disposable {
  readonly clock = new FakeClock();
  readonly routes = new AgentRoutes(new FakeClock());
  /** Services that were asked for. */
  readonly asked: string[] = [];
  /** Nodes that are said to have failed. */
  readonly failed: string[] = [];
  /** Names of which a node has refused a connection. */
  readonly refused: string[] = [];
  /** The node's answer: null = its link breaks, 0 = it takes the stream. */
  code: number | null = 0;
  /** Ends of streams that were taken. */
  readonly taken: Connection[] = [];
  readonly #relays: Relays;
  readonly raw: RawVisitors;

  constructor(node: string | null = null, perAddress = 8) {
    const { clock } = this;
    this.#relays = new Relays({ clock, scratch: SCRATCH, idleMs: Infinity });
    const remote = {
      find: () => Promise.resolve(node === null ? [] : [node]),
      failed: (_: string, node: string) => this.failed.push(node),
      refused: (name: string) => this.refused.push(name),
    };
    const openNow = (service: string, events: Events) =>
      this.open(service, events, this.code === 0);
    this.raw = new RawVisitors({
      ...{ clock, routes: this.routes, relays: this.#relays, remote: remote as never },
      places: new Quota({ total: Infinity, perAddress }),
      hops: { get: () => Promise.resolve({ openNow }) } as never,
      log: makeLogger(() => {}, () => 0, "error"),
    });
  }

  /** An agent's link; `takes`: null = it never answers. */
  link(name: string, takes: boolean | null): void {
    const openService = (service: string, events: Events) => this.open(service, events, takes);
    this.routes.add(name, { isSuspect: false, openService } as unknown as AgentLink);
  }

  open(service: string, events: Events, takes: boolean | null): Connection {
    this.asked.push(service);
    const [ours, agents] = memoryPair();
    if (takes === true) this.taken.push(agents);
    queueMicrotask(() => {
      if (takes === true) events.opened();
      else if (takes === false) events.refused(new TtunError("lost", "No"), this.code);
    });
    return ours;
  }

  visit(name: string): { visitor: Connection; over: Promise<void> } {
    const [visitor, ours] = memoryPair({ addressA: { host: "192.0.2.9", port: 4000 } });
    return { visitor, over: this.raw.serve(ours, "tcp", name) };
  }

  [Symbol.dispose](): void {
    this.#relays[Symbol.dispose]();
  }
}

Deno.test("a visitor's connection goes to the agent, and each way ends by itself", async () => {
  using world = new World();
  world.link("shop", true);
  const { visitor, over } = world.visit("shop");
  await write(visitor, utf8("question"));
  await visitor.closeWrite();
  await world.clock.settle();
  const [agent] = world.taken;
  assert.deepEqual(world.asked, ["tcp shop 192.0.2.9:4000"]);
  assert.deepEqual(await readAll(agent!), utf8("question"));
  await write(agent!, utf8("answer"));
  await agent!.closeWrite();
  assert.deepEqual(await readAll(visitor), utf8("answer"));
  await over;
});

Deno.test("a reset of the agent's is one for the visitor", async () => {
  using world = new World();
  world.link("shop", true);
  const { visitor, over } = world.visit("shop");
  await world.clock.settle();
  world.taken[0]!.reset();
  await over;
  await assert.rejects(readAll(visitor), { kind: "lost" });
});

Deno.test("a link that refuses or does not answer is followed by the next way", async () => {
  using world = new World("node two");
  world.link("shop", false);
  world.link("shop", null);
  const { visitor, over } = world.visit("shop");
  await world.clock.advance(200);
  await world.clock.settle();
  assert.equal(world.asked.length, 3);
  // Whoever visits cannot have a node counted as one that fails.
  world.taken[0]!.reset();
  await over;
  assert.deepEqual(world.failed, []);
  await assert.rejects(readAll(visitor), { kind: "lost" });
});

Deno.test("a node that refuses a connection has not failed; one whose link breaks has", async () => {
  using world = new World("node two");
  for (const code of [7, null]) {
    world.code = code;
    const { visitor, over } = world.visit("shop");
    await over;
    await assert.rejects(readAll(visitor), { kind: "lost" });
    assert.deepEqual(world.refused, ["shop"]);
    assert.deepEqual(world.failed, code === null ? ["node two"] : []);
  }
});

Deno.test("a link that answers late is given up when another one was quicker, and all are in the end", async () => {
  using world = new World();
  world.link("shop", null);
  world.link("shop", null);
  const { visitor, over } = world.visit("shop");
  await world.clock.advance(11_000);
  await over;
  assert.equal(world.asked.length, 2);
  await assert.rejects(readAll(visitor), { kind: "lost" });
});

Deno.test("a name that nobody publishes ends by a reset", async () => {
  using world = new World();
  const { visitor, over } = world.visit("none");
  await over;
  await assert.rejects(readAll(visitor), { kind: "lost" });
});

Deno.test("an address has a share of connections, which are counted", async () => {
  using world = new World(null, 1);
  world.link("shop", true);
  const first = world.visit("shop");
  await write(first.visitor, utf8("question"));
  await world.clock.settle();
  const second = world.visit("shop");
  await second.over;
  await assert.rejects(readAll(second.visitor), { kind: "lost" });
  first.visitor.reset();
  await first.over;
  const values = world.raw.measures().map(({ value }) => value);
  assert.deepEqual(values, [1, 0, 8, 0]);
});
