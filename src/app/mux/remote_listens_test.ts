import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { MuxPair } from "../../../tests/fake/mux_end.ts";
import { type Addr, formatAddr } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { type MuxAddress, type Open, OpenKind } from "../../core/mux/frames.ts";
import { type RemoteListen, RemoteListens } from "./remote_listens.ts";

const AT = { host: "localhost", port: 8080 };
const BOUND = { host: "127.0.0.1", port: 8080 };
const PEER = { host: "192.0.2.9", port: 50_000 };

/** A client that asks for one listener, with a server that is told what to do. */
class World {
  readonly clock = new FakeClock();
  readonly listens = new RemoteListens(this.clock);
  pair = new MuxPair();
  readonly words: string[] = [];
  readonly answers: string[] = [];

  readonly listen: RemoteListen;

  constructor() {
    const say = (text: string) => void this.words.push(text);
    this.listen = {
      kind: OpenKind.listen,
      address: AT,
      opened: (address: MuxAddress) => say(`bound ${formatAddr(address!)}`),
      refused: (code) => say(`refused ${code}`),
      ended: () => say("ended"),
      accepted: (stream, from: Addr) => {
        say(`accepted ${formatAddr(from)}`);
        stream.answer(0, null);
      },
    };
    this.listens.add(this.listen);
    this.useSession();
  }

  useSession(): void {
    this.listens.useSession(this.pair.client);
    this.pair.exchange();
  }

  /** The stream by which the client listens, at the server. */
  get listener() {
    return this.pair.server.lastOpened;
  }

  /** Answers the listen, or refuses it. */
  async answer(code: number): Promise<void> {
    this.listener.answer(code, code === 0 ? BOUND : null);
    this.pair.exchange();
    await this.clock.settle();
  }

  /** Opens a stream from the server; says how the client answers. */
  open(open: Open): string {
    const { client, server } = this.pair;
    let answer = "none";
    server.mux.open(open, "x", {
      opened: () => answer = "opened",
      refused: (code) => answer = `refused ${code}`,
    });
    this.pair.exchange();
    const { stream, open: seen } = client.opened.at(-1)!;
    this.listens.onOpened(stream, seen);
    this.pair.exchange();
    return answer;
  }

  accepted(listener = this.listener.id): string {
    return this.open({ kind: OpenKind.accepted, listener, address: PEER });
  }
}

Deno.test("a listener is asked for on every session, and its streams are taken", async () => {
  const world = new World();
  assert.deepEqual(world.pair.server.opened[0]!.open, { kind: OpenKind.listen, address: AT });
  await world.answer(0);
  assert.equal(world.accepted(), "opened");
  world.listens.useSession(world.pair.client); // it goes on
  world.pair.exchange();
  assert.equal(world.pair.server.opened.length, 1);
  const old = world.pair;
  world.listens.useSession(null);
  old.client.mux.end(new TtunError("lost", "over"));
  await world.clock.settle();
  world.pair = new MuxPair();
  world.useSession();
  await world.answer(0);
  const bound = "bound 127.0.0.1:8080";
  assert.deepEqual(world.words, [bound, "accepted 192.0.2.9:50000", bound]);
});

Deno.test("a server can open nothing but streams of a listener that it was asked for", async () => {
  const world = new World();
  await world.answer(0);
  for (const address of [null, { host: "127.0.0.1", port: 22 }, { path: "/run/docker.sock" }]) {
    assert.equal(world.open({ kind: OpenKind.connect, address }), "refused 2");
    assert.equal(world.open({ kind: OpenKind.listen, address }), "refused 2");
    for (const listener of [0, 2, 3, 99]) {
      assert.equal(world.open({ kind: OpenKind.accepted, listener, address }), "refused 2");
    }
  }
  assert.deepEqual(world.words, ["bound 127.0.0.1:8080"]);
});

Deno.test("a refusal has its code, and nothing comes from such a listener", async () => {
  const world = new World();
  await world.answer(2);
  assert.deepEqual(world.words, ["refused 2"]);
  assert.equal(world.accepted(1), "refused 2");
});

for (const how of ["a reset", "an end"]) {
  Deno.test(`the server ends a listener by ${how}: that is told, and nothing comes from it`, async () => {
    const world = new World();
    await world.answer(0);
    const { id } = world.listener;
    if (how === "a reset") world.listener.reset();
    else void world.listener.closeWrite();
    world.pair.exchange();
    await world.clock.settle();
    assert.deepEqual(world.words.slice(1), ["ended"]);
    assert.equal(world.accepted(id), "refused 2");
    world.pair.exchange();
    await world.clock.settle();
    for (const { mux } of [world.pair.client, world.pair.server]) assert.equal(mux.streams, 0);
  });
}

Deno.test("listeners have settled, once, when the server has answered for all of a session", async () => {
  for (const code of [0, 2]) {
    const world = new World();
    let settled = 0;
    world.listens.onSettled = () => settled++;
    assert.equal(settled, 0);
    await world.answer(code);
    assert.equal(settled, 1);
    world.listens.useSession(null);
    world.pair = new MuxPair();
    world.useSession();
    await world.answer(code);
    assert.equal(settled, 1);
  }
  const none = new RemoteListens(new FakeClock());
  let settled = 0;
  none.onSettled = () => settled++;
  none.useSession(null);
  assert.equal(settled, 0);
  none.useSession(new MuxPair().client);
  assert.equal(settled, 1);
});

Deno.test("listeners that a lost session had asked for do not settle the next one", async () => {
  const world = new World();
  let settled = 0;
  world.listens.onSettled = () => settled++;
  const old = world.pair;
  world.listens.useSession(null);
  old.client.mux.end(new TtunError("lost", "over"));
  await world.clock.settle();
  world.pair = new MuxPair();
  world.useSession();
  assert.equal(settled, 0);
  await world.answer(0);
  assert.equal(settled, 1);
});

for (const isAnswered of [true, false]) {
  Deno.test(`a listener that is removed ends at the server: ${isAnswered ? "answered" : "not yet"}`, async () => {
    const world = new World();
    let settled = 0;
    world.listens.onSettled = () => settled++;
    if (isAnswered) await world.answer(0);
    const { id } = world.listener;
    world.listens.remove(world.listen);
    assert.equal(settled, 1);
    world.pair.exchange();
    if (!isAnswered) await world.answer(0); // it crosses the end
    await world.clock.settle();
    assert.equal(world.accepted(id), "refused 2");
    assert.deepEqual(world.words, isAnswered ? ["bound 127.0.0.1:8080"] : []);
    void world.listener[Symbol.asyncDispose]();
    world.pair.exchange();
    await world.clock.settle();
    for (const { mux } of [world.pair.client, world.pair.server]) assert.equal(mux.streams, 0);
    world.listens.remove(world.listen); // once more makes no difference
    world.listens.useSession(null);
    world.pair = new MuxPair();
    world.useSession();
    assert.deepEqual(world.pair.server.opened, []);
  });
}
