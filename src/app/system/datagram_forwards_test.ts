import assert from "node:assert/strict";
import { collect, onEach } from "../../../tests/fake/memory_datagrams.ts";
import { StreamWorld, TARGET } from "../../../tests/fake/stream_programs.ts";
import type { HostPort } from "../../base/addr.ts";
import { utf8 } from "../../base/bytes.ts";
import type { BoundDatagrams } from "../../contract/datagrams.ts";
import { MOST_SOURCES } from "../forward/datagram_forward.ts";

const LOCAL = { local: ["5353:target:53/udp"] };
const REMOTE = { remote: ["5353:target:53/udp"], permitListen: ["5353"] };
const FORWARD = { host: "127.0.0.1", port: 5353 };

/** Answers each datagram to `port` of the target by its own text and where it came from. */
function answer(world: StreamWorld, port = 53): string[] {
  const socket = world.bind({ host: TARGET, port });
  const asked: string[] = [];
  onEach(socket, (text, from) => {
    asked.push(text);
    socket.sendTo(utf8(`re ${text}`), from);
  });
  return asked;
}

/** A program beside the forward: sends, and collects what comes back. */
function program(world: StreamWorld, port: number) {
  const socket = world.bind({ host: "127.0.0.1", port });
  return {
    socket,
    came: collect(socket),
    say: (text: string, to: HostPort = FORWARD) => socket.sendTo(utf8(text), to),
  };
}

const FROM = "from 127.0.0.1:5353";

for (const [name, options] of Object.entries({ "-L": LOCAL, "-R": REMOTE })) {
  Deno.test(`${name}: datagrams reach the target, and its answers the source that asked`, async () => {
    await using world = new StreamWorld(options);
    const asked = answer(world);
    await world.clock.settle();
    const [one, two] = [program(world, 1001), program(world, 1002)];
    one.say("a");
    two.say("b");
    await world.clock.settle();
    one.say("");
    await world.clock.settle();
    assert.deepEqual(asked, ["a", "b", ""]);
    assert.deepEqual(one.came, [`re a ${FROM}`, `re  ${FROM}`]);
    assert.deepEqual(two.came, [`re b ${FROM}`]);
  });

  Deno.test(`${name}: nothing comes back but from the target`, async () => {
    await using world = new StreamWorld(options);
    const sources: HostPort[] = [];
    const target = world.bind({ host: TARGET, port: 53 });
    await world.clock.settle();
    const { say, came } = program(world, 1001);
    say("a");
    await world.clock.settle();
    target.receiveNow(new Uint8Array(9), (_, from) => sources.push(from));
    world.bind({ host: TARGET, port: 54 }).sendTo(utf8("stranger"), sources[0]!);
    target.sendTo(utf8("answer"), sources[0]!);
    await world.clock.settle();
    assert.deepEqual(came, [`answer ${FROM}`]);
  });

  Deno.test(`${name}: a flow that is silent ends at both ends, and a later datagram begins another`, async () => {
    await using world = new StreamWorld({ ...options, udpIdleMs: 10_000 });
    answer(world);
    await world.clock.settle();
    const { say, came } = program(world, 1001);
    const before = world.datagrams.open;
    say("a");
    await world.clock.advance(9000);
    say("b");
    await world.clock.advance(9000);
    assert.equal(world.datagrams.open, before + 1);
    await world.clock.advance(2000);
    assert.equal(world.datagrams.open, before);
    say("c");
    await world.clock.settle();
    assert.equal(came.length, 3);
  });

  Deno.test(`${name}: a flow goes on over another carrier, and begins anew with another session`, async () => {
    await using world = new StreamWorld(options);
    answer(world);
    await world.clock.settle();
    const { say, came } = program(world, 1001);
    say("a");
    await world.clock.advance(1100);
    world.carriers.at(-1)!.reset();
    await world.clock.advance(1100);
    say("b");
    await world.clock.advance(100);
    assert.equal(came.length, 2);
    await world.server.stop();
    say("lost");
    world.startServer();
    await world.clock.advance(5000);
    say("c");
    await world.clock.settle();
    assert.deepEqual(came.map((words) => words.split(" ")[1]), ["a", "b", "c"]);
  });
}

Deno.test("the rules judge each target, and a name is judged as it is asked for", async () => {
  await using world = new StreamWorld({
    local: ["5353:127.0.0.1:53/udp", "5354:target:53/udp", "5355:nowhere:53/udp"],
    deny: ["target:53"],
  });
  const hidden = collect(world.bind({ host: "127.0.0.1", port: 53 }));
  const asked = answer(world);
  await world.clock.settle();
  const { say, came } = program(world, 1001);
  for (const port of [5353, 5354, 5355]) say("x", { ...FORWARD, port });
  await world.clock.settle();
  assert.deepEqual([hidden, asked, came], [[], [], []]);
  const lines = world.server.lines().filter((line) => line.includes("cannot send datagrams"));
  assert.equal(lines.length, 3, lines.join("\n"));
});

Deno.test("a listen of datagrams takes a rule", async () => {
  await using world = new StreamWorld({ ...REMOTE, permitListen: [], exitOnFailure: false });
  await world.clock.settle();
  assert.match(world.client.lines().join("\n"), /start the server with --permit-listen 5353/);
  assert.equal(world.datagrams.open, 0);
});

Deno.test("above the most sources the longest silent one goes", async () => {
  await using world = new StreamWorld(LOCAL);
  const asked = answer(world);
  await world.clock.settle();
  const sources: BoundDatagrams[] = [];
  for (let i = 0; i <= MOST_SOURCES; i++) {
    const socket = world.bind({ host: "127.0.0.1", port: 10_000 + i });
    sources.push(socket);
    socket.sendTo(utf8("x"), FORWARD);
    if (i % 100 === 0) await world.clock.settle();
  }
  await world.clock.settle();
  assert.equal(asked.length, MOST_SOURCES + 1);
  const into = new Uint8Array(9);
  const answered = sources.filter((one) => one.receiveNow(into, () => {})).length;
  assert(answered >= MOST_SOURCES, `${answered} answers`);
});
