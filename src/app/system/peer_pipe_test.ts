import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import type { Connection } from "../../contract/connection.ts";
import type { ConnectionStats } from "../../contract/stats.ts";
import { runPipe } from "./peer_pipe.ts";

/** A pipe whose standard input and peer have both ended; the kernel's facts are the test's. */
async function endedPipe(stats: () => Partial<ConnectionStats>) {
  const clock = new FakeClock();
  const { signal } = new AbortController();
  const [stdio, program] = memoryPair();
  const [inner, other] = memoryPair();
  const peer = new Proxy(inner as Connection, {
    get(target, name) {
      if (name === "stats") return () => ({ protocol: "tcp", ...stats() });
      const value = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const running = runPipe(stdio, peer, { clock, signal });
  await program.closeWrite();
  await other.closeWrite();
  return { clock, running };
}

Deno.test("the pipe's end waits for the last bytes, however long the other end rests", async () => {
  let isDelivered = false;
  let hasEnded = false;
  const { clock, running } = await endedPipe(() => ({ isDelivered }));
  const ended = running.then(() => void (hasEnded = true));
  for (let i = 0; i < 30; i++) await clock.advance(1000);
  assert(!hasEnded);
  isDelivered = true;
  await clock.advance(1000);
  await ended;
});

Deno.test("a reset behind the last bytes is a loss, as they may not have arrived", async () => {
  let facts: Partial<ConnectionStats> = { isDelivered: false };
  const { clock, running } = await endedPipe(() => facts);
  const lost = assert.rejects(running, { kind: "lost", message: /last bytes may be missing/ });
  await clock.advance(1000);
  facts = { isDelivered: true, isGone: true, wasReset: true };
  await clock.advance(1000);
  await lost;
  const whole = await endedPipe(() => ({ isDelivered: true, isGone: true, wasReset: false }));
  await whole.clock.advance(1000);
  await whole.running;
});
