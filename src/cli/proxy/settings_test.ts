import assert from "node:assert/strict";
import { DEFAULT_LIMITS } from "../../app/net/connection_limits.ts";
import { parseArgs } from "../command/args.ts";
import { PROXY_SERVER_OPTIONS } from "./options.ts";
import { settingsOf } from "./settings.ts";

function settings(...args: string[]) {
  const parsed = parseArgs(PROXY_SERVER_OPTIONS, args);
  assert.ok(!parsed.help);
  return settingsOf(parsed.values);
}

Deno.test("without options there are the drivers' own limits, and texts of any length", () => {
  assert.deepEqual(settings(), {
    aead: "auto",
    wire: {
      cipher: "auto",
      range: { first: 1024, last: 65535 },
      mostText: undefined,
      mode: "auto",
      keepMs: 60_000,
    },
    segmentSize: undefined,
    congestion: "auto",
    warmUp: true,
    limits: DEFAULT_LIMITS,
    user: undefined,
  });
});

Deno.test("seconds become milliseconds, and no idle time is an endless one", () => {
  const given = ["--connections", "7", "--per-address", "3", "--connect-timeout", "5"];
  assert.deepEqual(settings(...given, "--idle", "90", "--half-closed", "30").limits, {
    total: 7,
    perAddress: 3,
    idleMs: 90_000,
    halfClosedMs: 30_000,
    connectMs: 5_000,
  });
  assert.equal(settings("--idle", "0").limits.idleMs, Infinity);
  assert.equal(settings("--half-closed", "0").limits.halfClosedMs, Infinity);
});

Deno.test("a text is at most what a frame of ours can hold", () => {
  assert.equal(settings("--mtu", "1440").wire.mostText, 1440);
  assert.equal(settings("--mtu", "65519").wire.mostText, 65_519);
  assert.equal(settings("--mtu", "65536").wire.mostText, 65_519);
});
