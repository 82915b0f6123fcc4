import assert from "node:assert/strict";
import {
  forgetful,
  ipPacket,
  SERVER_HOST,
  SERVER_PORT,
  TunWorld,
} from "../../../tests/fake/tun_programs.ts";
import { errorOf } from "../../../tests/fake/tun_programs.ts";
import type { WireMode } from "../link/config.ts";
import { read, write } from "../loop/stream_io.ts";
import { dial } from "../net/dial_events.ts";
import { dialBy } from "../../../tests/fake/dialer.ts";

/** Sends one packet each way and sees that both arrive. */
async function exchange(
  world: TunWorld,
  server: ReturnType<TunWorld["server"]>,
  client: ReturnType<TunWorld["client"]>,
  mark: number,
): Promise<void> {
  const seen = (r: typeof server) => r.device.written.map((p) => p.at(-1));
  server.device.inject(ipPacket(mark));
  client.device.inject(ipPacket(mark + 1));
  await world.clock.settle();
  assert.deepEqual(seen(client).slice(-1), [mark]);
  assert.deepEqual(seen(server).slice(-1), [mark + 1]);
}

const EXPECTED: Record<string, "v1" | "v2" | null> = {
  "auto auto": "v2",
  "auto v1": "v1",
  "auto v2": "v2",
  "v1 auto": "v1",
  "v1 v1": "v1",
  "v1 v2": null,
  "v2 auto": "v2",
  "v2 v1": null,
  "v2 v2": "v2",
};

for (const cipher of ["chacha20-poly1305", "aes-256-gcm"] as const) {
  for (const [pair, wire] of Object.entries(EXPECTED)) {
    const [serverMode, clientMode] = pair.split(" ") as [WireMode, WireMode];
    Deno.test(`server ${serverMode}, client ${clientMode}, ${cipher}: ${wire ?? "no session"}`, async () => {
      await using world = new TunWorld();
      const server = world.server({ wire: serverMode, cipher });
      const client = world.client({ wire: clientMode, cipher, retries: 0 });
      await world.clock.settle();
      if (wire === null) {
        await world.clock.advance(31_000);
        const { kind } = errorOf(await client.ended);
        assert(["auth", "timeout", "protocol"].includes(kind), kind);
        assert.deepEqual(server.fields("authenticated"), []);
        return;
      }
      for (const end of [server, client]) {
        assert.equal(end.fields("authenticated")[0]?.["wire"], wire);
      }
      await exchange(world, server, client, 10);
      const warned = client.lines().filter((line) => /version 1 of the wire is spoken/.test(line));
      assert.equal(warned.length, wire === "v1" && clientMode === "auto" ? 1 : 0);
    });
  }
}

Deno.test("two ends with different favourite ciphers agree on one under version 2", async () => {
  await using world = new TunWorld();
  const server = world.server({ wire: "auto", cipher: "aes-256-gcm" });
  const client = world.client({ wire: "auto", cipher: "chacha20-poly1305" });
  await world.clock.settle();
  await exchange(world, server, client, 3);
});

Deno.test("a wrong key is refused in each mode, and says so where anything may be said", async () => {
  for (const [mode, kind] of [["auto", "auth"], ["v2", "timeout"]] as const) {
    await using world = new TunWorld();
    const server = world.server({ wire: mode });
    const client = world.client({ wire: mode, psk: "another", retries: 0 });
    await world.clock.settle();
    await world.clock.advance(31_000);
    assert.equal(errorOf(await client.ended).kind, kind);
    assert.equal(server.fields("handshake rejected").length, 1);
    assert.deepEqual(server.fields("authenticated"), []);
  }
});

Deno.test("batches of many packets, of all sizes, arrive whole and in order", async () => {
  await using world = new TunWorld();
  const server = world.server({ wire: "v2" });
  const client = world.client({ wire: "v2" });
  await world.clock.settle();
  const packets = Array.from({ length: 700 }, (_, i) => ipPacket(i, 40 + (i * 37) % 1241));
  client.device.inject(...packets);
  await world.clock.settle();
  assert.deepEqual(server.device.written.map((p) => p.length), packets.map((p) => p.length));
  assert.deepEqual(server.device.written, packets);
});

Deno.test("keys change every two records in both directions, and nothing is lost", async () => {
  await using world = new TunWorld();
  const rekey = { records: 2, bytes: 2 ** 40, ms: 1e9 };
  const server = world.server({ wire: "v2", rekey });
  const client = world.client({ wire: "v2", rekey });
  await world.clock.settle();
  for (let i = 0; i < 50; i++) await exchange(world, server, client, 2 * i);
});

Deno.test("keys change by bytes and by time as well", async () => {
  for (
    const rekey of [{ records: 1e6, bytes: 100, ms: 1e9 }, { records: 1e6, bytes: 2 ** 40, ms: 5 }]
  ) {
    await using world = new TunWorld();
    const server = world.server({ wire: "v2", rekey });
    const client = world.client({ wire: "v2", rekey });
    await world.clock.settle();
    for (let i = 0; i < 20; i++) {
      await world.clock.advance(10);
      await exchange(world, server, client, 2 * i);
    }
  }
});

Deno.test("an idle session lives on by its pings", async () => {
  await using world = new TunWorld();
  const server = world.server({ wire: "v2" });
  const client = world.client({ wire: "v2" });
  await world.clock.settle();
  await world.clock.advance(3_600_000);
  assert.equal(server.fields("authenticated").length, 1);
  assert.deepEqual(server.fields("disconnected"), []);
  await exchange(world, server, client, 5);
});

Deno.test("a peer whose cable is pulled is noticed within 15 s at both ends", async () => {
  await using world = new TunWorld();
  const server = world.server({ wire: "v2" });
  const client = world.client({ wire: "v2", retries: 0 });
  await world.clock.settle();
  world.net.cable("192.0.2.2").pull();
  await world.clock.advance(15_100);
  assert.match(String(server.fields("disconnected")[0]?.["why"]), /no sign of life/);
  assert.equal(errorOf(await client.ended).kind, "lost");
});

Deno.test("a newcomer is told at once that the server is busy and since when, and not by whom", async () => {
  await using world = new TunWorld();
  const server = world.server({ wire: "auto" });
  const first = world.client({ wire: "auto", host: "192.0.2.7" });
  await world.clock.settle();
  const second = world.client({ wire: "auto", retries: 0, host: "192.0.2.8" });
  await world.clock.advance(200);
  const error = errorOf(await second.ended);
  assert.equal(error.kind, "busy");
  assert.match(
    error.message,
    /busy: another client is connected since \d\d:\d\d UTC \(the server serves one; --clients N\)$/,
  );
  assert.doesNotMatch(error.message, /192\.0\.2\.7/);
  await exchange(world, server, first, 9);
});

Deno.test("the place of a silent peer is given to a newcomer after 3 s", async () => {
  await using world = new TunWorld();
  world.server({ wire: "auto" });
  world.client({ wire: "auto", host: "192.0.2.7" });
  await world.clock.settle();
  world.net.cable("192.0.2.7").pull();
  const second = world.client({ wire: "auto", retries: 0, host: "192.0.2.8" });
  await world.clock.advance(2_900);
  assert.equal(second.fields("authenticated").length, 0);
  await world.clock.advance(300);
  assert.equal(second.fields("authenticated").length, 1);
});

Deno.test("the same instance replaces its own stale session at once", async () => {
  await using world = new TunWorld();
  const server = world.server({ wire: "v2" });
  world.client({ wire: "v2", host: "192.0.2.7", instance: 7 });
  await world.clock.settle();
  world.net.cable("192.0.2.7").pull();
  const again = world.client({ wire: "v2", host: "192.0.2.8", instance: 7 });
  await world.clock.settle();
  assert.equal(again.fields("authenticated").length, 1);
  await exchange(world, server, again, 4);
});

for (const minutes of [3, 10, 3 * 24 * 60]) {
  for (const sign of [-1, 1]) {
    Deno.test(`clocks ${sign * minutes} minutes apart: never version 1, and the difference is named`, async () => {
      await using world = new TunWorld();
      const server = world.server({ wire: "auto" });
      const client = world.client({ wire: "auto", skewMs: sign * minutes * 60_000, retries: 0 });
      await world.clock.advance(31_000);
      const error = errorOf(await client.ended);
      assert.equal(error.kind, "clock");
      assert.match(
        error.message,
        new RegExp(`${minutes * 60} s|${minutes * 60 + 4} s|${minutes * 60 - 4} s`),
      );
      assert.match(
        String(server.fields("handshake rejected")[0]?.["why"]),
        /its clock is \d+ s (ahead of|behind) ours/,
      );
      assert.deepEqual(server.fields("authenticated"), []);
    });
  }
}

Deno.test("a server that has spoken version 2 is never spoken to in version 1 again", async () => {
  await using world = new TunWorld();
  const memory = forgetful();
  const server = world.server({ wire: "auto" });
  const client = world.client({ wire: "auto", memory });
  await world.clock.settle();
  assert(memory.seenV2);
  await server.stop();
  await client.stop();
  world.server({ wire: "v1" });
  const again = world.client({ wire: "auto", memory, retries: 0 });
  await world.clock.settle();
  const error = errorOf(await again.ended);
  assert.equal(error.kind, "auth");
  assert.match(error.message, /has spoken version 2 .*--wire v1/);
  const forced = world.client({ wire: "v1", memory });
  await world.clock.settle();
  assert.equal(forced.fields("authenticated")[0]?.["wire"], "v1");
});

/** A bare connection to the server. */
async function knock(world: TunWorld, signal = new AbortController().signal) {
  return await dial(world.net.dialer("192.0.2.66"), { host: SERVER_HOST, port: SERVER_PORT }, {
    signal,
  });
}

Deno.test("a stranger is told nothing under v2, and hung up on between 10 and 30 s", async () => {
  await using world = new TunWorld();
  world.server({ wire: "v2" });
  await world.clock.settle();
  for (const size of [0, 1, 15, 16, 17, 64, 600]) {
    await using probe = await knock(world);
    if (size > 0) await write(probe, new Uint8Array(size).fill(0x5a));
    const heard = Promise.resolve(read(probe, new Uint8Array(64)));
    let ended: number | null | undefined;
    heard.then((got) => ended = got, () => ended = -1);
    await world.clock.advance(9_900);
    assert.equal(ended, undefined, `${size} bytes: still open, and silent`);
    await world.clock.advance(20_200);
    if (size >= 16) assert.equal(ended, null, `${size} bytes: an ordinary end`);
    else assert.notEqual(ended, undefined);
  }
});

Deno.test("a hello that is used again gets no second answer under v2", async () => {
  await using world = new TunWorld();
  const server = world.server({ wire: "v2" });
  const taps: Uint8Array[] = [];
  const dialer = world.net.dialer("192.0.2.2");
  const client = world.client({
    wire: "v2",
    dialer: dialBy(async (to, o) => {
      const stream = await dial(dialer, to, o);
      const writeNow = stream.writeNow.bind(stream);
      stream.writeNow = (bytes) => {
        taps.push(bytes.slice());
        return writeNow(bytes);
      };
      return stream;
    }),
  });
  await world.clock.settle();
  assert.equal(client.fields("authenticated").length, 1);
  await using probe = await knock(world);
  await write(probe, taps[0]!);
  let heard: unknown = "nothing";
  Promise.resolve(read(probe, new Uint8Array(64))).then(
    (got) => heard = got,
    () => heard = "reset",
  );
  await world.clock.advance(5_000);
  assert.equal(heard, "nothing");
  assert.match(String(server.fields("handshake rejected").at(-1)?.["why"]), /seen before/);
});

Deno.test("a client that proved the key and whose setup never opens is suspected by name", async () => {
  await using world = new TunWorld();
  const server = world.server({ wire: "v2" });
  const dialer = world.net.dialer("192.0.2.2");
  let writes = 0;
  world.client({
    wire: "v2",
    retries: 0,
    dialer: dialBy(async (to, o) => {
      const stream = await dial(dialer, to, o);
      const writeNow = stream.writeNow.bind(stream);
      // The second write is Rc and the setup behind it, whose last byte is held back.
      stream.writeNow = (all) => {
        const isSecond = ++writes === 2;
        return writeNow(isSecond ? all.subarray(0, -1) : all) + (isSecond ? 1 : 0);
      };
      return stream;
    }),
  });
  await world.clock.advance(31_000);
  assert.match(
    String(server.fields("handshake rejected").at(-1)?.["why"]),
    /someone may be in the middle/,
  );
  assert.deepEqual(server.fields("authenticated"), []);
});

/** Bytes that a connection hears, and when and how it ends. */
function listen(world: TunWorld, stream: Awaited<ReturnType<typeof knock>>) {
  const found = { heard: 0, end: null as "FIN" | "reset" | null, at: NaN };
  const run = async () => {
    const into = new Uint8Array(8192);
    for (;;) {
      const got = await read(stream, into);
      if (got === null) return "FIN";
      found.heard += got;
    }
  };
  run().catch(() => "reset" as const).then((end) => {
    found.end = end as "FIN" | "reset";
    found.at = world.clock.now();
  });
  return found;
}

Deno.test("in auto a hello that was recorded is answered as random bytes are, whatever follows it", async () => {
  await using world = new TunWorld();
  world.server({ wire: "auto" });
  const taps: Uint8Array[] = [];
  const dialer = world.net.dialer("192.0.2.2");
  world.client({
    wire: "auto",
    dialer: dialBy(async (to, o) => {
      const stream = await dial(dialer, to, o);
      const writeNow = stream.writeNow.bind(stream);
      stream.writeNow = (bytes) => {
        taps.push(bytes.slice());
        return writeNow(bytes);
      };
      return stream;
    }),
  });
  await world.clock.settle();
  const recorded = taps[0]!.slice(0, 16);
  const frame = (n: number, size: number) => {
    const bytes = new Uint8Array(2 + size).fill(0x5a);
    [bytes[0], bytes[1]] = [n >>> 8, n & 0xff];
    return bytes;
  };
  const behind = [
    new Uint8Array(),
    Uint8Array.of(0),
    frame(24, 23),
    frame(24, 24),
    frame(24, 600),
    frame(23, 600),
    frame(15, 15),
    frame(0xffff, 600),
  ];
  for (const hello of [recorded, new Uint8Array(16).fill(0x5a)]) {
    for (const [i, more] of behind.entries()) {
      const began = world.clock.now();
      await using probe = await knock(world);
      const found = listen(world, probe);
      await write(probe, hello);
      await world.clock.settle();
      if (more.length > 0) await write(probe, more);
      await world.clock.advance(9_900);
      assert.deepEqual([found.heard, found.end], [16, null], `case ${i}: silent`);
      await world.clock.advance(20_200);
      assert.equal(found.end, "FIN", `case ${i}`);
      assert(found.at - began >= 10_000 && found.at - began <= 30_000);
    }
  }
});
