import assert from "node:assert/strict";
import { errorOf, ipPacket, TunWorld } from "../../../tests/fake/tun_programs.ts";

const FIRST = "192.0.2.11";
const SECOND = "192.0.2.12";

Deno.test("while a client lives, a second one is never let in, and told so after 9 s", async () => {
  await using world = new TunWorld();
  const server = world.server();
  const first = world.client({ host: FIRST });
  await world.clock.advance(0);
  const second = world.client({ host: SECOND, retries: 0 });
  const error = errorOf(await world.clock.until(second.ended));
  assert.equal(error.kind, "busy");
  assert.equal(world.clock.now(), 9_000);
  assert.deepEqual(second.lines().filter((line) => line.includes("authenticated")), []);
  assert.equal(server.fields("authenticated").length, 1);
  assert.equal(first.lines().filter((line) => line.includes("disconnected")).length, 0);
  first.device.inject(ipPacket(1));
  await world.clock.settle();
  assert.deepEqual(server.device.written.at(-1), ipPacket(1));
});

Deno.test("a client whose cable was pulled loses the place to a second one after 3 s", async () => {
  await using world = new TunWorld();
  const server = world.server();
  const first = world.client({ host: FIRST });
  await world.clock.advance(1_000);
  world.net.cable(FIRST).pull();
  const second = world.client({ host: SECOND });
  await world.clock.advance(2_999);
  assert.equal(second.fields("authenticated").length, 0);
  await world.clock.advance(1);
  assert.equal(second.fields("authenticated").length, 1);
  second.device.inject(ipPacket(2));
  server.device.inject(ipPacket(3));
  await world.clock.settle();
  assert.deepEqual(server.device.written, [ipPacket(2)]);
  assert.deepEqual(second.device.written, [ipPacket(3)]);
  assert.equal(first.fields("disconnected").length, 0); // nobody could tell it
  assert.match(
    String(server.fields("disconnected")[0]!["why"]),
    /it is silent, and another client/,
  );
  assert.deepEqual(server.lines().filter((line) => line.startsWith("error")), []);
});

Deno.test("a wrong cipher is told as that, also where another client is connected", async () => {
  for (const wire of ["v1", "auto"] as const) {
    await using world = new TunWorld();
    world.server({ wire });
    world.client({ wire, host: FIRST });
    await world.clock.advance(100);
    const wrong = { wire: "v1", cipher: "aes-256-gcm", host: SECOND, retries: 0 } as const;
    const error = errorOf(await world.clock.until(world.client(wrong).ended));
    assert.equal(error.kind, "auth");
    assert.match(error.message, /wrong key or cipher/);
  }
});

Deno.test("in version 2 no cipher is wrong: what keeps a client out is that another is connected", async () => {
  await using world = new TunWorld();
  world.server({ wire: "v2" });
  const first = world.client({ wire: "v2", host: FIRST });
  await world.clock.advance(100);
  const second = world.client({ wire: "v2", cipher: "aes-256-gcm", host: SECOND });
  await world.clock.advance(1_000);
  assert.equal(second.fields("authenticated").length, 0);
  assert(second.lines().some((line) => line.includes("another client is connected since")));
  await first.stop();
  await world.clock.advance(60_000);
  assert.equal(second.fields("authenticated").length, 1);
});
