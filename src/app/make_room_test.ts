import assert from "node:assert/strict";
import { TtunError } from "../base/errors.ts";
import type { Dialer, Stream } from "../contract/stream.ts";
import { dialMakingRoom } from "./make_room.ts";

const TO = { host: "192.0.2.1", port: 80 };
const signal = new AbortController().signal;
const stream = {} as Stream;

/** A dialer that has a descriptor only from the given attempt on. */
function shortOf(o: { until: number; kind?: "exhausted" | "unreachable" }) {
  let dialled = 0;
  const dialer: Dialer = {
    dial: () =>
      ++dialled < o.until
        ? Promise.reject(new TtunError(o.kind ?? "exhausted", "no"))
        : Promise.resolve(stream),
  };
  return { dialer, dialled: () => dialled };
}

function room(places: number) {
  let made = 0;
  return { make: () => made < places && ++made > 0, made: () => made };
}

Deno.test("with a descriptor nothing is closed for it", async () => {
  const { make, made } = room(5);
  assert.equal(
    await dialMakingRoom(shortOf({ until: 1 }).dialer, make).dial(TO, { signal }),
    stream,
  );
  assert.equal(made(), 0);
});

Deno.test("without one as much is closed as it takes", async () => {
  const { make, made } = room(5);
  assert.equal(
    await dialMakingRoom(shortOf({ until: 4 }).dialer, make).dial(TO, { signal }),
    stream,
  );
  assert.equal(made(), 3);
});

Deno.test("where there is nothing to close the error is told", async () => {
  const { dialer, dialled } = shortOf({ until: 100 });
  await assert.rejects(dialMakingRoom(dialer, room(2).make).dial(TO, { signal }), {
    kind: "exhausted",
  });
  assert.equal(dialled(), 3);
});

Deno.test("it does not close all that there is", async () => {
  const { make, made } = room(1000);
  const { dialer } = shortOf({ until: 1000 });
  await assert.rejects(dialMakingRoom(dialer, make).dial(TO, { signal }), { kind: "exhausted" });
  assert.equal(made(), 8);
});

Deno.test("for another error nothing is closed", async () => {
  const { make, made } = room(5);
  const { dialer, dialled } = shortOf({ until: 9, kind: "unreachable" });
  await assert.rejects(dialMakingRoom(dialer, make).dial(TO, { signal }), { kind: "unreachable" });
  assert.deepEqual([made(), dialled()], [0, 1]);
});
