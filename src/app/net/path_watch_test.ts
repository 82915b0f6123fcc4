import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import type { Connection } from "../../contract/connection.ts";
import type { ConnectionStats, SendingInfo } from "../../contract/stats.ts";
import { PathWatch } from "./path_watch.ts";

const SENDING: SendingInfo = {
  timeouts: 0,
  retransmitted: 0,
  inFlightBytes: 0,
  sacked: 0,
  delivered: 0,
  segmentsIn: 0,
  sentMsAgo: 0,
  heardMsAgo: 0,
};

/** A stream whose kernel says what the test sets; `tuned`: the time-outs that it was given. */
function watched(): {
  stream: Connection;
  tuned: (number | undefined)[];
  state: Partial<ConnectionStats>;
} {
  const [stream] = memoryPair();
  const tuned: (number | undefined)[] = [];
  const state: Partial<ConnectionStats> = {};
  stream.stats = () => ({ protocol: "tcp", ...state });
  stream.setOptions = ({ userTimeoutMs }) => {
    tuned.push(userTimeoutMs);
    return [];
  };
  return { stream, tuned, state };
}

Deno.test("a peer that does not read has no time-out until it reads again", async () => {
  const clock = new FakeClock();
  using watch = new PathWatch(clock);
  const { stream, tuned, state } = watched();
  watch.add(stream);
  Object.assign(state, { isDelivered: true, sending: SENDING }); // idle
  await clock.advance(30_000);
  Object.assign(state, { isDelivered: false, sending: { ...SENDING, inFlightBytes: 1 } });
  await clock.advance(30_000); // under way, or lost: TCP's own time-out decides
  assert.deepEqual(tuned, []);
  state.sending = SENDING; // all is acknowledged, and more waits
  await clock.advance(10_000);
  assert.deepEqual(tuned, [0]);
  await clock.advance(3_600_000);
  assert.deepEqual(tuned, [0]);
  state.isDelivered = true;
  await clock.advance(10_000);
  assert.deepEqual(tuned, [0, 30_000]);
});

Deno.test("where the kernel tells nothing nothing is set; one timer serves all, and none is left", async () => {
  const clock = new FakeClock();
  const watch = new PathWatch(clock);
  const all = Array.from({ length: 10 }, watched);
  for (const { stream } of all) watch.add(stream);
  assert.equal(clock.pending, 1);
  await clock.advance(60_000);
  assert.deepEqual(all.flatMap(({ tuned }) => tuned), []);
  for (const { stream } of all) watch.remove(stream);
  await clock.advance(10_000);
  assert.equal(clock.pending, 0);
  watch.add(all[0]!.stream);
  assert.equal(clock.pending, 1);
  watch[Symbol.dispose]();
  assert.equal(clock.pending, 0);
});

Deno.test("a stream that has ended is left alone", async () => {
  const clock = new FakeClock();
  using watch = new PathWatch(clock);
  const { stream, state } = watched();
  let asked = 0;
  stream.setOptions = () => {
    asked++;
    throw new Error("closed");
  };
  Object.assign(state, { isDelivered: false, sending: SENDING });
  watch.add(stream);
  await clock.advance(60_000);
  assert.deepEqual([asked, clock.pending], [1, 0]);
});
