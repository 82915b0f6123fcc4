import assert from "node:assert/strict";
import type { FakeClock } from "../../../tests/fake/clock.ts";
import { flowPacket, markOf } from "../../../tests/fake/flow.ts";
import { between, marksAtEnd } from "../../../tests/fake/pool_router.ts";
import { exchange } from "../../../tests/fake/proxy_programs.ts";
import { echoAll } from "../../../tests/fake/read_all.ts";
import { withSlowSending } from "../../../tests/fake/slow_sending.ts";
import {
  EPOCH,
  type ForwardPrograms,
  HOPS,
  StreamWorld,
} from "../../../tests/fake/stream_programs.ts";
import { pattern } from "../../../tests/fake/tt_ends.ts";
import { requireHostPort } from "../../base/addr.ts";
import type { Connection } from "../../contract/connection.ts";
import { MINUTE_MS, minuteOf } from "../../core/hop/minute.ts";
import { MinutePorts } from "../../core/hop/minute_ports.ts";

/** A client with a device alone, and a server with one. */
function startWorld(o: ForwardPrograms = {}): StreamWorld {
  return new StreamWorld({ deviceAlone: true, hasDevice: true, clientDevice: true, ...o });
}

const ports = new MinutePorts(HOPS.key, HOPS.range);
const portOf = (stream: Connection) => requireHostPort(stream.remote).port;
const marks = (packets: readonly Uint8Array[]) => packets.map(markOf);
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

function warnings(world: StreamWorld): string[] {
  const all = [...world.client.lines(), ...world.server.lines()];
  return all.filter((line) => /^(warn|error)/.test(line));
}

/** Sends a packet each way and lets time pass, so many times, from this number on. */
async function sendAll(
  world: StreamWorld,
  count: number,
  o: { from?: number; ms?: number; meanwhile?: (i: number) => void } = {},
): Promise<void> {
  const { from = 0, ms = 500, meanwhile } = o;
  const { server, client } = world.devices;
  for (let i = from; i < from + count; i++) {
    client.inject(flowPacket(1, i, 100));
    server.inject(flowPacket(2, i, 100));
    await world.clock.advance(ms);
    meanwhile?.(i);
  }
}

/** Bytes that came to the client since the last call, by the server's port. */
function arrivals(world: StreamWorld): () => Map<number, number> {
  const seen = new Map<Connection, number>();
  return () => {
    const came = new Map<number, number>();
    for (const carrier of world.carriers) {
      const received = carrier.stats().received ?? seen.get(carrier) ?? 0;
      const fresh = received - (seen.get(carrier) ?? 0);
      if (fresh > 0) came.set(portOf(carrier), (came.get(portOf(carrier)) ?? 0) + fresh);
      seen.set(carrier, received);
    }
    return came;
  };
}

for (const clients of [undefined, 2]) {
  const server = clients === undefined ? "a server of one client" : "a server of several";
  Deno.test(`${server}: a device's packets leave each port with its minute, and none is lost`, async () => {
    const from = "10.8.0.2";
    await using world = startWorld({ hop: true, ...(clients !== undefined && { clients }) });
    await world.clock.advance(3000);
    const inUse = [world.streams.open, world.ciphers.live];
    const came = arrivals(world);
    const { server, client } = world.devices;
    const minutes = new Set<number>();
    for (let i = 0; i < 1230; i++) { // to the middle of a minute
      client.inject(between(from, "10.8.0.1", i));
      server.inject(between("10.8.0.1", from, i));
      await world.clock.advance(600);
      const unixMs = EPOCH + world.clock.now() - 600;
      minutes.add(minuteOf(unixMs));
      const into = unixMs % MINUTE_MS;
      const by = [...came().keys()];
      if (into < 10_000 || into >= 54_000) continue;
      assert.deepEqual(by, [ports.at(minuteOf(unixMs)).port], `${into / 1000} s: ${by}`);
    }
    assert.deepEqual(marksAtEnd(server.written), upTo(1230));
    assert.deepEqual(marksAtEnd(client.written), upTo(1230));
    assert.deepEqual(warnings(world), []);
    const changes = [...minutes].filter((m) => ports.at(m).port !== ports.at(m - 1).port).length;
    assert(changes >= 5, `${changes} changes`);
    const { length } = world.carriers;
    assert(length >= changes && length <= changes + 2, `${length} carriers`);
    assert.deepEqual(world.taken, [clients === undefined ? "" : `${from}/24`]);
    assert.deepEqual([world.streams.open, world.ciphers.live], inUse); // connections leave nothing
    assert.equal(world.sessions.describe().length, 2); // one at each end
    const words = (line: string) => line.includes("authenticated");
    for (const end of [world.client, world.server]) {
      assert.equal(end.lines().filter(words).length, 1, end.lines().join("\n"));
    }
  });
}

Deno.test("packets and streams go on from port to port together", async () => {
  await using world = startWorld({
    hop: true,
    deviceAlone: false,
    local: ["8080:target:80"],
  });
  world.serve(echoAll);
  await world.clock.advance(3000);
  await using stream = await world.connect(8080);
  const data = pattern(3_000_000, 7);
  let at = 0;
  const echoed = exchange(stream, data);
  let isDone = false;
  void echoed.finally(() => isDone = true);
  for (; !isDone || world.carriers.length < 6; at++) {
    assert(at < 2000);
    await sendAll(world, 1, { from: at });
  }
  assert.deepEqual(await echoed, data);
  for (const device of Object.values(world.devices)) {
    assert.deepEqual(marks(device.written), upTo(at));
  }
  assert.deepEqual(warnings(world), []);
});

for (const ahead of [-60_000, 60_000]) {
  Deno.test(`a client with a device whose clock is ${ahead / 1000} s ahead follows the ports too`, async () => {
    await using world = startWorld({ hop: true, ahead });
    await world.clock.advance(3000);
    await sendAll(world, 1000);
    for (const { written } of Object.values(world.devices)) {
      assert.deepEqual(marks(written), upTo(1000));
    }
    assert.deepEqual(warnings(world), []);
    assert(world.carriers.length > 4, `${world.carriers.length} carriers`);
  });
}

const WAYS: Record<string, ForwardPrograms> = {
  "beside forwards": { deviceAlone: false },
  "without forwards": {},
  "over ports that hop": { hop: true },
};

for (const [over, way] of Object.entries(WAYS)) {
  Deno.test(`${over}: a server that does not answer is reached by another connection, while the old one lives`, async () => {
    await using world = startWorld(way);
    await world.clock.advance(3000);
    await sendAll(world, 10, { ms: 50 });
    const { server, client } = world.devices;
    world.net.cable("192.0.2.2").pull();
    world.clientHost = "192.0.2.3";
    const from = world.clock.now();
    while (world.carriers.length < 2) {
      await sendAll(world, 1, { from: 1000, ms: 50 });
      assert(world.clock.now() < from + 10_000, world.client.lines().join("\n"));
    }
    await world.clock.advance(100);
    const before = [server.written.length, client.written.length];
    await sendAll(world, 200, { from: 2000, ms: 100 });
    assert.deepEqual(marks(server.written.slice(before[0])), upTo(200).map((i) => 2000 + i));
    assert.deepEqual(marks(client.written.slice(before[1])), upTo(200).map((i) => 2000 + i));
    await world.clock.advance(20_000);
    assert.deepEqual(world.taken, [""]);
    assert.deepEqual(warnings(world), []);
    world.net.cable("192.0.2.2").plug();
  });
}

Deno.test("a busy server lets a client's own session come by another connection, and nobody else", async () => {
  await using world = startWorld({ hop: true });
  await world.clock.advance(3000);
  const other = world.startClient({ retries: 0 });
  await world.clock.advance(20_000);
  assert.match(String(await other.ended), /another client is connected/);
  world.net.cable("192.0.2.2").pull();
  world.clientHost = "192.0.2.3";
  await world.clock.advance(20_000);
  assert(world.carriers.length >= 3);
  assert.match(world.server.lines().at(-1)!, /session goes on/);
  world.net.cable("192.0.2.2").plug();
});

Deno.test("a connection that is cut while its session goes on by another changes nothing", async () => {
  await using world = startWorld({ hop: true });
  await world.clock.advance(3000);
  let seen = 1;
  const oldOnes: Connection[] = [];
  await sendAll(world, 1000, {
    meanwhile: () => {
      if (world.carriers.length === seen) return;
      oldOnes.push(world.carriers[seen - 1]!);
      world.carriers[seen - 1]!.reset();
      seen = world.carriers.length;
    },
  });
  assert(oldOnes.length > 3);
  for (const { written } of Object.values(world.devices)) {
    assert(written.length >= 990, `${written.length} packets`);
  }
  assert.deepEqual(world.taken, [""]);
});

Deno.test("a connection that is lost is followed by another one of the session at once", async () => {
  await using world = startWorld({ hop: true });
  await world.clock.advance(3000);
  for (let i = 0; i < 20; i++) {
    world.carriers.at(-1)!.reset();
    await world.clock.advance(2000);
    await sendAll(world, 2, { from: 2 * i });
  }
  for (const { written } of Object.values(world.devices)) {
    assert.deepEqual(marks(written), upTo(40));
  }
  assert.equal(world.carriers.length >= 21, true);
  assert.equal(world.sessions.describe().length, 2);
});

Deno.test("a device's client that ends has its session ended at the server", async () => {
  await using world = startWorld({ hop: true });
  await world.clock.advance(3000);
  const stopping = world.client.stop();
  await world.clock.advance(1000);
  await stopping;
  assert.equal(world.sessions.describe().length, 0);
  assert.deepEqual(world.taken, ["", "ended"]);
});

Deno.test("a server that has lost the session is no failed attempt", async () => {
  await using world = startWorld({ retries: 2 });
  await world.clock.advance(3000);
  const carrier = world.carriers.at(-1)!;
  world.mayDial = () => false;
  carrier.reset(); // it hears nothing of the server's end
  await world.server.stop();
  world.startServer();
  world.mayDial = () => true;
  await world.clock.advance(5000);
  await sendAll(world, 5);
  assert.deepEqual(marks(world.devices.server.written), upTo(5));
});

Deno.test("behind a command or a socket nobody is dialled beside the connection that there is", async () => {
  await using world = startWorld({ isDirect: true });
  await world.clock.advance(3000);
  world.net.cable("192.0.2.2").pull();
  await sendAll(world, 10, { ms: 1000 });
  world.net.cable("192.0.2.2").plug();
  await world.clock.advance(1000);
  assert.equal(world.carriers.length, 1);
  assert.deepEqual(marks(world.devices.server.written), upTo(10));
});

for (const bytesPerMs of [Infinity, 2]) {
  const path = bytesPerMs === Infinity ? "" : ", also in the middle of a handshake";
  Deno.test(`a client that ends at any moment of a change of the port leaves nothing behind${path}`, async () => {
    let minute = minuteOf(EPOCH);
    while (ports.at(minute + 1).port === ports.at(minute).port) minute++;
    const change = (minute + 1) * MINUTE_MS - EPOCH;
    const shape = (stream: Connection, clock: FakeClock) =>
      bytesPerMs === Infinity ? stream : withSlowSending(stream, clock, bytesPerMs);
    const carriers: number[] = [];
    for (let ms = -5500; ms < 1500; ms += bytesPerMs === Infinity ? 97 : 237) {
      await using world = startWorld({ hop: true, shape }); // its end looks at what is left
      await world.clock.advance(change + ms);
      const stopping = world.client.stop();
      await world.clock.advance(400);
      await stopping;
      carriers.push(world.carriers.length);
    }
    assert(carriers.at(-1)! > carriers[0]!, `${carriers}`);
  });
}
