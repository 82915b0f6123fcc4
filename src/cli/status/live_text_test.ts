import assert from "node:assert/strict";
import fc from "fast-check";
import type { LiveSample } from "../../core/status/live_meter.ts";
import { type LiveFacts, liveText, sparkline } from "./live_text.ts";

const SAMPLE: LiveSample = {
  peer: "vpn.example.net:20203",
  sessions: 1,
  transports: ["tcp"],
  wire: "v2",
  cipher: "aes-256-gcm",
  aead: "native",
  sentBytes: 12_300_000,
  receivedBytes: 1_500_000_000,
  sentBytesPerSecond: 1_234_567,
  receivedBytesPerSecond: 999,
  rttMs: 12.345,
  seconds: 3725,
};

const FACTS: LiveFacts = { sample: SAMPLE, sent: [0, 50, 100], received: [7, 7] };

Deno.test("a wide terminal has everything", () => {
  assert.equal(
    liveText(FACTS, 200),
    "vpn.example.net:20203  ↑ 1.2 MB/s   ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▅█  ↓ 999 B/s    ▁▁▁▁▁▁▁▁▁▁▁▁▁▁██  " +
      "sent 12.3 MB   received 1.5 GB    rtt 12.3 ms  tcp v2  aes-256-gcm (native)  up 1 h 2 min",
  );
});

Deno.test("a narrower one has shorter sparklines, then fewer facts, and the rates always", () => {
  assert.equal(
    liveText(FACTS, 80),
    "vpn.example.net:20203  ↑ 1.2 MB/s   ▁▁▁▁▅█  ↓ 999 B/s    ▁▁▁▁██  rtt 12.3 ms",
  );
  assert.equal(liveText(FACTS, 40), "vpn.example…  ↑ 1.2 MB/s    ↓ 999 B/s   ");
  assert.equal(liveText(FACTS, 10), "vpn.exa…  ");
  assert.match(liveText(FACTS, 145), / ▁▁▁▁▅█ .* ▁▁▁▁██ /);
});

Deno.test("without a session, with several of them, or before the start it says so", () => {
  const { wire: _, cipher: __, rttMs: ___, ...rest } = SAMPLE;
  const text = (sample: LiveSample) => liveText({ ...FACTS, sample }, 200);
  assert.match(text({ ...rest, sessions: 0 }), /^vpn\.example\.net:20203 \(no session\) {2}↑/);
  assert.match(text({ ...rest, peer: ":20203", sessions: 12 }), /^:20203 \(12 sessions\) {2}↑/);
  assert.match(text({ ...rest, connections: 3 }), / 3 open {2}tcp {2}up 1 h/);
  assert.match(text({ ...rest, peer: null }), /^starting {2}↑/);
  assert.match(text({ ...rest, peer: "a\x1b[2Jé\u{1f600}" }), /^a\?\[2J\?\? {2}↑/);
});

Deno.test("a sparkline is relative to its highest rate", () => {
  assert.equal(sparkline([], 3), "▁▁▁");
  assert.equal(sparkline([0, 0], 3), "▁▁▁");
  assert.equal(sparkline([9, 0, 1, 100, 50], 4), "▁▂█▅");
});

Deno.test("whatever the facts are, the line fits", () => {
  const rates = fc.array(fc.nat(1e12), { maxLength: 20 });
  fc.assert(fc.property(fc.string(), fc.nat(250), rates, fc.nat(1e15), (peer, columns, list, n) => {
    const sample = { ...SAMPLE, peer, sentBytes: n, seconds: n / 1e6 };
    const text = liveText({ sample, sent: list, received: list }, columns);
    assert.ok(text.length <= columns, text);
    assert.doesNotMatch(text, /\p{Cc}/u);
  }));
});
