import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import packet from "dns-packet";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { seededRng } from "../../../tests/fake/rng.ts";
import { TtunError } from "../../base/errors.ts";
import type { DatagramDialer } from "../../contract/names.ts";
import type { OnReady } from "../../contract/stream.ts";
import { parseResolvConf } from "../../core/dns/resolv_conf.ts";
import { DnsClient } from "./dns_client.ts";
import { dialBy } from "../../../tests/fake/dialer.ts";

/** Name servers by address: what each has for a name, or null where it says nothing. */
type Servers = Record<string, (name: string) => string | null | "none">;

class World {
  readonly clock = new FakeClock();
  readonly asked: string[] = [];
  readonly stop = new AbortController();
  readonly client: DnsClient;
  open = 0;
  conf: ReturnType<typeof parseResolvConf>;

  constructor(text: string, servers: Servers) {
    this.conf = parseResolvConf(text);
    const datagrams: DatagramDialer = {
      sourceOf: () => null,
      connect: ({ host }) => {
        this.open++;
        const inbox: Uint8Array[] = [];
        let run: OnReady | null = null;
        return {
          send: (bytes) => {
            const { id, questions } = packet.decode(Buffer.from(bytes));
            const [{ name, type }] = questions;
            if (type === "A") this.asked.push(`${host} ${name}`);
            const found = servers[host]?.(name);
            if (found === undefined) throw new TtunError("unreachable", "Nothing listens there");
            if (found === null) return;
            const isAlias = /[a-z]/.test(found) && found !== "none";
            const isFound = found !== "none" && (type === "A" || isAlias);
            const record = isAlias ? "CNAME" : type;
            const answers = isFound ? [{ name, type: record, ttl: 60, data: found }] : [];
            const flags = found === "none" ? 0x8183 : 0x8180;
            inbox.push(packet.encode({ type: "response", id, flags, questions, answers }));
            queueMicrotask(() => void run?.());
          },
          receiveNow: (into) => {
            const next = inbox.shift();
            if (next !== undefined) into.set(next);
            return next?.length;
          },
          onReceivable: (call) => void (run = call),
          [Symbol.dispose]: () => void this.open--,
        };
      },
    };
    const dialer = dialBy(() => Promise.reject(new TtunError("unreachable", "no TCP")));
    this.client = new DnsClient({
      conf: () => this.conf,
      datagrams,
      dialer,
      clock: this.clock,
      rng: seededRng(3),
    });
  }

  /** Looks a name up: the addresses or the kind of failure, and the questions that it took. */
  async ask(name: string, isAbsolute = false): Promise<string> {
    this.asked.length = 0;
    const asking = this.client.lookUp(name, isAbsolute, this.stop.signal);
    const outcome = await this.clock.until(asking);
    const said = outcome.kind === "addresses" ? outcome.addresses.join() : outcome.kind;
    assert.equal(this.open, 0, "no socket is left");
    assert.equal(this.clock.pending, 0);
    return [said, ...this.asked].join(", ");
  }
}

const all = (address: string | null) => () => address;

Deno.test("search lists: the first name that is there", async () => {
  const world = new World("nameserver 192.0.2.1\nsearch a.example b.example", {
    "192.0.2.1": (name) => name === "host.b.example" ? "203.0.113.1" : "none",
  });
  const own = "192.0.2.1 host";
  assert.equal(await world.ask("host"), `203.0.113.1, ${own}.a.example, ${own}.b.example`);
  assert.equal(await world.ask("host", true), `nxdomain, ${own}`);
  assert.match(
    await world.ask("host"),
    /^203\.0\.113\.1, 192\.0\.2\.1 host\.a\.example$/,
    "kept, but for the one without a SOA",
  );
});

Deno.test("no answer to one name of the list is the end: the others would only wait as long", async () => {
  const world = new World("nameserver 192.0.2.1\nsearch a.example b.example", {
    "192.0.2.1": all(null),
  });
  assert.match(await world.ask("host"), /^silent/);
  assert.equal(world.asked.every((question) => question.endsWith("host.a.example")), true);
  assert.equal(world.clock.now(), 10_000);
});

Deno.test("a name that stands for another one, of which nothing is said, is asked for by that one", async () => {
  const world = new World("nameserver 192.0.2.1", {
    "192.0.2.1": (name) =>
      ({
        "a.example": "b.example",
        "b.example": "203.0.113.1",
        "loop.example": "pool.example",
        "pool.example": "loop.example",
      })[name] ?? "none",
  });
  const own = "192.0.2.1";
  assert.equal(await world.ask("a.example"), `203.0.113.1, ${own} a.example, ${own} b.example`);
  assert.equal(await world.ask("a.example"), "203.0.113.1", "kept under its own name");
  assert.match(await world.ask("loop.example"), /^nodata/);
  assert.equal(world.asked.length, 9);
});

Deno.test("rotate begins with another server each time", async () => {
  const world = new World("nameserver 192.0.2.1\nnameserver 192.0.2.2\noptions rotate", {
    "192.0.2.1": all("203.0.113.1"),
    "192.0.2.2": all("203.0.113.2"),
  });
  const said = [
    await world.ask("a.example"),
    await world.ask("b.example"),
    await world.ask("c.example"),
  ];
  assert.deepEqual(said.map((line) => line.slice(0, 11)), [
    "203.0.113.1",
    "203.0.113.2",
    "203.0.113.1",
  ]);
});

Deno.test("another configuration is other servers, and nothing is known of before", async () => {
  const world = new World("nameserver 192.0.2.1", {
    "192.0.2.1": all("203.0.113.1"),
    "192.0.2.2": all("203.0.113.2"),
  });
  await world.ask("a.example");
  assert.equal(await world.ask("a.example"), "203.0.113.1", "kept");
  world.conf = parseResolvConf("nameserver 192.0.2.2");
  assert.equal(await world.ask("a.example"), "203.0.113.2, 192.0.2.2 a.example");
});

Deno.test("a server that is silent stays the first, but is waited for less and less, until it answers", async () => {
  let isDark = true;
  const world = new World("nameserver 192.0.2.1\nnameserver 192.0.2.2", {
    "192.0.2.1": () => isDark ? null : "203.0.113.1",
    "192.0.2.2": all("203.0.113.2"),
  });
  const times: number[] = [];
  for (let i = 0; i < 7; i++) {
    const before = world.clock.now();
    assert.match(await world.ask(`n${i}.example`), /^203\.0\.113\.2, 192\.0\.2\.1 /);
    times.push(world.clock.now() - before);
  }
  assert.deepEqual(times, [5000, 1000, 1000, 1000, 1000, 250, 250]);
  isDark = false;
  const before = world.clock.now();
  assert.match(await world.ask("x.example"), /^203\.0\.113\.1/);
  assert.equal(world.clock.now(), before);
  isDark = true;
  await world.ask("y.example");
  assert.equal(world.clock.now() - before, 5000, "what was is forgotten");
});

Deno.test("an abort ends the question, its sockets and its timers", async () => {
  const world = new World("nameserver 192.0.2.1", { "192.0.2.1": all(null) });
  const asking = world.client.lookUp("a.example", true, world.stop.signal);
  const reason = new Error("gone");
  world.stop.abort(reason);
  await assert.rejects(asking, (error) => error === reason);
  await assert.rejects(
    world.client.lookUp("a.example", true, world.stop.signal),
    (e) => e === reason,
  );
  assert.deepEqual([world.open, world.clock.pending], [0, 0]);
});

Deno.test("where nothing listens at any server that is told at once", async () => {
  const world = new World("nameserver 192.0.2.1\nnameserver 192.0.2.2", {});
  assert.match(await world.ask("a.example"), /^silent/);
  assert.equal(world.clock.now(), 0);
});
