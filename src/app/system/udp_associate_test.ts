import assert from "node:assert/strict";
import { onEach } from "../../../tests/fake/memory_datagrams.ts";
import { StreamWorld, TARGET } from "../../../tests/fake/stream_programs.ts";
import { readExactly } from "../../../tests/suite/stream_net.ts";
import { concat, fromHex, toHex, utf8 } from "../../base/bytes.ts";
import type { Connection } from "../../contract/connection.ts";
import { packSocksDatagram, readSocksDatagram } from "../../core/proxy/socks/socks5_datagram.ts";
import { read, write } from "../loop/stream_io.ts";

const DYNAMIC = { dynamic: ["127.0.0.1:1080"] };

/** Asks for an association; returns the code of the answer, and the port. */
async function associate(control: Connection): Promise<{ code: number; port: number }> {
  await write(control, fromHex("050100"));
  assert.equal(toHex(await readExactly(control, 2)), "0500");
  await write(control, fromHex("05030001000000000000"));
  const reply = await readExactly(control, 10);
  return { code: reply[1]!, port: reply[8]! << 8 | reply[9]! };
}

/** A program with an association; `said` are the answers, with where they came from. */
async function openProgram(world: StreamWorld, port = 2000) {
  const control = await world.connect(1080);
  const reply = await associate(control);
  const socket = world.bind({ host: "127.0.0.1", port });
  const said: string[] = [];
  onEach(socket, (_text, _from, datagram) => {
    const { target, bytes } = readSocksDatagram(datagram)!;
    said.push(`${new TextDecoder().decode(bytes)} from ${target.host}:${target.port}`);
  });
  const relay = { host: "127.0.0.1", port: reply.port };
  return {
    control,
    reply,
    said,
    send: (bytes: Uint8Array) => socket.sendTo(bytes, relay),
    ask: (text: string, port = 53) =>
      socket.sendTo(packSocksDatagram({ host: TARGET, port }, utf8(text)), relay),
  };
}

/** Answers each datagram to the target's port by its own text. */
function echo(world: StreamWorld, port: number): string[] {
  const socket = world.bind({ host: TARGET, port });
  const asked: string[] = [];
  onEach(socket, (text, from) => {
    asked.push(text);
    socket.sendTo(utf8(text), from);
  });
  return asked;
}

Deno.test("UDP ASSOCIATE: datagrams to several targets, by address and by name, and the answers", async () => {
  await using world = new StreamWorld(DYNAMIC);
  echo(world, 53);
  echo(world, 80);
  await world.clock.settle();
  const { control, reply, ask, send, said } = await openProgram(world);
  await using _control = control;
  assert.equal(reply.code, 0);
  ask("a");
  ask("b", 80);
  send(concat(fromHex("00000003"), Uint8Array.of(6), utf8("target"), fromHex("0035"), utf8("c")));
  await world.clock.settle();
  const from = TARGET;
  assert.deepEqual(said.sort(), [`a from ${from}:53`, `b from ${from}:80`, `c from ${from}:53`]);
});

Deno.test("fragments and datagrams of others are dropped, and targets are judged", async () => {
  await using world = new StreamWorld({ ...DYNAMIC, deny: [`${TARGET}/32:80`] });
  const asked = [echo(world, 53), echo(world, 80)];
  await world.clock.settle();
  const { control, reply, ask, send } = await openProgram(world);
  await using _control = control;
  const whole = packSocksDatagram({ host: TARGET, port: 53 }, utf8("part"));
  whole[2] = 1;
  send(whole);
  send(utf8("x"));
  ask("denied", 80);
  ask("mine");
  for (const [host, port] of [["127.0.0.1", 2001], ["127.0.0.2", 2000]] as const) {
    world.bind({ host, port }).sendTo(
      packSocksDatagram({ host: TARGET, port: 53 }, utf8("other")),
      { host: "127.0.0.1", port: reply.port },
    );
  }
  await world.clock.settle();
  assert.deepEqual(asked, [["mine"], []]);
});

Deno.test("an association ends with its connection, and goes on with another session", async () => {
  await using world = new StreamWorld(DYNAMIC);
  echo(world, 53);
  await world.clock.settle();
  const before = world.datagrams.open;
  const { control, ask, said } = await openProgram(world);
  ask("a");
  await world.clock.settle();
  await world.server.stop();
  world.startServer();
  await world.clock.advance(5000);
  ask("b");
  await world.clock.settle();
  assert.equal(said.length, 2);
  await control.closeWrite();
  assert.equal(await read(control, new Uint8Array(1)), null);
  await world.clock.settle();
  assert.equal(world.datagrams.open, before + 1, "the program's own");
  await control[Symbol.asyncDispose]();
});

Deno.test("without a server, and for a program without an address, the command is refused", async () => {
  await using world = new StreamWorld({
    ...DYNAMIC,
    remote: ["1081"],
    permitListen: ["1081"],
  });
  await world.clock.settle();
  await using remote = await world.connect(1081);
  assert.equal((await associate(remote)).code, 7);
  await world.server.stop();
  await world.clock.advance(100);
  await using local = await world.connect(1080);
  assert.equal((await associate(local)).code, 7);
});
