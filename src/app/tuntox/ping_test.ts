import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { keptLog } from "../../../tests/fake/log.ts";
import { FakePacketLink } from "../../../tests/fake/packet_link.ts";
import { seededRng } from "../../../tests/fake/rng.ts";
import { ping } from "./ping.ts";
import { TunnelLink } from "./tunnel_link.ts";

function world() {
  const clock = new FakeClock();
  const { log } = keptLog(clock);
  const [near, far] = FakePacketLink.pair(clock);
  const client = new TunnelLink(near, { clock, random: seededRng(1), log });
  const stop = new AbortController();
  const lines: string[] = [];
  const tools = { clock, signal: stop.signal, print: (line: string) => void lines.push(line) };
  return { clock, log, near, far, client, stop, lines, tools };
}

Deno.test("pings are answered, one a second, and the last line tells how long that took", async () => {
  const { clock, log, near, far, client, lines, tools } = world();
  using _client = client;
  using _server = new TunnelLink(far, { clock, random: seededRng(2), log, serve: () => {} });
  near.setUp(true);
  const done = ping(client, 3, tools);
  await clock.advance(1500);
  assert.equal(lines.length, 2);
  await clock.advance(1500);
  await done;
  assert.deepEqual(lines.map((line) => line.replace(/[\d.]+ ms|[\d./]+ ms/, "MS")), [
    "seq=1 time=MS",
    "seq=2 time=MS",
    "seq=3 time=MS",
    "3 answered, min/avg/max MS",
  ]);
});

Deno.test("pings that nobody answers end with a failure, and an abort ends them at once", async () => {
  const { clock, near, far, client, stop, lines, tools } = world();
  using _client = client;
  far.listen({ packet: () => {}, room: () => {}, up: () => {}, down: () => {} });
  near.setUp(true);
  const done = assert.rejects(ping(client, 2, tools), /no ping was answered/);
  await clock.advance(11_000);
  await done;
  assert.deepEqual(lines, ["seq=1 no answer", "seq=2 no answer"]);
  const aborted = assert.rejects(ping(client, 2, tools), /enough/);
  stop.abort(new Error("enough"));
  await aborted;
  assert.equal(client.onPong, null);
});
