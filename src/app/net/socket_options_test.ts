import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { keptLog } from "../../../tests/fake/log.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import type { CongestionChoice, SocketOptions } from "../../contract/connection.ts";
import { Tuner } from "./socket_options.ts";

function world(unset: string[], congestion?: CongestionChoice) {
  const { log, records } = keptLog(new FakeClock());
  const asked: SocketOptions[] = [];
  const [stream] = memoryPair();
  stream.setOptions = (options) => {
    asked.push(options);
    return unset;
  };
  return { tuner: new Tuner(log, congestion), stream, asked, records };
}

Deno.test("a tunnel's connection is set to no delay, keepalive and a minute without an answer", () => {
  const { tuner, stream, asked, records } = world([]);
  tuner.tune(stream);
  const wanted = {
    noDelay: true,
    keepAliveSeconds: 15,
    userTimeoutMs: 60_000,
    maxRetransmitPauseMs: 4_000,
    unsentBytes: 256 * 1024,
  };
  assert.deepEqual([asked, records], [[wanted], []]);
});

Deno.test("options that cannot be set are told of once", () => {
  const { tuner, stream, asked, records } = world(["TCP_USER_TIMEOUT", "TCP_RTO_MAX_MS"]);
  tuner.tune(stream);
  tuner.tune(stream);
  assert.equal(asked.length, 2);
  assert.deepEqual(records.map(({ level, fields }) => [level, fields]), [
    ["warn", { options: "TCP_USER_TIMEOUT,TCP_RTO_MAX_MS" }],
  ]);
});

Deno.test("an option that only new kernels have is worth no warning", () => {
  const { tuner, stream, records } = world(["TCP_RTO_MAX_MS"]);
  tuner.tune(stream);
  assert.deepEqual(records.map(({ level }) => level), ["debug"]);
});

Deno.test("a congestion control that was asked for by name is missed aloud, one by the path is not", () => {
  for (const [near, level] of [["bbr", "warn"], [null, "debug"]] as const) {
    const congestion = { far: "bbr", near, nearMs: 1 };
    const { tuner, stream, asked, records } = world(["TCP_CONGESTION"], congestion);
    tuner.tune(stream);
    assert.deepEqual(asked[0]?.congestion, congestion);
    assert.deepEqual(records.map((record) => record.level), [level]);
  }
});
