import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { keptLog } from "../../../tests/fake/log.ts";
import { TtunError } from "../../base/errors.ts";
import type { Target } from "../../base/target.ts";
import type { DialEvents } from "../../contract/dial.ts";
import type { OpenOptions, Outbound } from "../../contract/outbound.ts";
import type { Stream } from "../../contract/stream.ts";
import { CloseCode } from "../../core/link/v2/frames.ts";
import { refusal } from "../../core/link/v2/handshake.ts";
import type { Meeting } from "../net/reach.ts";
import { WireChoice } from "./wire_choice.ts";

const TARGET: Target = { host: "service.example", port: 80 };

/** A choice whose connections end as the test says, and what programs hear. */
function world() {
  const clock = new FakeClock();
  const heard: string[] = [];
  let ending = Promise.withResolvers<never>();
  const outbound: Outbound = { open: () => void heard.push("opened") };
  const link = { outbound, isConnected: false, hurry: () => {} };
  const choice = new WireChoice({
    reach: () => ending.promise,
    tt: null,
    clock,
    log: keptLog(clock).log,
    onTt: () => heard.push("tt"),
  });
  choice.use(link);
  const events: DialEvents<Stream> = {
    connected: () => void heard.push("connected"),
    failed: (error) => void heard.push(`failed: ${(error as Error).message}`),
  };
  const meeting: Meeting<string> = {
    signal: new AbortController().signal,
    isLeaving: false,
    meet: () => Promise.resolve("met"),
    discard: () => {},
  };
  return {
    clock,
    heard,
    reach: () => choice.reach(meeting),
    open: (o: OpenOptions) => choice.open(TARGET, o, events),
    end(error: Error | null) {
      if (error === null) ending.resolve("met" as never);
      else ending.reject(error);
      ending = Promise.withResolvers();
    },
  };
}

const live = () => ({ signal: new AbortController().signal });

Deno.test("a program goes on waiting when the server has forgotten the session", async () => {
  const { clock, end, heard, open, reach } = world();
  const first = reach();
  open(live());
  end(refusal(CloseCode.unknownSession, "unknown session"));
  await assert.rejects(first, /unknown session/);
  assert.deepEqual(heard, []);
  const second = reach();
  end(null);
  assert.equal(await second, "met");
  assert.deepEqual(heard, ["opened"]);
  assert.equal(clock.pending, 0);
});

Deno.test("a program that waits hears why there is no way to the server", async () => {
  const { clock, end, heard, open, reach } = world();
  const first = reach();
  open(live());
  end(new TtunError("busy", "the server is busy"));
  await assert.rejects(first, /busy/);
  assert.deepEqual(heard, ["failed: the server is busy"]);
  assert.equal(clock.pending, 0);
});

Deno.test("a program that has given up already does not wait", () => {
  const { clock, heard, open } = world();
  open({ signal: AbortSignal.abort(new Error("gone")) });
  assert.deepEqual(heard, ["failed: gone"]);
  assert.equal(clock.pending, 0);
});

Deno.test("a program waits 15 s for the server, and no longer", async () => {
  const { clock, heard, open } = world();
  open(live());
  await clock.advance(14_999);
  assert.deepEqual(heard, []);
  await clock.advance(1);
  assert.deepEqual(heard, ["failed: there is no connection to the server"]);
});
