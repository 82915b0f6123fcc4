import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { readNowAll } from "../../../tests/fake/tt_ends.ts";
import { utf8 } from "../../base/bytes.ts";
import type { Connection } from "../../contract/connection.ts";
import { write } from "../loop/stream_io.ts";
import { ConnectVisitors } from "./connect_visitors.ts";
import type { RawAnswer, RawVisitors } from "./raw_visitors.ts";

/** Takes connections for "game", which gets what it is sent. */
function lab() {
  const clock = new FakeClock();
  const asked: string[] = [];
  const seen: string[] = [];
  const note = (from: Connection) => {
    const { bytes } = readNowAll(from);
    seen.push(new TextDecoder().decode(bytes));
  };
  const raw = {
    serve: async (visitor: Connection, kind: string, name: string, answer: RawAnswer) => {
      asked.push(`${kind} ${name}`);
      if (name !== "game") return await answer.refused();
      await answer.taken();
      note(visitor);
    },
  } as unknown as RawVisitors;
  const other = (visitor: Connection) => {
    note(visitor);
    return Promise.resolve();
  };
  const [far, near] = memoryPair();
  const serving = new ConnectVisitors({ apex: "example.test", raw, clock, other }).serve(near);
  return {
    clock,
    asked,
    seen,
    far,
    serving,
    heard: () => new TextDecoder().decode(readNowAll(far).bytes),
  };
}

async function ask(...parts: string[]) {
  const at = lab();
  for (const part of parts) {
    await write(at.far, utf8(part));
    await at.clock.settle();
  }
  return at;
}

Deno.test("a public service is reached by its name, and gets what was sent behind the head", async () => {
  const { asked, seen, heard } = await ask(
    "CONN",
    "ECT Game.example.test:80 HTTP/1.1\r\n",
    "\r\nhi",
  );
  assert.deepEqual([asked, seen], [["tcp game"], ["hi"]]);
  assert.match(heard(), /^HTTP\/1\.1 200 /);
});

Deno.test("no address is reached, no other domain, and no name without such a service", async () => {
  const rows: [string, RegExp, string[]][] = [
    ["127.0.0.1:80", /^HTTP\/1\.1 403 /, []],
    ["[::1]:80", /^HTTP\/1\.1 403 /, []],
    ["other:80", /^HTTP\/1\.1 403 /, []],
    ["www.other.test:80", /^HTTP\/1\.1 404 /, ["tcp www.other.test"]],
    ["example.test:80", /^HTTP\/1\.1 403 /, []],
    ["a.game.example.test:80", /^HTTP\/1\.1 403 /, []],
    ["game.example.test", /^HTTP\/1\.1 403 /, []],
    ["shop.example.test:80", /^HTTP\/1\.1 404 /, ["tcp shop"]],
  ];
  for (const [target, answer, names] of rows) {
    const { asked, heard } = await ask(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
    assert.match(heard(), answer, target);
    assert.deepEqual(asked, names);
  }
  const damaged = await ask("CONNECT game.example.test:80\r\n\r\n");
  assert.match(damaged.heard(), /^HTTP\/1\.1 400 /);
  const long = await ask(`CONNECT game.example.test:80 HTTP/1.1\r\nX: ${"x".repeat(9000)}`);
  assert.match(long.heard(), /^HTTP\/1\.1 400 /);
});

Deno.test("other requests go where they are answered, whole; a silent visitor goes", async () => {
  const other = await ask("C", "OPY / HTTP/1.1\r\n");
  assert.deepEqual(other.seen, ["COPY / HTTP/1.1\r\n"]);
  const silent = lab();
  await silent.clock.advance(15_000);
  await silent.serving;
  assert.equal(silent.clock.pending, 0);
});
