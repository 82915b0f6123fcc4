import assert from "node:assert/strict";
import { NarrowDialer, tellsSegments } from "../../../tests/fake/narrow_path.ts";
import { errorOf, ipPacket, TunWorld } from "../../../tests/fake/tun_programs.ts";
import { LONGEST_CLAIM } from "../link/exclusive_slot.ts";
import type { Dialer } from "../../contract/dial.ts";
import { dial } from "../net/dial_events.ts";
import { accept } from "../loop/stream_io.ts";
import { dialBy } from "../../../tests/fake/dialer.ts";

const LOST = /^warn Full segments do not pass .* connecting again with (\d+) bytes/;

function smaller(lines: string[]): number[] {
  return lines.flatMap((line) => LOST.exec(line)?.[1] ?? []).map(Number);
}

for (const wire of ["v1", "v2"] as const) {
  Deno.test(`a client whose full segments get lost goes on with smaller ones, at once: ${wire}`, async () => {
    await using world = new TunWorld();
    const server = world.server({ wire });
    const dialer = new NarrowDialer(world.net.dialer(), world.clock);
    const client = world.client({ wire, dialer, retries: 0 });
    await world.clock.advance(3_000);
    assert.deepEqual(dialer.asked, [undefined, 1220]);
    assert.deepEqual(smaller(client.lines()), [1220]);
    assert.equal(client.fields("authenticated").length, 2);
    client.device.inject(ipPacket(7));
    await world.clock.settle();
    assert.equal(server.device.written.length, 1);
    await world.clock.advance(60_000);
    assert.equal(dialer.asked.length, 2, "that one is sound");
  });
}

Deno.test("a path that takes only what every path takes is found by one more step, and no other", async () => {
  await using world = new TunWorld();
  world.server({ wire: "v2" });
  const dialer = new NarrowDialer(world.net.dialer(), world.clock);
  dialer.widest = 600;
  const client = world.client({ wire: "v2", dialer });
  await world.clock.advance(6_000);
  assert.deepEqual(dialer.asked, [undefined, 1220, 536]);
  dialer.widest = 100; // nothing helps
  await world.clock.advance(30_000);
  assert.deepEqual(smaller(client.lines()), [1220, 536]);
});

Deno.test("what passes is remembered for the path, not for another one, and an hour long", async () => {
  await using world = new TunWorld();
  const first = world.server({ wire: "v2" });
  const homes = ["192.0.2.2", "198.51.100.2"];
  let home = 0;
  const net = dialBy((to, o) => dial(world.net.dialer(homes[home]!), to, o));
  const dialer = new NarrowDialer(net, world.clock);
  world.client({ wire: "v2", dialer });
  await world.clock.advance(3_000);
  dialer.asked.length = 0;
  await first.stop(); // the client's next connections are to another server at the same address
  const second = world.server({ wire: "v2" });
  await world.clock.advance(3_000);
  assert.deepEqual(dialer.asked.at(-1), 1220);
  assert.equal(second.fields("authenticated").length, 1);

  home = 1;
  dialer.lostFrom = null; // the other way takes everything
  await second.stop();
  const third = world.server({ wire: "v2" });
  await world.clock.advance(5_000);
  assert.deepEqual(dialer.asked.slice(-2), [1220, undefined], "it was seen only when it was there");
  assert.equal(third.fields("authenticated").length, 1);

  home = 0;
  await third.stop();
  const fourth = world.server({ wire: "v2" });
  await world.clock.advance(5_000);
  assert.deepEqual(dialer.asked.slice(-2), [undefined, 1220], "the first way is still known");
  await world.clock.advance(3_600_000);
  await fourth.stop();
  world.server({ wire: "v2" });
  await world.clock.advance(5_000);
  assert.equal(dialer.asked.at(-1), undefined);
});

Deno.test("sockets that cannot have smaller segments are said to, and the session is left alone", async () => {
  await using world = new TunWorld();
  world.server({ wire: "v2" });
  const dialer = new NarrowDialer(world.net.dialer(), world.clock, { limitsSegments: false });
  const client = world.client({ wire: "v2", dialer });
  await world.clock.advance(30_000);
  assert.equal(dialer.asked.length, 1);
  const said = client.lines().filter((line) => /tcp_mtu_probing/.test(line));
  assert.equal(said.length, 1);
});

/** A server whose connections lose full segments; `told` counts its sessions. */
function losingServer(world: TunWorld, o: { from: number; wire?: "v1" | "v2" }) {
  const limits: number[] = [];
  const { listen } = world.net;
  world.net.listen = (...args) => {
    const listener = listen.call(world.net, ...args);
    const { acceptNow } = listener;
    listener.limitSegments = (bytes) => {
      limits.push(bytes);
      return true;
    };
    listener.acceptNow = (how) => {
      const stream = acceptNow.call(listener, how);
      if (stream === null) return null;
      const large = sizes.at(-1) === undefined && limits.length === 0;
      const began = world.clock.now();
      tellsSegments(stream, world.clock, {
        segmentBytes: large ? 1448 : 1208,
        lostFrom: () => large ? Math.max(began, o.from) : null,
      });
      return stream;
    };
    return listener;
  };
  const sizes: (number | undefined)[] = [];
  const plain = new NarrowDialer(world.net.dialer(), world.clock);
  plain.lostFrom = null; // to the server everything passes
  const dialer = {
    limitsSegments: true,
    asked: sizes,
    start: (...[to, how, events]: Parameters<Dialer["start"]>) => {
      sizes.push(how.segmentBytes);
      return plain.start(to, how, events);
    },
  };
  return { server: world.server({ wire: o.wire ?? "v2" }), dialer, limits };
}

Deno.test("a server whose full segments get lost hangs up, and tells the client on its next connection", async () => {
  await using world = new TunWorld();
  const { server, dialer } = losingServer(world, { from: 1_000 });
  const client = world.client({ wire: "v2", dialer });
  await world.clock.advance(10_000);
  assert.deepEqual(dialer.asked, [undefined, undefined, 1220]);
  assert.deepEqual(smaller(client.lines()), [1220]);
  assert.match(
    String(server.fields("disconnected")[0]?.["why"]),
    /full segments do not pass .* 1220/,
  );
  assert.equal(server.fields("authenticated").length, 3);
  client.device.inject(ipPacket(9));
  await world.clock.settle();
  assert.equal(server.device.written.length, 1);
});

for (const wire of ["v1", "v2"] as const) {
  Deno.test(`a client that cannot be told, or does not heed it, gets smaller segments by the listener: ${wire}`, async () => {
    await using world = new TunWorld();
    const { server, dialer, limits } = losingServer(world, { from: 1_000, wire });
    world.client({ wire, dialer: dialBy((to, o) => dial(dialer, to, o)) }); // does not say that it can
    await world.clock.advance(60_000);
    assert.deepEqual(limits, [1220]);
    const whys = server.fields("disconnected").map((fields) => String(fields["why"]));
    assert.equal(whys.length, wire === "v1" ? 1 : 2, "told first, where there are words for it");
    assert.match(whys.at(-1)!, /all connections have from now on 1220 bytes each/);
  });
}

for (
  const [what, heardMsAgo, next] of [["answers", 4_000, 1220], [
    "is gone too",
    15_000,
    undefined,
  ]] as const
) {
  Deno.test(`a server that falls silent while its machine ${what}: the next segments are of ${next}`, async () => {
    await using world = new TunWorld();
    world.server({ wire: "v2" });
    const dialer = new NarrowDialer(world.net.dialer(), world.clock);
    dialer.lostFrom = null;
    dialer.heardMsAgo = heardMsAgo;
    world.client({ wire: "v2", dialer });
    await world.clock.settle();
    world.net.cable("192.0.2.2").pull();
    await world.clock.advance(15_100);
    world.net.cable("192.0.2.2").plug();
    await world.clock.advance(5_000);
    assert.deepEqual(dialer.asked.slice(0, 2), [undefined, next]);
  });
}

Deno.test("a handshake that nobody answers is tried with the least segments, every other time", async () => {
  await using world = new TunWorld();
  // It takes connections, and says nothing.
  const stop = new AbortController();
  const listener = world.net.listen({ host: "", port: 20203 }, { signal: stop.signal });
  const taken = (async () => {
    for (;;) await accept(listener, { signal: stop.signal });
  })().catch(() => {});
  const dialer = new NarrowDialer(world.net.dialer(), world.clock);
  dialer.lostFrom = null;
  const client = world.client({ wire: "v2", dialer, retries: 3 });
  await world.clock.advance(80_000 + LONGEST_CLAIM);
  assert.deepEqual(dialer.asked, [undefined, 536, undefined, 536]);
  assert.equal(errorOf(await client.ended).kind, "timeout");
  stop.abort();
  await taken;
});

Deno.test("a handshake whose own bytes are lost is not waited for", async () => {
  await using world = new TunWorld();
  const stop = new AbortController();
  const listener = world.net.listen({ host: "", port: 20203 }, { signal: stop.signal });
  const taken = (async () => {
    for (;;) await accept(listener, { signal: stop.signal });
  })().catch(() => {});
  const dialer = new NarrowDialer(world.net.dialer(), world.clock);
  const client = world.client({ wire: "v2", dialer, retries: 0 });
  await world.clock.advance(2_000);
  assert.deepEqual(dialer.asked, [undefined, 1220]);
  assert.deepEqual(smaller(client.lines()), [1220]);
  await world.clock.advance(15_000);
  assert.equal(errorOf(await client.ended).kind, "timeout");
  stop.abort();
  await taken;
});
