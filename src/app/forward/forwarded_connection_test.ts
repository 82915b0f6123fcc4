import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { keptLog } from "../../../tests/fake/log.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { utf8 } from "../../base/bytes.ts";
import { RateLimitedLog } from "../../base/rate_limited_log.ts";
import type { ForwardTarget } from "../../base/target.ts";
import type { Connection } from "../../contract/connection.ts";
import type { OpenOptions } from "../../contract/outbound.ts";
import { ConnectError } from "../net/connect_error.ts";
import { DEFAULT_LIMITS } from "../net/connection_limits.ts";
import { Quota } from "../net/connection_quota.ts";
import { Relays } from "../net/relay.ts";
import { ScratchBuffers } from "../net/scratch.ts";
import { ForwardedConnection } from "./forwarded_connection.ts";

/** A connection that was accepted, with an outbound that notes what it is asked for. */
function world(connect: () => Connection) {
  const clock = new FakeClock();
  const { log, records } = keptLog(clock);
  const { signal } = new AbortController();
  const relays = new Relays({ clock, scratch: new ScratchBuffers(65_536), idleMs: Infinity });
  const asked: [ForwardTarget, OpenOptions][] = [];
  const quota = new Quota(DEFAULT_LIMITS);
  const host = {
    log,
    signal,
    relays,
    quota,
    said: new RateLimitedLog(log, () => clock.now()),
    outbound: {
      open: (...[to, o, events]: Parameters<ForwardedHostOpen>) => {
        asked.push([to, o]);
        try {
          return events.connected(connect());
        } catch (error) {
          return events.failed(error);
        }
      },
    },
  };
  const [program, accepted] = memoryPair();
  let over = 0;
  const path = "/run/target.sock";
  const begin = () => {
    const from = { stream: accepted, from: accepted.remote };
    return new ForwardedConnection(host, from, { path }, () => over++).begin();
  };
  return { clock, records, asked, quota, program, begin, ended: () => over };
}

type ForwardedHostOpen = ConstructorParameters<typeof ForwardedConnection>[0]["outbound"]["open"];

const EARLY = utf8("early bird");

Deno.test("what has arrived goes along with the request, and must not be sent twice", async () => {
  const [near, far] = memoryPair();
  const { program, begin, asked, clock, records } = world(() => near);
  program.writeNow(EARLY);
  program.closeWrite();
  begin();
  const [[to, o]] = asked as [[ForwardTarget, OpenOptions]];
  assert.deepEqual([to, o.early, o.once], [{ path: "/run/target.sock" }, EARLY, true]);
  await clock.settle();
  assert.equal(far.readNow(new Uint8Array(1)), null); // the early bytes were the outbound's to send
  far.closeWrite();
  await clock.settle();
  const done = records.find(({ message }) => message === "forwarded")!.fields;
  assert.deepEqual([done.up, done.down, done.to], [EARLY.length, 0, "/run/target.sock"]);
});

Deno.test("a connection on which nothing or only an end has come is opened at once", async () => {
  for (const ends of [false, true]) {
    const [near, far] = memoryPair();
    const { program, begin, asked, clock, ended, quota } = world(() => near);
    if (ends) program.closeWrite();
    begin();
    assert.deepEqual(asked.map(([, { early, once }]) => [early, once]), [[undefined, undefined]]);
    assert.equal(far.readNow(new Uint8Array(1)), ends ? null : undefined);
    if (!ends) program.closeWrite();
    far.closeWrite();
    await clock.settle();
    assert.deepEqual([ended(), quota.count, clock.pending], [1, 0, 0]);
  }
});

Deno.test("a refused one is reset and over, once, and the log tells a fault of ttun from others", async () => {
  const failures: [Error, string, RegExp][] = [
    [new ConnectError("denied", "/run/target.sock: no rule"), "warn", /no rule/],
    [new Error("a bug"), "error", /a bug/],
  ];
  for (const [error, level, words] of failures) {
    const { program, begin, records, clock, ended, quota } = world(() => {
      throw error;
    });
    begin();
    await clock.settle();
    assert.throws(() => program.readNow(new Uint8Array(1)), { name: "TtunError", kind: "lost" });
    assert.deepEqual([ended(), quota.count], [1, 0]);
    assert.equal(records[0]!.level, level);
    assert.match(String(records[0]!.fields.why), words);
  }
});

Deno.test("one that was reset before it began is over at once", () => {
  const [near] = memoryPair();
  const { program, begin, ended, asked, records } = world(() => near);
  program.reset();
  begin();
  assert.deepEqual([ended(), asked.length], [1, 0]);
  assert.equal(records[0]!.level, "debug");
});
