import assert from "node:assert/strict";
import { withRates } from "./rates.ts";
import type { SessionStatus, StatusReport } from "./report.ts";

function session(id: number, sentBytes: number, receivedBytes: number): SessionStatus {
  return { id, peer: "p", wire: "v2", seconds: 1, sentBytes, receivedBytes, carriers: [] };
}

function report(seconds: number, sessions?: readonly SessionStatus[]): StatusReport {
  const end = { version: 1, name: "n", command: "server", pid: 1, seconds } as const;
  return { ...end, ...(sessions !== undefined && { sessions }) };
}

Deno.test("rates are of each session and of all; one that is new began at zero", () => {
  const before = report(10, [session(1, 1000, 50), session(2, 7, 7)]);
  const after = report(10.5, [session(1, 2000, 50), session(3, 0, 300)]);
  const { sessions, rates } = withRates(before, after);
  assert.deepEqual(sessions?.map(({ id, rates }) => [id, rates]), [
    [1, { sentBytesPerSecond: 2000, receivedBytesPerSecond: 0 }],
    [3, { sentBytesPerSecond: 0, receivedBytesPerSecond: 600 }],
  ]);
  assert.deepEqual(rates, { sentBytesPerSecond: 2000, receivedBytesPerSecond: 600 });
});

Deno.test("rates of a proxy are those of its connections", () => {
  const proxy = (seconds: number, sentBytes: number, receivedBytes: number): StatusReport => ({
    ...report(seconds),
    connections: { open: 1, served: 1, sentBytes, receivedBytes },
  });
  const { rates } = withRates(proxy(1, 100, 0), proxy(3, 300, 5000));
  assert.deepEqual(rates, { sentBytesPerSecond: 100, receivedBytesPerSecond: 2500 });
  const uncounted = { ...report(1), connections: { open: 1, served: 1 } };
  assert.equal(withRates(uncounted, uncounted).rates, undefined);
});

Deno.test("an end without sessions has no rates, and a report beside itself has zeros", () => {
  assert.deepEqual(withRates(report(1), report(2)), report(2));
  const only = report(1, [session(1, 10, 10)]);
  assert.deepEqual(withRates(only, only).rates, {
    sentBytesPerSecond: 0,
    receivedBytesPerSecond: 0,
  });
});
