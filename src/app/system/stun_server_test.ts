import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { keptLog } from "../../../tests/fake/log.ts";
import { MemoryNet } from "../../../tests/fake/memory.ts";
import { seededRng } from "../../../tests/fake/rng.ts";
import { packBindingRequest } from "../../core/stun/message.ts";
import { write } from "../loop/stream_io.ts";
import { dial } from "../net/dial_events.ts";
import { askStun, readStunMessage } from "../net/stun.ts";
import { runStunServer } from "./stun_server.ts";

const AT = { host: "192.0.2.1", port: 3478 };

Deno.test("a client learns where it comes from, whatever else comes, and as often as it asks", async () => {
  const clock = new FakeClock();
  const net = new MemoryNet();
  const stop = new AbortController();
  const { signal } = stop;
  const { log } = keptLog(clock);
  const listener = net.listen(AT, { signal });
  const running = runStunServer({ listener, clock, log, signal });
  const ended = assert.rejects(running, /over/);
  await using garbage = await dial(net.dialer(), AT, { signal });
  await write(garbage, new Uint8Array(40));
  await using stream = await dial(net.dialer(), AT, { signal });
  for (let i = 0; i < 3; i++) {
    assert.deepEqual(
      await askStun(stream, { rng: seededRng(i), clock, timeoutMs: 1000 }),
      stream.local,
    );
  }
  // A message in pieces of one byte.
  for (const byte of packBindingRequest(new Uint8Array(12))) {
    await write(stream, Uint8Array.of(byte));
  }
  assert.equal((await readStunMessage(stream))!.length, 32);
  const left = () => {
    try {
      return garbage.readNow(new Uint8Array(1));
    } catch {
      return null; // reset
    }
  };
  assert.equal(left(), null);
  stop.abort(new Error("over"));
  await ended;
});

Deno.test("a server that says nothing is told from one that breaks", async () => {
  const clock = new FakeClock();
  const net = new MemoryNet();
  const { signal } = new AbortController();
  await using _listener = net.listen(AT, { signal });
  await using stream = await dial(net.dialer(), AT, { signal });
  const asked = assert.rejects(
    askStun(stream, { rng: seededRng(1), clock, timeoutMs: 10_000 }),
    { kind: "timeout", message: /no answer from the STUN server within 10 s/ },
  );
  await clock.advance(10_000);
  await asked;
  assert.equal(clock.pending, 0);
});
