import assert from "node:assert/strict";
import { LiveMeter } from "./live_meter.ts";
import type { EndStatus, SessionStatus } from "./report.ts";

function session(id: number, sentBytes: number, receivedBytes: number): SessionStatus {
  return {
    id,
    peer: `192.0.2.${id}:20203`,
    wire: "v2",
    cipher: "aes-256-gcm",
    seconds: 5,
    sentBytes,
    receivedBytes,
    carriers: [{ number: 1, peer: "a", rttMs: 3 }, { number: 2, peer: "a", rttMs: 12.5 }],
  };
}

const client = (...sessions: SessionStatus[]): EndStatus => ({
  transports: ["tcp"],
  aead: "native",
  server: "vpn.example.net:20203",
  sessions,
});

Deno.test("the first sample has totals and no rates, the next ones have rates of the time between", () => {
  const meter = new LiveMeter();
  assert.deepEqual(meter.sample(client(session(1, 1000, 50)), 7000), {
    peer: "vpn.example.net:20203",
    sessions: 1,
    transports: ["tcp"],
    aead: "native",
    wire: "v2",
    cipher: "aes-256-gcm",
    rttMs: 12.5,
    sentBytesPerSecond: 0,
    receivedBytesPerSecond: 0,
    sentBytes: 1000,
    receivedBytes: 50,
    seconds: 5,
  });
  const { sentBytesPerSecond, receivedBytesPerSecond, sentBytes } = meter.sample(
    client(session(1, 4000, 50)),
    9000,
  );
  assert.deepEqual([sentBytesPerSecond, receivedBytesPerSecond, sentBytes], [1500, 0, 4000]);
});

Deno.test("totals keep the bytes of sessions that have ended", () => {
  const meter = new LiveMeter();
  meter.sample(client(session(1, 1000, 50)), 0);
  const none = meter.sample(client(), 1000);
  assert.deepEqual([none.sentBytes, none.sessions, none.wire, none.rttMs], [
    1000,
    0,
    undefined,
    undefined,
  ]);
  assert.equal(none.seconds, 1); // without a session it is the line's own time
  const later = meter.sample(client(session(2, 300, 7)), 2000);
  assert.deepEqual([later.sentBytes, later.receivedBytes, later.sentBytesPerSecond], [
    1300,
    57,
    300,
  ]);
});

Deno.test("a server is known by its only client, or by where it listens", () => {
  const server = (...sessions: SessionStatus[]) => ({ listen: [":20203", "/run/x"], sessions });
  const peerOf = (status: EndStatus) => new LiveMeter().sample(status, 0).peer;
  assert.equal(peerOf(server()), ":20203 /run/x");
  assert.equal(peerOf(server(session(1, 0, 0))), "192.0.2.1:20203");
  assert.equal(peerOf(server({ ...session(1, 0, 0), name: "laptop" })), "laptop");
  assert.equal(peerOf(server(session(1, 0, 0), session(2, 0, 0))), ":20203 /run/x");
  assert.equal(peerOf({}), null);
});

Deno.test("bytes of a proxy's connections are counted instead of its sessions'", () => {
  const meter = new LiveMeter();
  const at = (sentBytes: number): EndStatus => ({
    connections: { open: 3, served: 9, sentBytes, receivedBytes: 1 },
    sessions: [session(1, 1_000_000, 0)],
  });
  meter.sample(at(10), 0);
  const { sentBytes, sentBytesPerSecond, connections } = meter.sample(at(30), 1000);
  assert.deepEqual([sentBytes, sentBytesPerSecond, connections], [30, 20, 3]);
});
