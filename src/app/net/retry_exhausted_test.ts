import assert from "node:assert/strict";
import { TtunError } from "../../base/errors.ts";
import type { Dialer } from "../../contract/dial.ts";
import type { Connection } from "../../contract/connection.ts";
import { dialBy } from "../../../tests/fake/dialer.ts";
import { dial, promised } from "./dial_events.ts";
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
  const start: Dialer["start"] = (_to, _o, events) => {
    if (++dialled >= o.until) return events.connected(stream);
    return events.failed(new TtunError(o.kind ?? "exhausted", "no"));
  };
  return { dialer: dialMakingRoom({ start }, make), dialled: () => dialled };
}

function room(places: number) {
  let made = 0;
  return { make: () => made < places && ++made > 0, made: () => made };
}

const dialTo = (dialer: Dialer) => dial(dialer, TO, { signal });

Deno.test("with a descriptor nothing is closed for it", async () => {
  const { make, made } = room(5);
  assert.equal(await dialTo(shortOf({ until: 1 }, make).dialer), stream);
  assert.equal(made(), 0);
});

Deno.test("without one as much is closed as it takes", async () => {
  const { make, made } = room(5);
  assert.equal(await dialTo(shortOf({ until: 4 }, make).dialer), stream);
  assert.equal(made(), 3);
});

Deno.test("where there is nothing to close the error is told", async () => {
  const { dialer, dialled } = shortOf({ until: 100 }, room(2).make);
  await assert.rejects(dialTo(dialer), { kind: "exhausted" });
  assert.equal(dialled(), 3);
});

Deno.test("it does not close all that there is", async () => {
  const { make, made } = room(1000);
  await assert.rejects(dialTo(shortOf({ until: 1000 }, make).dialer), { kind: "exhausted" });
  assert.equal(made(), 8);
});

Deno.test("for another error nothing is closed", async () => {
  const { make, made } = room(5);
  const { dialer, dialled } = shortOf({ until: 9, kind: "unreachable" }, make);
  await assert.rejects(dialTo(dialer), { kind: "unreachable" });
  assert.deepEqual([made(), dialled()], [0, 1]);
});

Deno.test("a dialer that has promises alone is used by callbacks as well", async () => {
  const error = new TtunError("unreachable", "no");
  const start = (dialled: Promise<Connection>) =>
    promised<Connection>((events) => {
      const dialer = dialMakingRoom(dialBy(() => dialled), () => false);
      // Somebody waits for a promise.
      assert.equal(dialer.start(TO, { signal }, events), undefined);
    });
  assert.equal(await start(Promise.resolve(stream)), stream);
  await assert.rejects(start(Promise.reject(error)), error);
});
