import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { isClosed } from "../../../tests/fake/counted_streams.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { pattern, readNowAll, SCRATCH } from "../../../tests/fake/tt_ends.ts";
import { utf8 } from "../../base/bytes.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Outbound } from "../../contract/outbound.ts";
import { LOOK_MS } from "../net/blocked.ts";
import { ConnectError } from "../net/connect_error.ts";
import { Relays } from "../net/relay.ts";
import { HttpDriver } from "./http_inbound.ts";

const IDLE = 60_000;
const REQUEST_MS = 30_000;

/** A driver whose `begin`, events and connects are called by hand. */
class Bench {
  readonly clock = new FakeClock();
  readonly stop = new AbortController();
  readonly client: Connection;
  /** The ends of the target's connection: the driver's, and the target's own. */
  readonly upstream: Connection;
  readonly target: Connection;
  readonly refused: string[] = [];
  end: "open" | "over" | { error: unknown } = "open";
  readonly #driver: HttpDriver;

  /** Without `connect` the target is connected at once. */
  constructor(o: { capacity?: number; connect?: Outbound["open"] } = {}) {
    const [near, far] = memoryPair({ signalA: this.stop.signal });
    this.client = far;
    [this.upstream, this.target] = memoryPair({ capacity: o.capacity ?? 100_000 });
    const connect: Outbound["open"] = (_target, { early }, events) => {
      if (early !== undefined && early.length > 0) this.upstream.writeNow(early);
      return events.connected(this.upstream);
    };
    const relays = new Relays({ clock: this.clock, scratch: SCRATCH, idleMs: IDLE });
    const options = {
      relays,
      outbound: { open: o.connect ?? connect },
      auth: null,
      signal: this.stop.signal,
      requestMs: REQUEST_MS,
    };
    this.#driver = new HttpDriver(near, options, {
      onTarget: () => {},
      onRefused: (thrown) => void this.refused.push(String(thrown)),
      onEnd: () => this.#over("over"),
      onFailure: (error) => this.#over({ error }),
    });
  }

  #over(end: "over" | { error: unknown }): void {
    assert.equal(this.end, "open", "it ends once");
    this.end = end;
  }

  begin(text: string): boolean {
    return this.#driver.begin(utf8(text.replaceAll("\n", "\r\n")));
  }

  get answer(): string {
    return new TextDecoder().decode(readNowAll(this.client).bytes);
  }
}

const GET = "GET http://a.example/ HTTP/1.1\nHost: a.example\n\n";
const POST = "POST http://a.example/ HTTP/1.1\nHost: a.example\nContent-Length: 50000\n\n";

Deno.test("what is done at once is done without a promise, CONNECT and its relay too", () => {
  const get = new Bench();
  assert.equal(get.begin(GET), true);
  assert.match(new TextDecoder().decode(readNowAll(get.target).bytes), /^GET \/ HTTP\/1.1/);
  const tunnel = new Bench();
  assert.equal(tunnel.begin("CONNECT a.example:443 HTTP/1.1\n\nearly"), true);
  assert.match(tunnel.answer, /^HTTP\/1.1 200 /);
  assert.deepEqual(readNowAll(tunnel.target).bytes, utf8("early"));
});

Deno.test("what has to wait is left to a promise, and said to be", () => {
  const slow = new Bench({ capacity: 10 });
  assert.equal(slow.begin(`${POST}${"x".repeat(1000)}`), true, "the target calls back");
  const refused = new Bench();
  assert.equal(refused.begin("GET / HTTP/1.1\n\n"), false, "the client's connection is closed");
  const away = new Bench({ connect: () => {} });
  assert.equal(away.begin(GET), false, "the connect says nothing of itself");
});

Deno.test("a connect that fails at once, or throws, is answered", () => {
  const outcomes: Outbound["open"][] = [
    (_target, _o, events) => events.failed(new ConnectError("timeout", "late")),
    () => {
      throw new ConnectError("timeout", "late");
    },
  ];
  for (const connect of outcomes) {
    const bench = new Bench({ connect });
    bench.begin(GET);
    assert.match(bench.answer, /^HTTP\/1.1 504 /);
    assert.deepEqual(bench.refused, ["ConnectError: late"]);
    assert.equal(bench.end, "open", "the client may ask for something else");
  }
});

Deno.test("a connection that comes after its client has failed is closed", async () => {
  let connected = () => {};
  const bench: Bench = new Bench({
    connect: (_target, _o, events) => {
      connected = () => void events.connected(bench.upstream);
      return true;
    },
  });
  bench.begin(GET);
  bench.client.reset();
  await bench.clock.settle();
  assert.notEqual(bench.end, "open");
  connected();
  assert.ok(isClosed(bench.upstream));
  assert.equal(bench.clock.pending, 0);
});

Deno.test("a client that is reset while it is not read is found by a look, and its target reset", async () => {
  for (const why of ["it has ended", "its target takes nothing"]) {
    const bench = new Bench({ capacity: 1000 });
    if (why === "it has ended") {
      bench.begin(GET);
      bench.client.closeWrite();
    } else {
      bench.begin(POST);
      bench.client.writeNow(pattern(50_000));
    }
    await bench.clock.settle();
    bench.client.reset();
    await bench.clock.advance(LOOK_MS - 1);
    assert.equal(bench.end, "open", why);
    await bench.clock.advance(1);
    assert.equal((bench.end as unknown as { error: { kind: string } }).error.kind, "lost", why);
    await bench.clock.advance(20_000);
    assert.ok(isClosed(bench.upstream), why);
    assert.equal(bench.clock.pending, 0, why);
  }
});

Deno.test("a client without a whole request is reset after its time", async () => {
  const bench = new Bench();
  bench.begin("GET http://a.example/ HTT");
  await bench.clock.advance(REQUEST_MS - 1);
  assert.equal(bench.end, "open");
  await bench.clock.advance(1);
  assert.equal((bench.end as unknown as { error: { kind: string } }).error.kind, "lost");
  assert.equal(bench.clock.pending, 0);
  const whole = new Bench();
  whole.begin(GET);
  await whole.clock.advance(REQUEST_MS);
  assert.equal(whole.end, "open", "a whole request ends the time");
});

Deno.test("a client that still sends behind the last answer is read, so that no reset overtakes it", async () => {
  const bench = new Bench();
  bench.begin("GET / HTTP/1.1\n\n");
  await bench.clock.settle();
  bench.client.writeNow(pattern(1000));
  await bench.clock.advance(1000);
  assert.equal(bench.end, "open");
  assert.match(bench.answer, /^HTTP\/1.1 400 /);
  bench.client.closeWrite();
  await bench.clock.settle();
  assert.equal(bench.end, "over");
});
