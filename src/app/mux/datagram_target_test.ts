import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { formatAddr, type HostPort } from "../../base/addr.ts";
import { utf8 } from "../../base/bytes.ts";
import { NameError, TtunError } from "../../base/errors.ts";
import { makeTarget } from "../../base/target.ts";
import type { ConnectedDatagrams } from "../../contract/names.ts";
import type { OnReady } from "../../contract/stream.ts";
import { Acl } from "../../core/acl/acl.ts";
import { parseRule } from "../../core/acl/rule.ts";
import { DatagramTarget } from "./datagram_target.ts";

/** A connected socket that a test feeds, and that may fail as if ICMP had told of it. */
class FakeSocket implements ConnectedDatagrams {
  readonly sent: string[] = [];
  readonly waiting: string[] = [];
  isOpen = true;
  fails = false;
  #run: OnReady | null = null;

  send(bytes: Uint8Array): void {
    if (this.fails) throw new TtunError("lost", "refused");
    this.sent.push(new TextDecoder().decode(bytes));
  }

  receiveNow(into: Uint8Array): number | undefined {
    if (this.fails) throw new TtunError("lost", "refused");
    const next = this.waiting.shift();
    return next === undefined ? undefined : new TextEncoder().encodeInto(next, into).written;
  }

  onReceivable(run: OnReady): void {
    this.#run = run;
  }

  tell(): void {
    const run = this.#run;
    this.#run = null;
    run?.();
  }

  [Symbol.dispose](): void {
    this.isOpen = false;
  }
}

class World {
  readonly clock = new FakeClock();
  readonly sockets: FakeSocket[] = [];
  readonly words: string[] = [];
  readonly resolved = Promise.withResolvers<string[]>();
  readonly life = new AbortController();
  readonly target: DatagramTarget;

  constructor(to: string, port = 53, deny: string[] = []) {
    this.target = new DatagramTarget({
      target: makeTarget(to, port),
      sockets: {
        connect: (at: HostPort) => {
          this.words.push(`connect ${formatAddr(at)}`);
          this.sockets.push(new FakeSocket());
          return this.sockets.at(-1)!;
        },
        sourceOf: () => null,
      },
      resolver: { resolve: () => this.resolved.promise },
      rules: new Acl({ allow: parseRule("192.0.2.0/24"), deny: deny.flatMap(parseRule) }),
      clock: this.clock,
      owner: "",
      signal: this.life.signal,
      received: (bytes, from) =>
        void this.words.push(`${new TextDecoder().decode(bytes)} from ${from.host}`),
      failed: (error) => void this.words.push(`failed ${(error as Error).message}`),
      place: { [Symbol.dispose]: () => {} },
      ended: () => void this.words.push("ended"),
    });
    this.target.open();
  }

  send(...texts: string[]): void {
    for (const text of texts) this.target.send(utf8(text));
  }
}

Deno.test("an address is connected to at once, and what it says comes with its address", () => {
  const world = new World("192.0.2.1");
  const { target, sockets: [socket], words } = world;
  world.send("a");
  assert.deepEqual(socket!.sent, ["a"]);
  socket!.waiting.push("x", "y");
  socket!.tell();
  assert.deepEqual(words, ["connect 192.0.2.1:53", "x from 192.0.2.1", "y from 192.0.2.1"]);
  target[Symbol.dispose]();
  assert(!socket!.isOpen);
  world.send("b");
  assert.deepEqual(socket!.sent, ["a"]);
});

Deno.test("a few datagrams wait for a name, whose first permitted address is taken", async () => {
  const world = new World("a.example");
  world.send(..."123456789");
  world.resolved.resolve(["127.0.0.1", "192.0.2.1", "192.0.2.2"]);
  await world.clock.settle();
  assert.deepEqual(world.words, ["connect 192.0.2.1:53"]);
  assert.deepEqual(world.sockets[0]!.sent, [..."12345678"]);
});

Deno.test("a target that is denied, or has no address, fails once, and its datagrams are dropped", async () => {
  const denied = new World("192.0.2.1", 53, ["192.0.2.0/24"]);
  const special = new World("a.example");
  special.resolved.resolve(["169.254.169.254"]);
  const missing = new World("b.example");
  missing.resolved.reject(new NameError("missing", "no such name"));
  const empty = new World("c.example");
  empty.resolved.resolve([]);
  for (const world of [denied, special, missing, empty]) {
    await world.clock.settle();
    world.send("a", "b");
    assert.equal(world.words.length, 1, world.words.join());
    assert.match(world.words[0]!, /^failed /);
  }
});

Deno.test("a socket that fails is closed, and that is told once", () => {
  for (const how of ["send", "receive"]) {
    const world = new World("192.0.2.1");
    const [socket] = world.sockets;
    socket!.fails = true;
    if (how === "send") world.send("a");
    else socket!.tell();
    world.send("b");
    assert.deepEqual(world.words.slice(1), ["ended"]);
    assert(!socket!.isOpen);
  }
});

Deno.test("a target that is given up while its name is asked for opens nothing", async () => {
  const disposed = new World("a.example");
  disposed.target[Symbol.dispose]();
  const aborted = new World("a.example");
  aborted.life.abort();
  for (const world of [disposed, aborted]) {
    world.resolved.resolve(["192.0.2.1"]);
    await world.clock.settle();
    assert.deepEqual(world.words, []);
  }
});

Deno.test("a target that says much lets others have their turn", async () => {
  const world = new World("192.0.2.1");
  const [socket] = world.sockets;
  for (let i = 0; i < 100; i++) socket!.waiting.push("x");
  socket!.tell();
  assert.equal(world.words.length, 1 + 64);
  await world.clock.settle();
  assert.equal(world.words.length, 1 + 100);
});
