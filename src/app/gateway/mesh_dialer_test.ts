import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { TtunError } from "../../base/errors.ts";
import { dial } from "../net/dial_events.ts";
import { MeshDialer } from "./mesh_dialer.ts";

const at = ["192.0.2.1", "192.0.2.2"].map((host) => ({ host, port: 443 }));
const { signal } = new AbortController();

function world(dead: Set<string>) {
  const clock = new FakeClock();
  const asked: string[] = [];
  const dialer = new MeshDialer({
    at,
    clock,
    dial: ({ host }) => {
      asked.push(host);
      if (dead.has(host)) return Promise.reject(new TtunError("unreachable", `No ${host}`));
      return Promise.resolve(memoryPair()[0]);
    },
  });
  return { clock, asked, dialer };
}

Deno.test("the next gateway is asked where one is not reached, and stays the first", async () => {
  const dead = new Set(["192.0.2.1"]);
  const { clock, asked, dialer } = world(dead);
  await dial(dialer, undefined, { signal });
  await clock.advance(60_000);
  await dial(dialer, undefined, { signal });
  assert.deepEqual(asked, ["192.0.2.1", "192.0.2.2", "192.0.2.2"]);
});

Deno.test("a gateway whose connection ends soon is not the first again", async () => {
  const { clock, asked, dialer } = world(new Set());
  await dial(dialer, undefined, { signal });
  await clock.advance(100);
  await dial(dialer, undefined, { signal });
  assert.deepEqual(asked, ["192.0.2.1", "192.0.2.2"]);
});

Deno.test("the first failure is told when none is reached", async () => {
  const { dialer } = world(new Set(at.map(({ host }) => host)));
  await assert.rejects(dial(dialer, undefined, { signal }), { message: "No 192.0.2.1" });
});

Deno.test("an attempt that is given up asks nobody else", async () => {
  const cancel = new AbortController();
  const { asked, dialer } = world(new Set(["192.0.2.1"]));
  const dialling = dial(dialer, undefined, { signal, cancel: cancel.signal });
  cancel.abort(new TtunError("lost", "Given up"));
  await assert.rejects(dialling, { message: "Given up" });
  assert.deepEqual(asked, ["192.0.2.1"]);
});
