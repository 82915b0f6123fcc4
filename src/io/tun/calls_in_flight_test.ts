import { deepEqual } from "node:assert/strict";
import { CallsInFlight } from "./calls_in_flight.ts";

Deno.test("waits: without a call under way everything is closed at once", async () => {
  const waits = new CallsInFlight();
  const seen: string[] = [];
  waits.close(() => void seen.push("freed"));
  deepEqual(seen, ["freed"]);
  await waits.freed;
});

Deno.test("waits: the last call that comes back closes, failed or not, once", async () => {
  const waits = new CallsInFlight();
  const seen: string[] = [];
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const failing = waits.run(() => first.promise).catch(() => void seen.push("first failed"));
  const fine = waits.run(() => second.promise);
  waits.close(() => void seen.push("freed"));
  first.reject(new Error("interrupted"));
  await failing;
  deepEqual(seen, ["first failed"]);
  second.resolve();
  await fine;
  await waits.freed;
  deepEqual(seen, ["first failed", "freed"]);
});
