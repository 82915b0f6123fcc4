import assert from "node:assert/strict";
import { makeLogger } from "../../base/log.ts";
import { utf8 } from "../../base/bytes.ts";
import type { Connection } from "../../contract/connection.ts";
import { Http1Server } from "../../core/http/http1/server.ts";
import type { AccessEntry } from "../../core/http/policy/access_log.ts";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { Quota } from "../net/connection_quota.ts";
import { read } from "../loop/stream_io.ts";
import type { AgentLink } from "./agent_link.ts";
import { AgentRoutes } from "./agent_routes.ts";
import { Gateway } from "./gateway.ts";
import { GatewayCounts } from "./gateway_counts.ts";
import { gatewayPages } from "./gateway_pages.ts";

/** A gateway with one service, whose agent takes requests and does not answer. */
class World implements AsyncDisposable {
  readonly entries: AccessEntry[] = [];
  /** Requests that have come to the agent. */
  readonly taken: Connection[] = [];
  readonly #visitors: Connection[] = [];
  readonly #serving: Promise<void>[] = [];
  readonly #gateway: Gateway;

  /** Services that were asked for. */
  readonly asked: string[] = [];
  /** Has the agent publish a name. */
  readonly add: (name: string, isPassthrough?: boolean) => void;

  constructor(perAddress: number) {
    const clock = new FakeClock();
    const routes = new AgentRoutes(clock);
    const open = (service: string) => {
      this.asked.push(service);
      const [ours, agents] = memoryPair();
      this.taken.push(agents);
      return ours;
    };
    const link = { isSuspect: false, openService: open } as unknown as AgentLink;
    routes.add("shop", link);
    this.add = (name, isPassthrough) => routes.add(name, link, isPassthrough);
    let id = 0;
    this.#gateway = new Gateway({
      apex: "example.test",
      routes,
      remote: {
        find: () => Promise.resolve([]),
        wasThere: () => false,
        isPassthrough: () => false,
      } as never,
      hops: {} as never,
      clock,
      draining: new AbortController().signal,
      log: makeLogger(() => {}, () => 0, "error"),
      scratch: new Uint8Array(64 * 1024),
      port: 443,
      makeServer: (scheme) =>
        new Http1Server({ scheme, makePage: (...o) => gatewayPages.unreadable("none", ...o) }),
      alternative: () => null,
      requestId: () => `request ${++id}`,
      places: new Quota({ total: Infinity, perAddress }),
      isWebProxy: () => false,
      counts: new GatewayCounts(),
      access: (entry) => this.entries.push(entry),
      now: () => 0,
    });
  }

  /** Sends a request from an address; the connection is the visitor's. */
  async ask(from: string, host = "shop.example.test"): Promise<Connection> {
    const [visitor, ours] = memoryPair({ addressA: { host: from, port: 4000 } });
    this.#visitors.push(visitor);
    this.#serving.push(this.#gateway.serve(ours, "http/1.1"));
    visitor.writeNow(utf8(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`));
    for (let i = 0; i < 10; i++) await Promise.resolve(); // the head is read
    return visitor;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const end of [...this.#visitors, ...this.taken]) end.reset();
    await Promise.all(this.#serving);
  }
}

async function answerOf(visitor: Connection): Promise<string> {
  const bytes = new Uint8Array(8192);
  const got = await read(visitor, bytes);
  return new TextDecoder().decode(bytes.subarray(0, got ?? 0));
}

Deno.test("a visitor with many requests at once leaves places to others", async () => {
  await using world = new World(2);
  const first = await world.ask("192.0.2.7");
  await world.ask("192.0.2.7");
  assert.equal(world.taken.length, 2);
  assert.match(await answerOf(await world.ask("192.0.2.7")), /^HTTP\/1\.1 503 /);
  assert.equal(world.taken.length, 2);
  await world.ask("192.0.2.8");
  assert.equal(world.taken.length, 3);
  first.reset();
  await world.ask("192.0.2.7");
  assert.equal(world.taken.length, 4);
});

Deno.test("the apex shows a page, and hosts that nobody has here are misdirected", async () => {
  await using world = new World(9);
  const answer = async (host: string) => await answerOf(await world.ask("192.0.2.7", host));
  assert.match(await answer("Example.Test:443"), /^HTTP\/1\.1 200 [^]*a gateway of ttun mesh/);
  for (const host of ["www.example.org", "a.b.example.test", "192.0.2.1", "[2001:db8::1]"]) {
    assert.match(await answer(host), /^HTTP\/1\.1 421 /, host);
  }
  world.add("www.example.org");
  await world.ask("192.0.2.7", "www.example.org");
  assert.deepEqual(world.asked, ["http www.example.org"]);
  world.add("sealed", true);
  assert.match(await answer("sealed.example.test"), /^HTTP\/1\.1 421 /);
});

Deno.test("a page has the request's id of the access log", async () => {
  await using world = new World(2);
  const page = await answerOf(await world.ask("192.0.2.7", "none.example.test"));
  assert.match(page, /^HTTP\/1\.1 404 [^]*404 request 1</);
  assert.equal(world.entries[0]?.requestId, "request 1");
});
