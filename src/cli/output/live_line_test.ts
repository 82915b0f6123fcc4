import assert from "node:assert/strict";
import type { LiveSample } from "../../core/status/live_meter.ts";
import { LONGEST_SPARKLINE } from "../status/live_text.ts";
import { LiveLine } from "./live_line.ts";

const SAMPLE: LiveSample = {
  peer: "here",
  transports: [],
  sentBytes: 0,
  receivedBytes: 0,
  sentBytesPerSecond: 7,
  receivedBytesPerSecond: 8,
  seconds: 0,
};

function world() {
  const calls: (string | null)[] = [];
  const state = { columns: 80, isOurs: true, asked: 0 };
  const line = new LiveLine({
    output: {
      setFooter: (text) => void calls.push(text),
      flush: () => Promise.resolve(void calls.push("flush")),
    },
    screen: {
      columns: () => state.columns,
      isOurs: () => state.isOurs,
      stop: () => void calls.push("stop"),
    },
    render: ({ sample, sent, received }, columns) =>
      `${sample.peer} ${sent.length} ${received.at(-1)} ${columns}`,
    ask: () => void state.asked++,
  });
  return { calls, state, line, [Symbol.dispose]: () => line[Symbol.dispose]() };
}

Deno.test("a sample is asked for at once, drawn, and drawn again in another width", () => {
  using one = world();
  const { calls, state, line } = one;
  assert.equal(state.asked, 1);
  line.draw();
  assert.deepEqual(calls, []);
  line.take(SAMPLE);
  state.columns = 40;
  line.draw();
  assert.deepEqual(calls, ["here 1 8 79", "here 1 8 39"]);
});

Deno.test("rates are kept for a sparkline, and no more", () => {
  using one = world();
  for (let i = 0; i < 50; i++) one.line.take(SAMPLE);
  assert.equal(one.calls.at(-1), `here ${LONGEST_SPARKLINE} 8 79`);
});

Deno.test("the line is away while the process is stopped, and in the background", async () => {
  using one = world();
  const { calls, state, line } = one;
  line.take(SAMPLE);
  const suspended = line.suspend();
  line.take(SAMPLE);
  await suspended;
  assert.deepEqual(calls, ["here 1 8 79", null, "flush", "stop", "here 2 8 79"]);
  state.isOurs = false;
  line.take(SAMPLE);
  assert.equal(calls.at(-1), null);
});

Deno.test("at the end the line is erased, and stays away", () => {
  const { calls, line } = world();
  line.take(SAMPLE);
  line[Symbol.dispose]();
  line.take(SAMPLE);
  assert.deepEqual(calls, ["here 1 8 79", null]);
});
