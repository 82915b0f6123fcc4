import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import type { Connection } from "../../contract/connection.ts";
import { runPipe } from "./peer_pipe.ts";

Deno.test("the pipe's end waits for the last bytes, however long the other end rests", async () => {
  const clock = new FakeClock();
  const { signal } = new AbortController();
  const [stdio, program] = memoryPair();
  const [inner, other] = memoryPair();
  let isDelivered = false;
  const peer = new Proxy(inner as Connection, {
    get(target, name) {
      if (name === "stats") return () => ({ protocol: "tcp", isDelivered });
      const value = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  let hasEnded = false;
  const running = runPipe(stdio, peer, { clock, signal }).then(() => void (hasEnded = true));
  await program.closeWrite();
  await other.closeWrite();
  for (let i = 0; i < 30; i++) await clock.advance(1000);
  assert(!hasEnded);
  isDelivered = true;
  await clock.advance(1000);
  await running;
});
