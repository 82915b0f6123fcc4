import assert from "node:assert/strict";
import { exchange } from "../../../tests/fake/proxy_programs.ts";
import { EPOCH, HOPS, StreamWorld } from "../../../tests/fake/stream_programs.ts";
import { pattern } from "../../../tests/fake/tt_ends.ts";
import { requireHostPort } from "../../base/addr.ts";
import { utf8 } from "../../base/bytes.ts";
import type { Connection } from "../../contract/connection.ts";
import { MinutePorts } from "../../core/hop/minute_ports.ts";
import { MINUTE_MS, minuteOf } from "../../core/hop/minute.ts";
import { read, write } from "../loop/stream_io.ts";

const MINUTES = 12;

/** Echoes a megabyte in about so many minutes. */
const slowEcho = (world: StreamWorld, minutes: number) => async (stream: Connection) => {
  const into = new Uint8Array(2000);
  for (let got; (got = await read(stream, into)) !== null;) {
    await write(stream, into.slice(0, got));
    await new Promise<void>((r) => void world.clock.after(minutes * MINUTE_MS / 500, r));
  }
  await stream.closeWrite();
};

interface Second {
  readonly unixMs: number;
  /** Bytes that came to the client within it, by the server's port. */
  readonly came: ReadonlyMap<number, number>;
}

/** Runs a transfer of so many minutes, and watches over which ports it comes. */
async function watch(world: StreamWorld, meanwhile = (_: number) => {}): Promise<Second[]> {
  world.serve(slowEcho(world, MINUTES));
  await world.clock.advance(3000);
  await using stream = await world.connect(8080);
  const data = pattern(1_000_000, 7);
  const echoed = exchange(stream, data);
  let isDone = false;
  void echoed.finally(() => isDone = true);
  const seen = new Map<Connection, number>();
  const seconds: Second[] = [];
  for (let i = 0; !isDone && i < 2 * MINUTES * 60; i++) {
    await world.clock.advance(1000);
    const came = new Map<number, number>();
    for (const carrier of world.carriers) {
      const { port } = requireHostPort(carrier.remote);
      const received = carrier.stats().received ?? seen.get(carrier) ?? 0;
      const fresh = received - (seen.get(carrier) ?? 0);
      if (fresh > 0) came.set(port, (came.get(port) ?? 0) + fresh);
      seen.set(carrier, received);
    }
    seconds.push({ unixMs: EPOCH + world.clock.now() - 1000, came });
    meanwhile(i);
  }
  assert.deepEqual(await echoed, data);
  return seconds;
}

const ports = new MinutePorts(HOPS.key, HOPS.range);

/** From 10 s after a minute's beginning to the last 5 s of it, all bytes come by its port. */
function expectMinutePorts(seconds: readonly Second[]): void {
  let bytes = 0;
  for (const { unixMs, came } of seconds) {
    const into = unixMs % MINUTE_MS;
    if (into < 10_000 || into >= 54_000) continue;
    const { port } = ports.at(minuteOf(unixMs));
    const text = `${into / 1000} s: ${JSON.stringify([...came])}, due ${port}`;
    for (const at of came.keys()) assert.equal(at, port, text);
    bytes += came.get(port) ?? 0;
  }
  assert(bytes > 400_000, `${bytes} bytes`);
}

function changes(seconds: readonly Second[]): number {
  const minutes = new Set(seconds.map(({ unixMs }) => minuteOf(unixMs)));
  return [...minutes].filter((m) => ports.at(m).port !== ports.at(m - 1).port).length;
}

Deno.test("a transfer leaves each port with its minute, byte for byte, without losing a carrier", async () => {
  await using world = new StreamWorld({ local: ["8080:target:80"], hop: true });
  const seconds = await watch(world);
  assert(changes(seconds) >= 5, `${changes(seconds)} changes`);
  expectMinutePorts(seconds);
  const warnings = [...world.client.lines(), ...world.server.lines()].filter((line) =>
    /^(warn|error)/.test(line)
  );
  assert.deepEqual(warnings, []);
  assert(world.carriers.length <= changes(seconds) + 2, `${world.carriers.length} carriers`);
});

for (const ahead of [-110_000, -60_000, -8_000, 8_000, 60_000, 110_000]) {
  Deno.test(`a client whose clock is ${ahead / 1000} s ahead follows the ports too`, async () => {
    await using world = new StreamWorld({ local: ["8080:target:80"], hop: true, ahead });
    await watch(world);
    const { length } = world.client.lines().filter((line) => /^(warn|error)/.test(line));
    assert.equal(length, 0, world.client.lines().join("\n"));
    assert(world.carriers.length > 5, `${world.carriers.length} carriers`);
  });
}

Deno.test("a carrier that is cut while it hops is followed by another one", async () => {
  await using world = new StreamWorld({ local: ["8080:target:80"], hop: true });
  const seconds = await watch(world, (i) => void (i % 7 === 0 && world.carriers.at(-1)!.reset()));
  expectMinutePorts(seconds);
});

Deno.test("a client whose clock is ten minutes ahead is told why no port answers", async () => {
  await using world = new StreamWorld({ local: [], hop: true, retries: 0, ahead: 600_000 });
  await world.clock.advance(20_000);
  const error = await world.client.ended;
  assert.match(String(error), /Cannot connect .*the clocks agree to two minutes/);
});

Deno.test("a carrier that cannot leave ends with its port, and its streams go on by another", async () => {
  await using world = new StreamWorld({ local: ["8080:target:80"], hop: true });
  world.serve(slowEcho(world, 0.01));
  await world.clock.advance(3000);
  await using stream = await world.connect(8080);
  const { port } = requireHostPort(world.carriers[0]!.remote);
  const into = new Uint8Array(10);
  world.mayDial = (to) => requireHostPort(to).port === port;
  let minute = minuteOf(EPOCH);
  while (ports.at(minute + 1).port === port) minute++;
  while ([minute - 1, minute, minute + 1].some((one) => ports.at(one).port === port)) minute++;
  await world.clock.advance(minute * MINUTE_MS - EPOCH - world.clock.now() - 4000);
  await write(stream, utf8("a"));
  await world.clock.advance(2000);
  assert.equal(await read(stream, into), 1);
  assert.equal(world.carriers.length, 1);
  await world.clock.advance(5000);
  assert.match(world.client.lines().at(-1)!, /^warn /);
  await write(stream, utf8("b"));
  world.mayDial = () => true;
  await world.clock.advance(40_000);
  assert.equal(await read(stream, into), 1);
  assert.equal(world.carriers.length, 2);
});

Deno.test("a port that another program has, and where nobody answers, is left for the next minute's", async () => {
  await using world = new StreamWorld({ local: ["8080:target:80"], hop: true });
  world.serve(slowEcho(world, 0.01));
  await world.clock.advance(3000);
  await world.server.stop();
  const stop = new AbortController();
  const { port } = ports.at(minuteOf(EPOCH));
  await using _other = world.net.listen({ host: "", port }, { signal: stop.signal });
  world.startServer();
  await world.clock.advance(12_000);
  await using stream = await world.connect(8080);
  for (let i = 0; i < 12; i++) {
    await write(stream, utf8("a"));
    await world.clock.advance(20_000);
    assert.equal(await read(stream, new Uint8Array(10)), 1);
  }
  const used = world.carriers.map(({ remote }) => requireHostPort(remote).port);
  assert.equal(used[1], port);
  assert(new Set(used).size === 3, `${used}`);
});
