import assert from "node:assert/strict";
import fc from "fast-check";
import {
  SegmentWatch,
  smallerAfterQuiet,
  smallerAfterSilence,
  smallerSegment,
  type WatchedFacts,
} from "./segment_watch.ts";

fc.configureGlobal({ seed: 5 });

/** A path that lets full or small segments pass at a given time (milliseconds). */
interface Path {
  full: (now: number) => boolean;
  small: (now: number) => boolean;
  /** When the peer says something of its own accord. */
  peerSpeaks: readonly number[];
  /** Share of further segments lost by chance; a random number in [0, 1) below it is a loss. */
  loss?: number;
  chance?: () => number;
  mss?: number;
  /** How many bytes are written; small writes are one segment. */
  bytes?: number;
  /** Full segments that have passed before. */
  passedBefore?: number;
}

const FIRST_RTO = 200;
const LONGEST_RTO = 4_000;

/**
 * A TCP sender in virtual time that has written once and sends the oldest segment again whenever
 * its timer runs out; looked at as often as the watch wants. When it was sure, and of which size.
 */
function watched(path: Path, until = 60_000): { at: number; size: number } | null {
  const { mss = 1448, bytes = 14_480, loss = 0, chance = () => 1, passedBefore = 0 } = path;
  const watch = new SegmentWatch();
  let delivered = 1;
  let acked = 1;
  const facts = (now: number): WatchedFacts => ({
    acked,
    segmentBytes: mss,
    rttMs: 40,
    sending: {
      timeouts,
      retransmitted,
      inFlightBytes,
      sacked: 0,
      delivered,
      segmentsIn,
      sentMsAgo: now - sentAt,
      heardMsAgo: now - heardAt,
    },
  });
  let [timeouts, retransmitted, inFlightBytes, segmentsIn, sentAt, heardAt] = [0, 0, 0, 3, 0, 0];
  for (let i = 0; i < passedBefore; i++) {
    watch.look(i, facts(i));
    delivered += 10;
    acked += 10 * mss;
  }
  watch.look(0, facts(0));
  inFlightBytes = bytes;
  const passes = (now: number) => {
    const isFull = Math.min(bytes, mss) > 1248;
    return (isFull ? path.full(now) : path.small(now)) && chance() >= loss;
  };
  const hear = (now: number) => {
    segmentsIn++;
    heardAt = now;
  };
  const arrive = (now: number) => {
    timeouts = inFlightBytes = 0;
    acked += bytes;
    delivered += Math.ceil(bytes / mss);
    hear(now);
  };
  if (passes(0)) arrive(0);
  let rto = FIRST_RTO;
  let dueAt = FIRST_RTO;
  let lookAt = watch.pauseMs;
  for (let now = 1; now <= until; now++) {
    if (path.peerSpeaks.includes(now) && path.small(now) && chance() >= loss) hear(now);
    if (inFlightBytes > 0 && now === dueAt) {
      timeouts++;
      retransmitted++;
      sentAt = now;
      rto = Math.min(2 * rto, LONGEST_RTO);
      dueAt = now + rto;
      if (passes(now)) arrive(now);
    }
    if (now < lookAt) continue;
    const size = watch.look(now, facts(now));
    if (size !== null) return { at: now, size };
    lookAt = now + watch.pauseMs;
  }
  return null;
}

const PINGS = Array.from({ length: 14 }, (_, i) => i === 0 ? 1_000 : 1_000 + 4_500 * i);
const always = () => true;
const never = () => false;

Deno.test("full segments that never pass while the peer is heard: a smaller size within 3 s", () => {
  const found = watched({ full: never, small: always, peerSpeaks: PINGS });
  assert.equal(found?.size, 1220);
  assert(found.at < 3_000, `${found.at} ms`);
});

Deno.test("a peer that speaks only every five seconds is enough, later", () => {
  const found = watched({ full: never, small: always, peerSpeaks: [4_800, 9_600, 14_400] });
  assert(found !== null && found.at < 11_000, `${found?.at} ms`);
});

Deno.test("a lone packet that is too long for the path is found as well", () => {
  const found = watched({ full: never, small: always, peerSpeaks: PINGS, bytes: 1303 });
  assert.equal(found?.size, 1220);
});

Deno.test("the sizes: from any to the next that every path of its kind carries, and no further", () => {
  const sizes = [65483, 8948, 1448, 1440, 1428, 1382, 1208, 1012, 600, 588, 536, 524, 88];
  assert.deepEqual(sizes.map(smallerSegment), [
    ...[1440, 1440, 1220, 1220, 1220, 1220, 536, 536, 536, null, null, null, null],
  ]);
  const path = { full: never, small: always, peerSpeaks: PINGS };
  assert.equal(watched({ ...path, mss: 8948, bytes: 89_480 })?.size, 1440);
  assert.equal(watched({ ...path, mss: 1208, bytes: 1208 }), null, "it passes");
  assert.equal(watched({ ...path, small: never, mss: 524 }), null, "there is nothing smaller");
});

Deno.test("a path that takes nothing at all is no such path", () => {
  assert.equal(watched({ full: never, small: never, peerSpeaks: PINGS }), null);
});

Deno.test("a small segment that is lost again and again says nothing of full ones", () => {
  const passes = (now: number) => now > 8_000;
  const path = { full: always, small: passes, peerSpeaks: PINGS, bytes: 300 };
  assert.equal(watched(path), null);
});

Deno.test("an outage of any length in both directions is no such path, wherever it begins", () => {
  fc.assert(fc.property(fc.nat(20_000), fc.nat(40_000), (from, length) => {
    const isUp = (now: number) => now < from || now >= from + length;
    const begins = from === 0 ? 0 : 1;
    const path = { full: isUp, small: isUp, peerSpeaks: PINGS, passedBefore: begins };
    return watched(path) === null;
  }));
});

Deno.test("an outage towards the peer alone is borne for six seconds once full segments have passed", () => {
  const path = { small: always, peerSpeaks: PINGS, passedBefore: 3 };
  for (const end of [1_000, 3_000, 6_000]) {
    assert.equal(watched({ ...path, full: (now) => now >= end }), null, `${end} ms`);
  }
  const found = watched({ ...path, full: never });
  assert(found !== null && found.at > 6_000 && found.at < 15_000, `${found?.at} ms`);
});

Deno.test("losses by chance are no such path: 1000 connections at 10 %", () => {
  let state = 7;
  const chance = () => (state = (state * 48_271) % 0x7fff_ffff) / 0x7fff_ffff;
  for (let i = 0; i < 1_000; i++) {
    const lossy = { full: always, small: always, loss: 0.1, chance, peerSpeaks: PINGS };
    assert.equal(watched({ ...lossy, passedBefore: 3 }, 20_000), null);
  }
});

const STUCK = {
  timeouts: 3,
  retransmitted: 9,
  inFlightBytes: 14_480,
  sacked: 0,
  delivered: 4,
  segmentsIn: 5,
  sentMsAgo: 100,
  heardMsAgo: 300,
};

Deno.test("an acknowledgement of anything ends the suspicion", () => {
  const watch = new SegmentWatch();
  const look = (now: number, acked: number, more: Partial<typeof STUCK> = {}) =>
    watch.look(now, { acked, segmentBytes: 1448, sending: { ...STUCK, ...more } });
  assert.equal(look(0, 1), null);
  assert.equal(look(100, 1, { segmentsIn: 6 }), null); // heard
  assert.equal(look(200, 1, { segmentsIn: 6, retransmitted: 10 }), null); // and sent again
  assert.equal(look(300, 2, { segmentsIn: 7, retransmitted: 10 }), null); // which was acknowledged
  assert.equal(look(900, 2, { segmentsIn: 7, retransmitted: 11 }), null);
  assert.equal(look(950, 2, { segmentsIn: 8, retransmitted: 11 }), null);
  assert.equal(look(1_000, 2, { segmentsIn: 8, retransmitted: 12 }), null);
  assert.equal(look(1_200, 2, { segmentsIn: 8, retransmitted: 12 }), 1220);
});

Deno.test("an acknowledgement that came after the last sending, before the first look, is enough", () => {
  const watch = new SegmentWatch();
  const look = (now: number, more: Partial<typeof STUCK>) =>
    watch.look(now, { acked: 1, segmentBytes: 1448, sending: { ...STUCK, ...more } });
  assert.equal(look(0, { sentMsAgo: 400, heardMsAgo: 20 }), null);
  assert.equal(look(100, { retransmitted: 10 }), null);
  assert.equal(look(300, { retransmitted: 10 }), 1220);
});

Deno.test("on a slow link the answer has two round trips to come", () => {
  const watch = new SegmentWatch();
  const look = (now: number, more: Partial<typeof STUCK>) =>
    watch.look(now, { acked: 1, segmentBytes: 1448, rttMs: 900, sending: { ...STUCK, ...more } });
  look(0, {});
  look(10, { segmentsIn: 6 });
  look(20, { segmentsIn: 6, retransmitted: 10 });
  assert.equal(look(1_819, { segmentsIn: 6, retransmitted: 10 }), null);
  assert.equal(look(1_820, { segmentsIn: 6, retransmitted: 10 }), 1220);
});

Deno.test("where the kernel tells nothing, nothing is found", () => {
  assert.equal(new SegmentWatch().look(0, {}), null);
  assert.equal(new SegmentWatch().look(0, { acked: 1, segmentBytes: 1448 }), null);
  assert.equal(smallerAfterSilence({}), null);
});

Deno.test("a peer whose kernel answers and who says nothing: a smaller size, else none", () => {
  const after = (heardMsAgo: number, segmentBytes = 1448) =>
    smallerAfterQuiet({ segmentBytes, sending: { ...STUCK, heardMsAgo } }, 15_000);
  assert.deepEqual([after(4_000), after(7_499), after(7_500), after(15_000)], [
    1220,
    1220,
    null,
    null,
  ]);
  assert.equal(after(0, 524), null);
  assert.equal(smallerAfterQuiet({}, 15_000), null);
});

Deno.test("a handshake: what is lost three times is too large, unless it is small", () => {
  const after = (timeouts: number, inFlightBytes: number, segmentBytes = 1448) =>
    smallerAfterSilence({ segmentBytes, sending: { ...STUCK, timeouts, inFlightBytes } });
  assert.equal(after(2, 1_100), null);
  assert.equal(after(3, 1_100), 1220);
  assert.equal(after(3, 1_100, 1208), 536);
  assert.equal(after(9, 300), null);
  assert.equal(after(9, 1_100, 524), null);
});
