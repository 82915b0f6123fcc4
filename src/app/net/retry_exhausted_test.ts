import assert from "node:assert/strict";
import { TtunError } from "../../base/errors.ts";
import type { Dialer } from "../../contract/dial.ts";
import type { Connection } from "../../contract/connection.ts";
import { promised, startDial } from "./dial_events.ts";
import { dialMakingRoom } from "./retry_exhausted.ts";

const TO = { host: "192.0.2.1", port: 80 };
const signal = new AbortController().signal;
const stream = {} as Connection;

/** A dialer that has a descriptor only from the given attempt on, as it is with room made for it. */
function shortOf(
  o: { until: number; kind?: "exhausted" | "unreachable" },
  make: () => boolean,
) {
  let dialled = 0;
  const dial = () =>
    ++dialled < o.until
      ? Promise.reject(new TtunError(o.kind ?? "exhausted", "no"))
      : Promise.resolve(stream);
  const start: Dialer["start"] = (_to, _o, events) => {
    if (++dialled >= o.until) return events.connected(stream);
    return events.failed(new TtunError(o.kind ?? "exhausted", "no"));
  };
  return { dialer: dialMakingRoom({ dial, start }, make), dialled: () => dialled };
}

/** By a promise, and by callbacks. */
const WAYS: readonly ((dialer: Dialer) => Promise<Connection>)[] = [
  (dialer) => dialer.dial(TO, { signal }),
  (dialer) => promised((events) => startDial(dialer, TO, { signal }, events)),
];

function room(places: number) {
  let made = 0;
  return { make: () => made < places && ++made > 0, made: () => made };
}

for (const [i, dial] of WAYS.entries()) {
  const how = ["by a promise", "by callbacks"][i];

  Deno.test(`with a descriptor nothing is closed for it, ${how}`, async () => {
    const { make, made } = room(5);
    assert.equal(await dial(shortOf({ until: 1 }, make).dialer), stream);
    assert.equal(made(), 0);
  });

  Deno.test(`without one as much is closed as it takes, ${how}`, async () => {
    const { make, made } = room(5);
    assert.equal(await dial(shortOf({ until: 4 }, make).dialer), stream);
    assert.equal(made(), 3);
  });

  Deno.test(`where there is nothing to close the error is told, ${how}`, async () => {
    const { dialer, dialled } = shortOf({ until: 100 }, room(2).make);
    await assert.rejects(dial(dialer), { kind: "exhausted" });
    assert.equal(dialled(), 3);
  });

  Deno.test(`it does not close all that there is, ${how}`, async () => {
    const { make, made } = room(1000);
    await assert.rejects(dial(shortOf({ until: 1000 }, make).dialer), { kind: "exhausted" });
    assert.equal(made(), 8);
  });

  Deno.test(`for another error nothing is closed, ${how}`, async () => {
    const { make, made } = room(5);
    const { dialer, dialled } = shortOf({ until: 9, kind: "unreachable" }, make);
    await assert.rejects(dial(dialer), { kind: "unreachable" });
    assert.deepEqual([made(), dialled()], [0, 1]);
  });
}

Deno.test("a dialer that has promises alone is used by callbacks as well", async () => {
  const error = new TtunError("unreachable", "no");
  const start = (dial: Dialer["dial"]) =>
    promised((events) => {
      // Somebody waits for a promise.
      assert.equal(startDial({ dial }, TO, { signal }, events), undefined);
    });
  assert.equal(await start(() => Promise.resolve(stream)), stream);
  await assert.rejects(start(() => Promise.reject(error)), error);
});
